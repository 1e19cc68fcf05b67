"""MATRIX.toml → cells: checkpoints × devices × precisions × batches × variants × boxes, without what is excluded."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dnnbox.errors import NotReadable, Usage
from dnnbox.experiment import slug
from dnnbox.text import visible

AXES = {
    "devices": ("device", "auto"),
    "precisions": ("precision", "auto"),
    "batches": ("batch", "1"),
    "variants": ("variant", ""),
    "boxes": ("box", "auto"),
}
"""Key of the file → (name of one value, value where the file names none)."""

_KNOWN = ("name", "checkpoints", "exclude", "options", "slurm", "executor", "targets", "wants", *AXES)
_NOT_AN_OPTION = ("out", "yes", "json", "progress", "resume", *(name for name, _ in AXES.values()))
MOST_CELLS = 100_000


@dataclass(frozen=True)
class Point:
    """One combination. ``checkpoint`` is a path, absolute."""

    checkpoint: str
    device: str
    precision: str
    batch: str
    variant: str
    box: str


@dataclass(frozen=True)
class Matrix:
    """What the file says. ``options`` are further options of ``dnnbox run``, the same for every cell."""

    name: str
    file: Path
    checkpoints: tuple[str, ...]
    axes: Mapping[str, tuple[str, ...]]
    options: Mapping[str, Any] = field(default_factory=dict)
    exclude: tuple[Mapping[str, str], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)  # tables of executors, by name
    executor: str = "local"

    def points(self) -> Iterator[Point]:
        """Yield every combination that is not excluded, checkpoint by checkpoint."""
        axes = [self.axes[name] for name, _ in AXES.values()]
        for checkpoint, *values in itertools.product(self.checkpoints, *axes):
            point = Point(checkpoint, *values)
            if not any(_matches(point, rule) for rule in self.exclude):
                yield point


def _matches(point: Point, rule: Mapping[str, str]) -> bool:
    return all(
        Path(point.checkpoint).name == value if name == "checkpoint" else getattr(point, name) == value
        for name, value in rule.items()
    )


def load(file: Path) -> Matrix:
    """Read the matrix; checkpoints are relative to the file, patterns are allowed in them.

    Raises:
        NotReadable: there is no such file.
        Usage: it says what nobody understands, or names no checkpoint.
    """
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise NotReadable(f"cannot read {visible(file.name, 80)}: {error.strerror}", phase="sweep") from error
    except ValueError as error:
        raise Usage(f"{visible(file.name, 80)}: {error}", phase="sweep") from error
    unknown = sorted(set(document) - set(_KNOWN))
    if unknown:
        raise Usage(f"{file.name}: unknown key `{visible(unknown[0], 60)}`", hint=f"known: {', '.join(_KNOWN)}")
    options = _table(document, "options")
    if wrong := [name for name in options if name.replace("-", "_") in _NOT_AN_OPTION]:
        raise Usage(
            f"{file.name}: `{wrong[0]}` is not for [options]", hint="it is an axis, or the sweep's own business"
        )
    options |= {name: document[key] for key, name in (("targets", "target"), ("wants", "want")) if key in document}
    checkpoints = tuple(_checkpoints(file, document))
    axes = {name: _values(file, document, key, default) for key, (name, default) in AXES.items()}
    matrix = Matrix(
        name=slug(str(document.get("name") or file.stem)),
        file=file,
        checkpoints=checkpoints,
        axes=axes,
        options=options,
        exclude=tuple(_rules(file, document)),
        settings={"slurm": _table(document, "slurm")},
        executor=str(document.get("executor", "local")),
    )
    total = len(checkpoints)
    for values in axes.values():
        total *= len(values)
    if total > MOST_CELLS:
        raise Usage(f"{file.name} has {total} cells, at most {MOST_CELLS} are planned", hint="split it")
    return matrix


def _table(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise Usage(f"`{key}` is not a table", phase="sweep")
    return dict(value)


def _values(file: Path, document: Mapping[str, Any], key: str, default: str) -> tuple[str, ...]:
    value = document.get(key, [default])
    if not isinstance(value, list) or not value or not all(isinstance(each, str | int) for each in value):
        raise Usage(f"{file.name}: `{key}` is not a list of values", hint=f'for example {key} = ["{default}"]')
    return tuple(dict.fromkeys(map(str, value)))


def _rules(file: Path, document: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    names = ("checkpoint", *(name for name, _ in AXES.values()))
    for rule in document.get("exclude", []):
        if not isinstance(rule, dict) or not rule or not set(rule) <= set(names):
            raise Usage(f"{file.name}: an entry of `exclude` names none of {', '.join(names)}", phase="sweep")
        yield {name: str(value) for name, value in rule.items()}


def _checkpoints(file: Path, document: Mapping[str, Any]) -> Iterator[str]:
    """Yield absolute paths; a name that matches nothing is kept, so that it becomes a row that says so."""
    listed = document.get("checkpoints")
    if not isinstance(listed, list) or not listed or not all(isinstance(each, str) for each in listed):
        raise Usage(f"{file.name}: `checkpoints` is not a list of paths", hint='checkpoints = ["models/*.onnx"]')
    seen: dict[str, None] = {}
    base = file.parent.absolute()
    for pattern in listed:
        if any(char in pattern for char in "*?["):
            relative = Path(pattern)
            root = Path(relative.anchor) if relative.is_absolute() else base
            found = sorted(root.glob(str(relative.relative_to(relative.anchor))))
            if not found:
                raise Usage(f"{file.name}: nothing matches `{visible(pattern, 100)}`", phase="sweep")
            seen.update(dict.fromkeys(map(str, found)))
        else:
            seen[str(base / Path(pattern).expanduser())] = None
    yield from seen
