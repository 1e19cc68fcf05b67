"""A Chrome trace from a box, written anew: only what a viewer needs, no name of a path, nothing of unbounded size."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnnbox import text
from dnnbox.files import write_atomic

LIMIT_BYTES = 16 << 20
_KEYS = ("ph", "name", "cat", "pid", "tid", "ts", "dur", "id", "bp", "s")
_ARGUMENTS = 12
_ABSOLUTE = re.compile(r"(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\]+[/\\])+")


def keep(source: Path, target: Path) -> str:
    """Write the trace to ``target`` and return "", or return why it was not kept."""
    try:
        if source.stat().st_size > LIMIT_BYTES:
            return f"the trace is larger than {LIMIT_BYTES} bytes"
        document = json.loads(source.read_bytes(), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as error:
        return f"the trace could not be read: {type(error).__name__}"
    events = document.get("traceEvents") if isinstance(document, dict) else document
    kept = [_event(event) for event in events if isinstance(event, Mapping)] if isinstance(events, list) else []
    if not any("ph" in event for event in kept):
        return "the trace holds no events"
    write_atomic(target, json.dumps({"displayTimeUnit": "ms", "traceEvents": kept}, ensure_ascii=False) + "\n")
    return ""


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: _plain(event[key]) for key in _KEYS if key in event}
    details = event.get("args")
    if isinstance(details, Mapping):
        found["args"] = {_text(str(key)): _plain(value) for key, value in list(details.items())[:_ARGUMENTS]}
    return found


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return _text(value if isinstance(value, str) else json.dumps(value)[:400])


def _text(value: str) -> str:
    return text.visible(_ABSOLUTE.sub("…/", value[:800]), 200)
