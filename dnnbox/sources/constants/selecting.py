"""Candidates of all files → one value per field, or the choice between several that is not made silently."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnnbox.sources.constants.facts import _NAMED, Fact, facts
from dnnbox.sources.constants.reading import closure, entries, everything
from dnnbox.walk import read_head

_FOR_USE = re.compile(r"(?i)(test|val|eval|infer|predict|demo|preproc|transform|image2tensor|main)")
_FOR_TRAINING = re.compile(r"(?i)(train|augment|jitter|mosaic|mixup|label|mask2|sal_?obj)")
_FOR_SHOW = re.compile(r"(?i)(logger|wandb|tensorboard|mlflow|plot|draw)")
_WANTED = frozenset(("mean", "std", "size"))
_FAR, _NEAR = 8.0, 1.0
_MARGIN = 0.75
"""Two values whose scores are closer than this are not told apart."""


@dataclass(frozen=True)
class Constant:
    """One field with the line that says so.

    ``others`` are values that are as likely; a low score means that the line is far from any script that runs the
    model. Both make it ambiguous.
    """

    field: str
    value: Any
    place: str
    score: float
    others: tuple[tuple[Any, str], ...] = ()

    @property
    def ambiguous(self) -> bool:
        """Whether upstream's code leaves a choice that nobody has made."""
        return bool(self.others) or self.score < _NEAR


def constants_of(root: Path, model: str, *, entry: str = "") -> dict[str, Constant]:
    """Return what is done around the model in ``model`` (a file below ``root``), read from its entry scripts.

    ``entry`` is the script that upstream itself uses, where that is known; else those that lead to the model's file.
    """
    scripts = [entry] if entry and (root / entry).suffix == ".py" else list(entries(root, model))
    found: list[tuple[float, Fact, str]] = []
    for rank, script in enumerate([*scripts, model]):
        for file in closure(root, script):
            base = -0.5 * file.distance - 1.5 * rank
            found += [(base + _score(fact), fact, file.path) for fact in facts(file)]
    found += list(_of_configs(root))
    known = {fact.field for _, fact, _ in found}
    if not known >= _WANTED:
        rest = ((_score(fact) - _FAR, fact, file.path) for file in everything(root) for fact in facts(file))
        found += [item for item in rest if item[1].field in _WANTED - known]
    return _selected(found)


def _score(fact: Fact) -> float:
    use = 1.0 if _FOR_USE.search(fact.where) else 0.0
    training = 2.0 if _FOR_TRAINING.search(fact.where) else 0.0
    return fact.weight + use - training


def _of_configs(root: Path) -> Iterator[tuple[float, Fact, str]]:
    """Yield constants of JSON files at the top: config.json of vocoders and the like."""
    for path in sorted(root.glob("config*.json"))[:5]:
        text = (read_head(path, 1 << 20) or b"").decode("utf-8", "replace")
        try:
            document = json.loads(text)
        except ValueError:
            continue
        for key, value in _leaves(document):
            line = next((n for n, raw in enumerate(text.splitlines(), 1) if f'"{key}"' in raw), 0)
            for field, pattern in _NAMED:
                if pattern.match(key) and isinstance(value, (int, float)) and not isinstance(value, bool):
                    yield 1.5, Fact(field, value, line, 1.5, key), path.name


def _leaves(document: Any) -> Iterator[tuple[str, Any]]:
    for key, value in document.items() if isinstance(document, Mapping) else ():
        if isinstance(value, Mapping):
            yield from _leaves(value)
        else:
            yield str(key), value


def _selected(found: Sequence[tuple[float, Fact, str]]) -> dict[str, Constant]:
    by_field: dict[str, list[tuple[float, Fact, str]]] = {}
    for item in sorted(found, key=lambda item: -item[0]):
        by_field.setdefault(item[1].field, []).append(item)
    chosen = {
        field: _choice(field, items) for field, items in by_field.items() if field not in ("reader", "flip", "channels")
    }
    channels = _channels(by_field)
    return {**chosen, **({"channels": channels} if channels else {})}


def _choice(field: str, items: Sequence[tuple[float, Fact, str]]) -> Constant:
    score, best, path = items[0]
    others: dict[str, tuple[Any, str]] = {}
    for other_score, fact, other_path in items[1:]:
        if fact.value != best.value and score - other_score < _MARGIN:
            others.setdefault(repr(fact.value), (fact.value, f"{other_path}:{fact.line}"))
    return Constant(field, best.value, f"{path}:{best.line}", round(score, 2), tuple(others.values())[:5])


def _channels(by_field: Mapping[str, Sequence[tuple[float, Fact, str]]]) -> Constant | None:
    """Return the order of channels: Pillow reads RGB; OpenCV reads BGR, which is turned around or not.

    What is turned only to be shown says nothing, and what a switch turns is a choice.
    """
    readers = by_field.get("reader", ())
    stated = by_field.get("channels", ())
    if stated and (not readers or stated[0][0] > readers[0][0]):
        return _choice("channels", stated)
    if not readers:
        return None
    score, reader, path = readers[0]
    every = [item for item in by_field.get("flip", ()) if not _FOR_SHOW.search(f"{item[2]} {item[1].where}")]
    flips = [item for item in every if not item[1].on_request]
    if reader.value == "PIL":
        mixed = next((item for item in readers if item[1].value == "cv2" and score - item[0] < _MARGIN), None)
        others = (("BGR", f"{mixed[2]}:{mixed[1].line}"),) if mixed and not flips else ()
        return Constant("channels", "RGB", f"{path}:{reader.line}", score, others)
    if flips:
        return Constant("channels", "RGB", f"{flips[0][2]}:{flips[0][1].line}", score)
    switched = tuple(("RGB", f"{item[2]}:{item[1].line}") for item in every[:1])
    return Constant("channels", "BGR", f"{path}:{reader.line}", score, switched)
