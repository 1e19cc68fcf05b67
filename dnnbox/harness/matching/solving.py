"""Arguments from shapes: one is changed at a time, and what moves in the built shapes tells what it has to be.

Where a size grows in proportion with an argument, or with its square, the wanted size gives the argument at once; the
number of a list's items gives depths. What cannot be calculated is tried from the sizes that the checkpoint has.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from .building import Fit, signature_of
from .candidates import Call
from .configs import NOT_PLAIN, plain
from .weights import Shapes

Path = Tuple[Any, ...]
Try = Callable[[Call], Optional[Fit]]
_ROUNDS = 4
_MOST_VALUES = 40
_LONGEST = 64
_FEW = (1, 2, 3)
_ENOUGH_SAME = 3  # other values that changed nothing
_SHARES = (0.25, 0.33, 0.375, 0.5, 0.67, 0.75, 1.0, 1.25, 1.33, 1.5, 2.0, 3.0, 4.0)


class Solver:
    """Improves a call until its shapes are the wanted ones, or nothing helps."""

    def __init__(
        self,
        attempt: Try,
        wanted: Shapes,
        choices: Dict[str, List[str]],
        goes_on: Callable[[], bool],
        siblings: Optional[Dict[str, List[str]]] = None,
    ) -> None:
        self.siblings = siblings or {}
        self.attempt, self.wanted, self.choices, self.goes_on = attempt, wanted, choices, goes_on
        self.features = _features(wanted)
        self.numbers = _numbers(wanted)

    def solve(self, call: Call, function: Any) -> Tuple[Call, Optional[Fit]]:
        """Return the best call that was found and its fit."""
        call = call.changed(_with_defaults(call.kwargs, function))
        best = self.attempt(call)
        call, best = self._switched(call, best)
        for _ in range(_ROUNDS):
            before = best.score if best else 0.0
            for path in list(_coordinates(call.kwargs)):
                if not self.goes_on() or (best is not None and best.strict):
                    return call, best
                if not _holds(call.kwargs, path):
                    continue  # the list that it was an item of has become shorter
                call, best = self._improve(call, best, path)
            if (best.score if best else 0.0) <= before:
                break
        return call, best

    def _switched(self, call: Call, best: Optional[Fit]) -> Tuple[Call, Optional[Fit]]:
        """Return the call with one switch the other way, where that is all: the sizes that a source gives are kept."""
        for path in _coordinates(call.kwargs):
            value = _get(call.kwargs, path)
            if (best is not None and best.strict) or not self.goes_on():
                break
            if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):  # a script's yes and no
                other = call.changed(_set(call.kwargs, path, type(value)(not value)), "solved from shapes")
                fit = self.attempt(other)
                if fit is not None and fit.strict:
                    return other, fit
        return call, best

    def _improve(self, call: Call, best: Optional[Fit], path: Path) -> Tuple[Call, Optional[Fit]]:
        tried: List[Any] = []
        current = _get(call.kwargs, path)
        begun, moves, built = best, False, 0
        for value in self._proposals(call, best, path):
            if value in tried or value == current and type(value) is type(current) or not self.goes_on():
                continue
            tried.append(value)
            other = call.changed(_set(call.kwargs, path, value), "solved from shapes")
            fit = self.attempt(other)
            if fit is not None and fit.score > (best.score if best else 0.0):
                call, best = other, fit
                if fit.strict:
                    break
            if fit is not None and begun is not None:
                moves, built = moves or fit.found != begun.found, built + 1
                if not moves and built >= _ENOUGH_SAME:
                    break  # this argument has nothing to do with shapes
        return call, best

    def _proposals(self, call: Call, best: Optional[Fit], path: Path) -> Iterator[Any]:
        """Yield what an argument may be instead, the likeliest first."""
        value = _get(call.kwargs, path)
        words = self.choices.get(str(next((p for p in reversed(path) if _is_name(p)), "")), [])[:24]
        if isinstance(value, bool):
            return iter([not value])
        if isinstance(value, int):
            calculated = self._calculated(call, best, path, value) if best is not None else []
            return iter([] if calculated is None else calculated + self._tried_numbers())
        if value is None:
            lists = [[self.numbers[0]] * length for length in sorted({*self._lengths(), *_FEW})]
            return iter([*self._tried_numbers(), True, False, *words, *lists])
        if isinstance(value, float):
            return iter(_SHARES)
        if isinstance(value, str):
            return iter(list(dict.fromkeys([*self.siblings.get(value, []), *words])))
        is_list = isinstance(value, list) and value and all(isinstance(item, int) for item in value)
        if not is_list:
            return iter([])
        lengths = dict.fromkeys([*self._calculated_lengths(call, best, path, value), *self._lengths()])
        return iter([(value + [value[-1]] * length)[:length] for length in lengths])

    def _calculated_lengths(self, call: Call, best: Optional[Fit], path: Path, value: List[Any]) -> List[int]:
        """Return lengths of a list that would make numbers of items right which move with it."""
        longer = call.changed(_set(call.kwargs, path, value + value[-1:]))
        fit = self.attempt(longer) if best is not None else None
        if best is None or fit is None:
            return []
        votes: "Counter[int]" = Counter()
        base, moved = _features(best.found), _features(fit.found)
        for feature, wanted in self.features.items():
            old, new = base.get(feature), moved.get(feature)
            if feature[0] != "size" and old is not None and new is not None and old != new:
                length = len(value) + (wanted - old) / (new - old)
                if length == int(length) and 0 < length <= _LONGEST:
                    votes[int(length)] += 1
        return [length for length, _ in votes.most_common(3)]

    def _tried_numbers(self) -> List[int]:
        return self.numbers[:_MOST_VALUES]

    def _lengths(self) -> List[int]:
        return sorted({n for (kind, _, _), n in self.features.items() if kind == "items" and 1 < n <= 12})

    def _calculated(self, call: Call, best: Fit, path: Path, value: int) -> Optional[List[int]]:
        """Return values that would make features right which move with this argument; None where all of them are."""
        votes: "Counter[int]" = Counter()
        base = _features(best.found)
        for step in (value + 1, value * 2, value + 8, max(1, value // 2)):
            if step == value:
                continue
            fit = self.attempt(call.changed(_set(call.kwargs, path, step)))
            if fit is None:
                continue
            moved = _features(fit.found)
            touched = [f for f in set(base) | set(moved) if base.get(f) != moved.get(f)]
            if touched and all(base.get(f) == self.features.get(f) for f in touched):
                return None
            for feature, wanted in self.features.items():
                old, new = base.get(feature), moved.get(feature)
                if old is None or new is None or old == new:
                    continue
                for solved in _solved(value, step, old, new, wanted):
                    if solved > 0 and solved != value:
                        votes[solved] += 1
            if votes:
                break
        return [number for number, _ in votes.most_common(5)]


def _solved(value: int, step: int, old: int, new: int, wanted: int) -> Iterator[int]:
    """Yield the argument for a wanted size, were it to grow in a line, or with the square (plus a constant)."""
    line = value + (wanted - old) * (step - value) / (new - old)
    if abs(line - round(line)) < 1e-6:
        yield int(round(line))
    square = step * step - value * value
    if square:
        factor = (new - old) / square
        rest = old - factor * value * value
        inside = (wanted - rest) / factor
        if inside > 0 and abs(math.sqrt(inside) - round(math.sqrt(inside))) < 1e-6:
            yield int(round(math.sqrt(inside)))
    if value and old > 1 and wanted > 1:
        for constant in (0, 1, 2):  # patches on a side, squared, and class tokens
            ratio = (wanted - constant) / (old - constant) if old > constant else 0.0
            root = value * math.sqrt(ratio) if ratio > 0 else 0.0
            if root and abs(root - round(root)) < 1e-6:
                yield int(round(root))


def _features(shapes: Shapes) -> Dict[Tuple[str, str, int], int]:
    """Return every size by name and place, and the number of numbered items below every name."""
    found: Dict[Tuple[str, str, int], int] = {}
    items: Dict[str, set] = {}  # type: ignore[type-arg]
    for name, shape in shapes.items():
        for place, size in enumerate(shape):
            found[("size", name, place)] = size
        parts = name.split(".")
        for index, part in enumerate(parts):
            if part.isdigit():
                items.setdefault(".".join(parts[:index]), set()).add(part)
    for name, numbers in items.items():
        found[("items", name, 0)] = len(numbers)
        found[("last", name, 0)] = max(int(number) for number in numbers) + 1
    return found


def _numbers(wanted: Shapes) -> List[int]:
    """Return numbers that arguments may be: common and large sizes, counts, small ones, sides of squares."""
    sizes = Counter(size for shape in wanted.values() for size in shape if size > 1)
    counts = Counter(n for (kind, _, _), n in _features(wanted).items() if kind in ("items", "last"))
    found = [size for size, _ in sizes.most_common(12)] + [n for n, _ in counts.most_common(8)]
    found += sorted(sizes, reverse=True)[:5] + sorted(sizes)[:5] + [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 32, 64]
    return list(dict.fromkeys(found))


def _with_defaults(kwargs: Dict[str, Any], function: Any) -> Dict[str, Any]:
    """Return the arguments with the defaults that are plain values, so that they may be changed too."""
    found = dict(kwargs)
    for name, parameter in signature_of(function).items():
        default = parameter.default
        if name not in found and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            if default is not parameter.empty and plain(default) is not NOT_PLAIN:
                found[name] = plain(default)
    return found


def _is_name(part: Any) -> bool:
    return isinstance(part, str) and not part.startswith("$")


_DEEPEST = 6


def _coordinates(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of everything that may be changed, outer lists before their items."""
    if len(path) > _DEEPEST or (isinstance(value, dict) and any(k in value for k in ("$ref", "$path", "$state_dict"))):
        return
    if isinstance(value, list) and path and path[-1] != "$tuple":
        yield path
    for key, item in _parts(value):
        for found in _coordinates(item, path + key):
            yield found
    if path and not isinstance(value, (dict, list)):
        yield path


def _parts(value: Any) -> List[Tuple[Path, Any]]:
    if isinstance(value, dict) and "$with" in value:
        return [(("$with", 1), value["$with"][1])]
    if isinstance(value, dict):
        return (
            [(("$call", 2), value["$call"][2])] if "$call" in value else [((key,), item) for key, item in value.items()]
        )
    return [((index,), item) for index, item in enumerate(value[:8])] if isinstance(value, list) else []


def _get(value: Any, path: Sequence[Any]) -> Any:
    for part in path:
        value = value[part]
    return value


def _holds(value: Any, path: Sequence[Any]) -> bool:
    try:
        _get(value, path)
    except (IndexError, KeyError, TypeError):
        return False
    return True


def _set(kwargs: Dict[str, Any], path: Path, value: Any) -> Dict[str, Any]:
    changed = copy.deepcopy(kwargs)
    holder = _get(changed, path[:-1])
    holder[path[-1]] = value
    return changed
