"""The lists of what a run used and left: artifacts.json and params.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from dnnbox import text
from dnnbox.files import sha256_file
from dnnbox.harness.protocol import RunRequest, RunResult
from dnnbox.records.experiment import Artifact
from dnnbox.records.plan import InputChoice
from dnnbox.records.run import RunOutcome

_MOST_ITEMS = 256
_MOST_STEPS = 40
_EVENTS_BYTES = 8 << 20
_TAIL_BYTES = 8192
_KINDS = {".npy": "tensor", ".png": "image", ".jpg": "image", ".jpeg": "image", ".webp": "image", ".wav": "audio",
          ".flac": "audio", ".txt": "text", ".json": "json"}  # fmt: skip


def artifacts(
    root: Path, *, inputs: Sequence[tuple[InputChoice, Path]] = (), outcome: RunOutcome | None = None
) -> tuple[Artifact, ...]:
    """Return the inputs used and the files that the verified inference left, paths relative to ``root``.

    ``inputs`` are the copies in the experiment; files outside ``root`` are left out, never named.
    """
    found = [_artifact(root, path, "input", choice.kind, choice.reason) for choice, path in inputs]
    if outcome is not None and outcome.result is not None:
        found += _left(root, outcome.result, outcome.files)
    return tuple(artifact for artifact in found if artifact is not None)


def mappings(artifacts: Sequence[Artifact], outcome: RunOutcome | None) -> list[dict[str, Any]]:
    """Return which input led to which output: an entry for each item, with its files and what was decoded of it.

    An array that holds a whole batch belongs to all of its items.
    """
    if outcome is None or outcome.result is None:
        return []
    decoded = outcome.result.decoded
    arrays = [a for a in artifacts if a.kind == "tensor"]
    given = [a.path for a in artifacts if a.role == "input" and a.kind != "tensor"]
    numbers = {number for entry in decoded if isinstance(number := entry.get("item"), int)}
    found = []
    for item in sorted(numbers or {0})[:_MOST_ITEMS]:
        drawn = [a.path for a in artifacts if a.role == "output" and PurePosixPath(a.path).stem.endswith(f"-{item}")]
        found.append(
            {
                "item": item,
                "inputs": [given[item]] if item < len(given) else given[:1],
                "input_arrays": [a.path for a in arrays if a.role == "input"],
                "output_arrays": [a.path for a in arrays if a.role == "output"],
                "outputs": drawn,
                "decoded": [place for place, entry in enumerate(decoded) if entry.get("item", item) == item],
                "preprocessing": [str(step.get("step", "")) for step in outcome.result.preprocessing],
                "device": text.visible(str(outcome.result.effective.get("device") or ""), 80),
                "precision": text.visible(str(outcome.result.effective.get("precision") or ""), 40),
                "batch": outcome.settings.get("batch_size"),
            }
        )
    return found


def _left(root: Path, result: RunResult, files: Mapping[str, str]) -> list[Artifact | None]:
    arrays = [
        _artifact(root, Path(files[a.path]), "input" if a.role == "input" else "output", "tensor", a.name)
        for a in result.arrays
        if a.role in ("input", "output") and a.path in files
    ]
    written = [
        _artifact(root, Path(files[path]), "output", str(item.get("kind") or ""), str(item.get("title") or ""))
        for item in result.artifacts
        if (path := str(item.get("path", ""))) in files
    ]
    return arrays + written


def _artifact(root: Path, path: Path, role: Literal["input", "output"], kind: str, title: str) -> Artifact | None:
    if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        return None
    relative = PurePosixPath(path.resolve().relative_to(root.resolve()))
    known = kind or _KINDS.get(path.suffix.lower(), "binary")
    return Artifact(str(relative), role, known, f"sha256:{sha256_file(path)}", title, path.stat().st_size)


def params(request: RunRequest, outcome: RunOutcome | None = None, *, targets: Sequence[str] = ()) -> dict[str, Any]:
    """Return ``outputs/params.json``: how the model was run. Paths are cut to their names."""
    result = outcome.result if outcome else None
    return {
        "schema": "dnnbox.params/1",
        "runtime": request.runtime,
        "checkpoint": PurePosixPath(request.checkpoint).name,
        "device": request.device,
        "precision": request.precision,
        "batch": request.batch_size,
        "seed": request.seed,
        "threads": request.threads or None,
        "options": _without_paths(request.options),
        "inputs": [{"file": PurePosixPath(i.path).name, "kind": i.kind, "name": i.name} for i in request.inputs],
        "plan": asdict(request.plan),
        "preprocess": list(result.preprocessing) if result else [],
        "postprocess": list(result.postprocessing) if result else [],
        "effective": _without_paths(result.effective) if result else {},
        "notes": list(result.notes) if result else [],
        "targets": list(targets),
        "reasons": {} if result else {"preprocess": "no inference was made", "postprocess": "no inference was made"},
    }


def failure(
    outcome: RunOutcome, *, log: str = "", events: Path | None = None, printed: Path | None = None
) -> dict[str, Any]:
    """Return ``outputs/failure.json``: how a job failed, with the last words of its log. ``log`` is a relative path.

    ``events`` is what the job said of its progress: the only word of where a box was when it died. ``printed`` is its
    standard output. The texts are foreign: whoever shows them sanitises them first.
    """
    error = outcome.result.error if outcome.result else None
    steps = entered(events)
    stage = (error.stage if error else "") or (steps[-1] if steps else "")
    return {
        "schema": "dnnbox.failure/1",
        "job": outcome.job,
        "stage": text.visible(stage, 40),
        "passed": [name for name in steps if name != stage],
        "kind": error.kind if error else "died",
        "detail": text.visible(error.detail, 2000) if error else "",
        "traceback": text.redact(error.traceback[-20_000:]) if error else "",
        "stderr_tail": text.redact(outcome.stderr_tail[-20_000:]),
        "stdout_tail": text.redact(_tail(printed)),
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "timed_out": outcome.timed_out,
        "oom_killed": outcome.oom_killed,
        "output_limit": outcome.output_limit,
        "wall_s": round(outcome.wall_s, 3),
        "log": log,
    }


def entered(events: Path | None) -> list[str]:
    """Return the steps that a job says it entered, in order, each once; nothing where it says nothing readable."""
    if events is None or not events.is_file() or events.is_symlink() or events.stat().st_size > _EVENTS_BYTES:
        return []
    found: list[str] = []
    for line in events.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            name = str(json.loads(line)["stage"])
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        if name and name != "done" and name not in found and len(found) < _MOST_STEPS:
            found.append(text.visible(name, 40))
    return found


def _tail(path: Path | None) -> str:
    if path is None or not path.is_file() or path.is_symlink():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read(_TAIL_BYTES).decode("utf-8", "replace")


def _without_paths(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_paths(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(item) for item in value]
    is_path = isinstance(value, str) and value.startswith("/") and "\n" not in value
    return PurePosixPath(value).name if is_path else value
