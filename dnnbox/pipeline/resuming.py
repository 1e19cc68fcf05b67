"""Going on with an experiment that was cut off: what was asked is remembered in the user's store.

It is not in the experiment, which names no place of this machine so that it can be handed on. What ended well is used
as it is, and only if checkpoint, packages, source and parameters are still the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import typing
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from dnnbox import codec, consent
from dnnbox.boxes.collect import remove_tree
from dnnbox.errors import DnnboxError, IntegrityFailed, TargetMissed, Usage
from dnnbox.events import Progress
from dnnbox.experiment import Experiment
from dnnbox.files import sha256_file, write_atomic
from dnnbox.pipeline.prepare import Prepared, prepare
from dnnbox.records.experiment import Decision
from dnnbox.records.options import RunOptions
from dnnbox.records.source import SourceTree
from dnnbox.store import Store
from dnnbox.text import redact, visible

_DAYS = 30
_HASHED = ("checkpoint", "packages", "source", "adapter", "inputs")


def remember(name: str, prepared: Prepared, store: Store) -> None:
    """Keep what an experiment was asked, for ``--resume``; a store that cannot be written is done without.

    A command with a credential in it is not kept: then ``--resume`` wants the whole command again.
    """
    remember_asked(name, prepared.options, prepared.path, store, agreement(prepared))


def remember_asked(
    name: str, asked: RunOptions, checkpoint: Path, store: Store, agreed: Mapping[str, str] | None = None
) -> None:
    """Keep what was asked; ``agreed`` None where the run stopped before there was a plan."""
    options = {**asdict(asked), "out": None, "checkpoint": str(checkpoint.absolute())}
    text = json.dumps({"options": options, "agreed": agreed or {}}, default=os.fspath)
    if redact(text) != text:
        return
    with suppress(OSError, DnnboxError):
        place = _place(name, store)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(place, text, mode=0o600)


def forget(name: str, store: Store) -> None:
    """Drop what was kept of an experiment that is complete, and what nobody has come back for."""
    with suppress(OSError):
        _place(name, store).unlink(missing_ok=True)
        for place in _place(name, store).parent.glob("*.json"):
            if time.time() - place.stat().st_mtime > _DAYS * 86400:
                place.unlink(missing_ok=True)


def _place(name: str, store: Store) -> Path:
    return store.root / "resume" / f"{''.join(char for char in name if char.isalnum())}.json"


def recall(experiment: Experiment, store: Store) -> RunOptions:
    """Return what the experiment was asked.

    Raises:
        Usage: that is not known on this machine.
    """
    document = _remembered(experiment, store)
    options = _options(document["options"]) if document else None
    if options is None or not options.workspace.is_dir():
        raise Usage(
            f"what {visible(experiment.root.name, 60)} was asked is not known on this machine",
            hint="give the checkpoint and the same options again, with `--resume`",
            phase="resume",
        )
    return options


def _remembered(experiment: Experiment, store: Store) -> Mapping[str, Any]:
    try:
        found = json.loads(_place(experiment.index.id, store).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and {"options", "agreed"} <= found.keys() else {}
    except (OSError, ValueError):
        return {}


def _options(data: Mapping[str, Any]) -> RunOptions:
    hints = typing.get_type_hints(RunOptions)
    return RunOptions(**{f.name: _value(hints[f.name], data[f.name]) for f in fields(RunOptions) if f.name in data})


def _value(hint: Any, value: Any) -> Any:
    if isinstance(value, str) and (hint is Path or Path in typing.get_args(hint)):
        return Path(value)
    return tuple(_value(Any, item) for item in value) if isinstance(value, list) else value


def agreement(prepared: Prepared) -> dict[str, str]:
    """Return what must be the same when the experiment goes on."""
    options = prepared.options
    asked = {
        "precision": options.precision, "batches": options.batches, "seed": options.seed, "threads": options.threads,
        "quick": options.quick, "profile": options.profile, "memory": options.memory_bytes, "cpus": options.cpus,
        **({"drop_cache": True} if options.drop_cache else {}),
        **({"processes": options.processes} if options.processes else {}),
        **({"wait_quiet": options.wait_quiet_s} if options.wait_quiet_s else {}),
        "runtime": prepared.dependencies.runtime, "options": codec.to_json(prepared.dependencies.options),
    }  # fmt: skip
    return {
        "checkpoint": prepared.inspection.sha256 or "",
        "packages": "".join(
            (prepared.lock.sha256 if prepared.lock else "", prepared.conda.sha256 if prepared.conda else "")
        ),
        "source": prepared.source.sha256,
        "adapter": sha256_file(options.adapter) if options.adapter else "",
        "inputs": ",".join(_digest(Path(choice.path)) for choice in prepared.inputs if choice.path),
        "box": prepared.box,
        "device": prepared.device.name,
        "base image": prepared.image,
        "parameters": hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest(),
    }


def _digest(path: Path) -> str:
    return sha256_file(path) if path.is_file() else path.name


def again(
    experiment: Experiment, options: RunOptions, progress: Progress, store: Store, refs_dir: Path
) -> tuple[Prepared, Decision]:
    """Prepare the same run anew and check that it is the same.

    What was consented to is still consented to, because packages and box are the same ones.

    Raises:
        Usage: other parameters were given.
        IntegrityFailed: checkpoint, packages, source, adapter or inputs have changed.
    """
    options = replace(options, out=experiment.root, command=experiment.index.command)
    prepared = prepare(options, progress, store=store, refs_dir=refs_dir, known=_known_source(experiment))
    agreed = _remembered(experiment, store).get("agreed") or _of_index(experiment)
    _compare(agreed, agreement(prepared))
    details = {"box": prepared.box, "packages": len(prepared.plan.packages), "allow": list(options.allow)}
    return prepared, Decision(consent.QUESTION, ("resume",), "resume", "flag", details)


def _of_index(experiment: Experiment) -> dict[str, str]:
    """Return what the experiment itself says, where nothing was remembered."""
    index = experiment.index
    known = {"checkpoint": index.identities.get("checkpoint"), "packages": index.identities.get("lock")}
    found = {name: value.removeprefix("sha256:") for name, value in known.items() if value}
    return {**found, "box": index.box, "device": index.device}


def _compare(agreed: Mapping[str, str], now: Mapping[str, str]) -> None:
    changed = [name for name, value in agreed.items() if now.get(name, "") != value]
    if hashed := [name for name in changed if name in _HASHED]:
        raise IntegrityFailed(
            f"the experiment was begun with other contents: {', '.join(hashed)} changed since",
            hint="run anew without `--resume`, or bring back what it was begun with",
            phase="resume",
        )
    if changed:
        raise Usage(
            f"the experiment was begun with another {', another '.join(changed)}",
            hint="give the same options as before, or run anew without `--resume`",
            phase="resume",
        )


def _known_source(experiment: Experiment) -> SourceTree | None:
    """Return the source that lies in refs/ already; what was only half brought there is removed."""
    found = source_in(experiment.root)
    if found is None:
        for leftover in (experiment.root / "refs").iterdir():
            remove_tree(leftover)
    return found


def source_in(root: Path) -> SourceTree | None:
    """Return the source that lies in an experiment's refs/, None where there is none."""
    try:
        found = codec.loads(SourceTree, (root / "outputs" / "source.json").read_text(encoding="utf-8"))
    except (OSError, codec.CodecError):
        return None
    if not found.root.startswith("refs/") or not (root / found.root).is_dir():
        return None
    return replace(found, root=str(root.absolute() / found.root))


def complete(experiment: Experiment) -> DnnboxError | None:
    """Return how an experiment that is complete has ended: None, or the missed target."""
    error = experiment.index.error or {}
    return TargetMissed(str(error.get("message", "")), phase="targets") if experiment.index.exit_code == 1 else None


__all__ = ["again", "agreement", "complete", "forget", "recall", "remember", "remember_asked", "source_in"]
