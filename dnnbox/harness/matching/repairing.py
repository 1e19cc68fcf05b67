"""Inputs that a module refused, changed by what its error says: channels, features, lengths, the number of dimensions.

An error of torch names the size that a layer wants and the one that it got. One axis of one input is changed so that
the two meet, and what comes next tells whether that was the right one: where the error stays, the change is taken back.
"""

from __future__ import annotations

import copy
import itertools
import math
import re
import traceback
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from .. import arrays
from .ladder import WAVES
from .values import is_tensor, retyped, tensor

Spec = Dict[str, Any]
_WHY = "changed by what the model's errors say"
_STEPS = 10
_MOST_CHANGES = 10  # that are tried for one error
_MOST_CALLS, _MOST_CALLS_EACH = 200, 50  # in all, and from one beginning
_MOST_SIZE = 1 << 16
_NODES, _POINTS, _FRAMES = 32, 128, 128
_WIDTH = 16
_FACTORS = (2, 8)

# What was got and what is wanted, by the words of torch; a group "sizes" is summed up.
_MISMATCHES = (
    r"to have (?P<wanted>\d+) channels, but got (?P<got>\d+) channels",
    r"cannot be multiplied \(\d+x(?P<got>\d+) and (?P<wanted>\d+)x\d+\)",
    r"equal to input_size\. Expected (?P<wanted>\d+), got (?P<got>\d+)",
    r"expected input with shape \[\*, (?P<wanted>\d+)\], but got input of size ?\[(?:\d+, )*(?P<got>\d+)\]",
    r"dimension -?\d+ must have length (?P<wanted>\d+)\. Got (?P<got>\d+)",
    r"running_mean should contain (?P<got>\d+) elements not (?P<wanted>\d+)",
    r"size of tensor a \((?P<got>\d+)\) must match the size of tensor b \((?P<wanted>\d+)\)",
    r"Expected size (?P<wanted>\d+) but got size (?P<got>\d+) for tensor number",
    r"sum exactly to (?P<got>\d+) .*split_sizes=\[(?P<sizes>[\d, ]+)\]",
)
_EITHER_WAY = ("size of tensor a", "for tensor number")  # neither of the two is the one that is wrong
_UNPACKED = re.compile(r"values to unpack \(expected (?P<count>\d)(?:, got (?P<got>\d))?\)")
_FLAT = (
    r"cannot be multiplied \(1x(?P<got>\d+) and (?P<wanted>\d+)x",
    r"inconsistent input_size: got (?P<got>\d+),? expected (?P<wanted>\d+)",
    r"shape '\[-1, (?P<wanted>\d+)\]' is invalid for input of size (?P<got>\d+)",
    r"Input batch size (?P<got>\d+) doesn't match hidden\d batch size (?P<wanted>\d+)",
)
_STATE = re.compile(r"Expected hidden(?:\[\d\])? size \((?P<wanted>[\d, ]+)\), got \[(?P<got>[\d, ]+)\]")
_NOTHING = ("NoneType", "must be Tensor, not bool")  # ``mask == 0`` of nothing is no tensor either
_FEW_FRAMES = re.compile(r"shape '\[0, (?P<count>\d{1,2}), [\d, ]+\]' is invalid for input of size")
_RESHAPED = re.compile(r"shape '\[(?P<sizes>[\d, ]+)\]' is invalid for input of size \d+")
_DIMENSIONS = (16, 64, 64, 64)
_TOO_SMALL = (
    "Output size is too small",
    "Kernel size can't be greater than actual input size",
    "smaller than kernel size",
    "Invalid computed output size",
    "maximum size for tensor",
)
_OUTSIDE, _FEWEST = "index out of range in self", 2  # a vocabulary of kinds may have only two words
_INDICES = ("'indices' to have", "must be Long", "expected to be of type Long", "used as indices must be")
# Whole numbers where a layer calculates with others: words were given to what takes features.
_WHOLE = re.compile(
    r"Long and Float|type Long but found Float|long int\) and|: long int|for 'Long'|\(torch\.int64\) does"
)


class OutOfTime(Exception):
    """Nothing more may be tried."""


def repaired(specs: List[Spec], tokens: int, call: Callable[[Spec], Any]) -> Iterator[Tuple[Spec, Any, str]]:
    """Yield (inputs, outputs or None, error) for each beginning after what its errors told.

    ``tokens``: how many a vocabulary has. ``call`` returns outputs or raises; it is called so many times at most.
    """
    calls = [0]

    def counted(spec: Spec) -> Any:
        calls[0] += 1
        return call(spec)

    for beginning in specs:
        if calls[0] > _MOST_CALLS:
            return
        most = calls[0] + _MOST_CALLS_EACH
        for answer in _explored(beginning, tokens, counted, lambda: calls[0] <= most):  # noqa: B023 - used at once
            yield answer
            if answer[1] is not None or not answer[2]:
                break
        else:
            continue
        if answer[1] is None:
            return


def _explored(
    beginning: Spec, tokens: int, call: Callable[[Spec], Any], may_go_on: Callable[[], bool]
) -> Iterator[Tuple[Spec, Any, str]]:
    """Yield inputs with how they ended. What leads further into the code goes on at once, and is taken back where it
    leads nowhere; what fails earlier than before is left for the end."""
    found, error = attempted(call, beginning)
    if found is not None or not error:
        yield beginning, found, error
        return
    seen = {repr(beginning["args"])}
    stack = [_State(beginning, error, _changes(beginning, error, tokens))]
    while stack and may_go_on():
        state = stack[-1]
        changed = next(state.changes, None)
        state.tried += 1
        if changed is None or state.tried > _MOST_CHANGES:
            stack.pop()
            if not state.led_on:
                yield state.spec, None, state.error
            continue
        if repr(changed["args"]) in seen:
            continue
        seen.add(repr(changed["args"]))
        found, other = attempted(call, changed)
        if found is not None or not other:
            yield changed, found, other
            return
        way = _way(state.error, other)
        if way and len(stack) <= _STEPS:
            state.led_on = True
            stack.insert(len(stack) if way > 0 else 0, _State(changed, other, _changes(changed, other, tokens)))


class _State:
    """Inputs that were refused, and the changes that are still to be tried for that."""

    def __init__(self, spec: Spec, error: str, changes: Iterator[Spec]) -> None:
        self.spec, self.error, self.changes = spec, error, changes
        self.tried, self.led_on = 0, False


class _Error(str):
    """An error's text. ``where``: the lines of code that led to it, outermost first."""

    where: Tuple[Tuple[str, int], ...] = ()


def attempted(call: Callable[[Spec], Any], spec: Spec) -> Tuple[Any, str]:
    """Return (what the call returns, or None; its error), and no error where no time is left."""
    try:
        return call(spec), ""
    except OutOfTime:
        return None, ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # foreign code may raise anything, and time out
        told = _Error("%s: %s" % (type(error).__name__, str(error).strip()[:400]))
        frames = traceback.walk_tb(error.__traceback__)
        told.where = tuple(("%s:%s" % (f.f_code.co_filename, f.f_code.co_name), line) for f, line in frames)
        return None, told


def _way(before: str, after: str) -> int:
    """Return 1 for an error further on in the code, -1 for one that came earlier, 0 for the same one."""
    for (one, line), (other, at) in zip(getattr(before, "where", ()), getattr(after, "where", ())):
        if one != other:
            break
        if line != at:
            return 1 if at > line else -1
    return int(_told(before) != _told(after))


def _told(error: str) -> Any:
    """Return what makes two errors the same: the sizes that do not meet, else the text without numbers."""
    return _mismatch(error) or re.sub(r"\d+", "", error)


def _mismatch(error: str) -> Optional[Tuple[int, int]]:
    """Return (got, wanted)."""
    for pattern in _MISMATCHES:
        match = re.search(pattern, error)
        if match is not None:
            named = match.groupdict()
            wanted = sum(map(int, named["sizes"].split(","))) if "sizes" in named else int(named["wanted"])
            return int(named["got"]), wanted
    return None


def _changes(spec: Spec, error: str, tokens: int) -> Iterator[Spec]:
    """Yield the inputs with one thing changed, the likeliest first."""
    for changed in itertools.chain(_as_square(spec, error), _as_state(spec, error), _as_mask(spec, error)):
        yield changed
    mismatch = _mismatch(error)
    if mismatch is not None:
        ways = [mismatch, mismatch[::-1]] if any(words in error for words in _EITHER_WAY) else [mismatch]
        for got, wanted in ways:
            for place, axis, size in _sizes(spec, got, wanted):
                yield _resized(spec, place, axis, size)
    for changed in itertools.chain(_as_unpacked(spec, error), _as_clip(spec, error), _as_wave(spec, error)):
        yield changed
    if any(words in error for words in _TOO_SMALL):
        for place, shape in _shapes(spec):
            for axis, factor in itertools.product(range(len(shape) - 1, 0, -1), _FACTORS):
                yield _resized(spec, place, axis, shape[axis] * factor)
    for changed in itertools.chain(_as_indices(spec, error, tokens), _as_features(spec, error)):
        yield changed


def _as_unpacked(spec: Spec, error: str) -> Iterator[Spec]:
    """Yield the inputs with one as several of its kind, or of as many dimensions as its sizes are taken apart into."""
    found = _UNPACKED.search(error)
    if found is None:
        return
    count, got = int(found["count"]), int(found["got"] or 0)
    for place, shape in _shapes(spec):
        if len(shape) == got or (not got and len(shape) > count):
            yield _replaced(spec, place, tensor("float32", ([1, *_DIMENSIONS] if got else shape)[:count]))
    for place in range(len(spec["args"])) if got == 1 else ():
        yield _replaced(spec, place, [copy.deepcopy(spec["args"][place]) for _ in range(count)])


def _as_square(spec: Spec, error: str) -> Iterator[Spec]:
    """Yield the inputs with other sides of a picture: what is left of its area goes with that of the picture."""
    found = next((match for match in (re.search(pattern, error) for pattern in _FLAT) if match), None)
    for place, shape in _shapes(spec) if found is not None else ():
        got, wanted = int(found["got"]), int(found["wanted"])  # type: ignore[index]
        side = round(shape[-1] * math.sqrt(wanted / got)) if len(shape) == 4 and got else 0
        for each in (side, side + 1, side - 1) if 1 < side <= _MOST_SIZE else ():
            yield _resized(_resized(spec, place, 2, each), place, 3, each)


def _as_state(spec: Spec, error: str) -> Iterator[Spec]:
    """Yield the inputs with those as a recurrent layer wants its state that have the shape which it refuses."""
    found = _STATE.search(error)
    if found is not None:
        got, wanted = ([int(size) for size in found[group].split(",")] for group in ("got", "wanted"))
        args = [_reshaped(value, got, wanted) for value in spec["args"]]
        yield dict(spec, args=args, why=_WHY)


def _reshaped(value: Any, got: List[int], wanted: List[int]) -> Any:
    """Return an input with another shape for all of one shape in it."""
    if isinstance(value, dict) and "$tuple" in value:
        return {"$tuple": [_reshaped(item, got, wanted) for item in value["$tuple"]]}
    is_one = is_tensor(value) and value["$tensor"][1] == got
    return retyped(value, value["$tensor"][0], list(wanted), value["$tensor"][2]) if is_one else value


def _as_mask(spec: Spec, error: str) -> Iterator[Spec]:
    """Yield the inputs with a mask that leaves everything in where none was given and the code calculates with it."""
    lacking = [place for place, value in enumerate(spec["args"]) if value is None]
    shapes = [shape for _, shape in _shapes(spec)] if any(words in error for words in _NOTHING) else []
    for place, shape in itertools.product(lacking, shapes[:1]):
        is_picture = len(shape) == 4
        for dtype, sizes in itertools.product(
            ("bool", "float32"), ([shape[0], 1, *shape[2:]] if is_picture else shape[:2], shape[:1] + shape[1:2] * 2)
        ):
            yield _replaced(spec, place, tensor(dtype, sizes, filled=1))


def _as_clip(spec: Spec, error: str) -> Iterator[Spec]:
    """Yield the inputs with as many pictures as one item is made of: side by side in the channels, or in the batch."""
    found = _FEW_FRAMES.search(error)
    for place, shape in _shapes(spec) if found is not None else ():
        for axis in (1, 0) if len(shape) > 3 else ():
            yield _resized(spec, place, axis, shape[axis] * int(found["count"]))  # type: ignore[index]


def _as_wave(spec: Spec, error: str) -> Iterator[Spec]:
    """Yield the inputs with one as a waveform where the code thinks that its first two dimensions are all that it has,
    and puts one for the channels between them."""
    found = _RESHAPED.search(error)
    wanted = [int(size) for size in found["sizes"].split(",")] if found is not None else []
    for place, shape in _shapes(spec):
        for length in WAVES if len(shape) > 2 and wanted == [shape[0], 1, shape[1]] else ():
            yield _replaced(spec, place, retyped(spec["args"][place], "float32", [shape[0], length]))


def _as_indices(spec: Spec, error: str, tokens: int) -> Iterator[Spec]:
    """Yield the inputs with one as words of a vocabulary, or as the first ones where there are fewer of them."""
    if any(words in error for words in _INDICES) and tokens:
        for place, shape in _shapes(spec):
            yield _replaced(spec, place, retyped(spec["args"][place], "int64", shape, tokens))
    if _OUTSIDE in error:
        for place, shape in reversed(_shapes(spec)):
            yield _replaced(spec, place, retyped(spec["args"][place], "int64", shape, _FEWEST))


def _as_features(spec: Spec, error: str) -> Iterator[Spec]:
    """Yield the inputs with one of whole numbers as one of others; the first is the likeliest to be words, and last."""
    for place, shape in reversed(_shapes(spec)) if _WHOLE.search(error) else ():
        if (_several(spec["args"][place]) or [spec["args"][place]])[0]["$tensor"][0] == "int64":
            yield _replaced(spec, place, retyped(spec["args"][place], "float32", shape))


def _sizes(spec: Spec, got: int, wanted: int) -> List[Tuple[int, int, int]]:
    """Return (input, axis, size) for the axes that had the size itself, a part or a share in it; small inputs first."""
    found = []
    for place, shape in _shapes(spec):
        rest = arrays.count(shape)
        for axis in sorted({min(1, len(shape) - 1), len(shape) - 1} | ({0} if len(shape) == 2 else set())):
            size = shape[axis]
            if size == got:
                found.append((0, rest // size * wanted, place, axis, wanted))
                continue
            if 0 < size + wanted - got <= _MOST_SIZE:
                found.append((1, rest // size * (size + wanted - got), place, axis, size + wanted - got))
            if got and size * wanted % got == 0 and 0 < size * wanted // got <= _MOST_SIZE:
                found.append((2, rest // size * (size * wanted // got), place, axis, size * wanted // got))
            elif got and 0 < round(size * wanted / got) <= _MOST_SIZE:  # a convolution rounds
                near = round(size * wanted / got)
                found.append((3, rest // size * near, place, axis, near))
    return [change[2:] for change in sorted(found)]


def _shapes(spec: Spec) -> List[Tuple[int, List[int]]]:
    """Return the shapes of those inputs that are tensors, or several of one shape, with their places."""
    firsts = [(place, (_several(value) or [value])[0]) for place, value in enumerate(spec["args"])]
    return [(place, list(value["$tensor"][1])) for place, value in firsts if is_tensor(value)]


def _resized(spec: Spec, place: int, axis: int, size: int) -> Spec:
    changed = copy.deepcopy(spec["args"][place])
    for value in changed if isinstance(changed, list) else (_several(changed) or [changed])[:1]:
        value["$tensor"][1][axis] = size
    return _replaced(spec, place, changed)


def _several(value: Any) -> List[Any]:
    """Return the items of a list or a tuple."""
    items = value["$tuple"] if isinstance(value, dict) and "$tuple" in value else value
    return items if isinstance(items, list) else []


def _replaced(spec: Spec, place: int, value: Any) -> Spec:
    args = [value if number == place else other for number, other in enumerate(spec["args"])]
    return dict(spec, args=args, why=_WHY)


def beginnings(spec: Spec) -> List[Spec]:
    """Return a call with its inputs of other kinds: pictures, series, points, matrices; the inputs beside the first one
    also as vectors, and those of a matrix as a square of as many nodes; last so for a batch of matrices too."""
    if not spec["args"] or not is_tensor(spec["args"][0]):
        return [spec] if _shapes(spec) else []
    dtype, first, high = spec["args"][0]["$tensor"]
    width = first[1] if len(first) > 1 else _WIDTH
    mains = [first] + ([[1, 3, 64, 64]] if len(first) == 4 and first != [1, 3, 64, 64] else [])
    if dtype != "int64":
        mains += [[1, width, _POINTS], [1, _FRAMES, width], [_NODES, width], [width, _FRAMES], [1, width]]
    are_several = len(spec["args"]) > 1
    pairs = [(main, extra) for main in mains for extra in (_extras(main) if are_several else [main])]
    pairs += [(main, extra) for main in mains[1:] for extra in (_graphs(main) if are_several else ())]
    found = []
    for main, extra in pairs:
        args = [
            value if not is_tensor(value) or value["$tensor"][1] != first else tensor(dtype, list(extra), high)
            for value in spec["args"][1:]
        ]
        found.append(dict(spec, args=[tensor(dtype, list(main), high)] + args))
    return found


def _extras(main: List[int]) -> List[List[int]]:
    return [main, [1, _WIDTH]] + ([[main[0], main[0]]] if len(main) == 2 and main[0] > 1 else [])


def _graphs(main: List[int]) -> List[List[int]]:
    """Return which nodes belong together: for all graphs of a batch alike, and for each of its own."""
    return [[main[1], main[1]], [main[0], main[1], main[1]]] if len(main) == 3 else []
