"""What is known of an engine: for the record of a run, and for doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dnnbox.boxes import hardened
from dnnbox.boxes.engines import Asked, ask, base_url, get_json
from dnnbox.boxes.hardened import Engine
from dnnbox.errors import EngineUnavailable
from dnnbox.records.environment import Limits


def engine_facts(kind: str) -> Engine:
    """Return the facts of a running engine on this machine.

    Raises:
        EngineUnavailable: it does not answer, or it is on another machine.
    """
    url = base_url(kind)
    asked = ask_info(url)
    return engine_of(kind, url, None if asked is None else asked.json())


def ask_info(url: str) -> Asked | None:
    """Ask an engine on this machine for its facts, which takes it longest of all; None for one that is elsewhere.

    Raises:
        EngineUnavailable: it does not listen.
    """
    return ask(Path(url.removeprefix("unix://")), "/info") if url.startswith("unix://") else None


def engine_of(kind: str, url: str, info: Any) -> Engine:
    """Return the facts from an engine's answer to ``info``; a rootless Podman is asked for its controllers too.

    Raises:
        EngineUnavailable: that was no answer.
    """
    if not isinstance(info, dict):
        raise EngineUnavailable(f"{kind} does not say what it can do")
    if not (info.get("Rootless") and url.startswith("unix://")):
        return Engine.from_info(kind, info)
    more = get_json(Path(url.removeprefix("unix://")), "/v4.0.0/libpod/info")
    host = more.get("host") if isinstance(more, dict) else None
    controllers = host.get("cgroupControllers") if isinstance(host, dict) else None
    return Engine.from_info(kind, info, tuple(map(str, controllers)) if isinstance(controllers, list) else None)


def weaknesses(engine: Engine) -> tuple[str, ...]:
    """Return in short sentences what this engine does not enforce."""
    found = [f"cannot limit {name}" for name, can in engine.limits.items() if not can]
    if not engine.seccomp:
        found.append("has no seccomp profile")
    return tuple(found)


def unenforceable(kind: str, limits: Limits) -> tuple[str, ...]:
    """Return which of these limits an engine cannot enforce; () where it does not answer, which is another's error."""
    try:
        return tuple(hardened.unenforceable(engine_facts(kind), limits))
    except EngineUnavailable:
        return ()


def as_record(engine: Engine) -> dict[str, Any]:
    """Return the facts that a report shows."""
    return {
        "name": engine.kind,
        "version": engine.version,
        "cgroup": f"v{engine.cgroup}",
        "rootless": engine.rootless,
        "seccomp": engine.seccomp,
        "swap": "off" if engine.limits["swap"] else "not limited by this engine",
    }
