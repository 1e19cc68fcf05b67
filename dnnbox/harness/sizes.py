"""Which sizes of its inputs a model takes: found by trying, in a job of its own and within a time budget."""

from __future__ import annotations

import time
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from . import arrays, feeding, trees
from .session import Context, Session

BATCHES = (1, 2, 3, 8)
LARGEST_GROWTH = 4
"""How many times more values than the verified call a try may have."""


def feed_back(session: Session, contract: Dict[str, Any]) -> Dict[str, Any]:
    """Run the model on inputs made from a contract alone, and say whether its outputs are those of the contract."""
    request = session.context.request
    fields = list(contract.get("inputs") or [])
    if not fields:
        return {"runs": None, "detail": "the contract names no input"}
    try:
        made = feeding.inputs_of(fields, max(1, request.batch_size), request.seed + 1, {})
        named, _ = trees.named_arrays(session.runtime.run_arrays(made, session.inputs))
    except Exception as error:  # whatever the model's code raises is the finding
        return {"runs": False, "detail": _problem(error)}
    problem = feeding.compared(list(contract.get("outputs") or []), named)
    shapes = {name: list(array.shape) for name, array in made.items()}
    return {"runs": not problem, "detail": problem or "inputs made from the contract alone ran", "inputs": shapes}


def open_batch(session: Session, contract: Dict[str, Any]) -> Dict[str, List[str]]:
    """Run twice the batch, and name the inputs and outputs of which the first dimension doubles, and only that one."""
    runtime = session.runtime
    if any(isinstance(size, str) for record in runtime.signature()[0] for size in record.shape):
        return {}
    size = max(1, session.context.request.batch_size)
    notes = list(runtime.notes)
    try:
        doubled = runtime.preprocess(session.batches[0] * 2) if session.batches else runtime.example_inputs(2 * size)
        after = {"inputs": trees.named_arrays(doubled, "input")[0]}
        after["outputs"] = trees.named_arrays(session.call(doubled))[0]
    except Exception as error:  # the model's code may refuse another batch in any way
        runtime.note("twice the batch does not run (%s), so the batch is taken as fixed" % type(error).__name__)
        return {}
    runtime.notes[:] = notes
    return {side: _doubled(list(contract.get(side) or []), named) for side, named in after.items()}


def _doubled(fields: Sequence[Dict[str, Any]], named: Sequence[Tuple[str, arrays.Array]]) -> List[str]:
    """Return the names of the arrays of which only the first dimension doubled since the verified call."""
    wanted = {}
    for field in fields:
        ran_with = list(field.get("ran_with") or [])
        wanted[str(field["name"])] = [2 * size for size in ran_with[:1]] + ran_with[1:]
    return [name for name, array in named if len(array.shape) and list(array.shape) == wanted.get(name)]


def sizes_job(context: Context) -> None:
    """Try batch sizes, then every open or spatial dimension, and record what ran and how the rest failed."""
    session = Session(context)
    work = context.request.work
    fields = list((work.get("contract") or {}).get("inputs") or [])
    with session.described():
        session.climb()
        session.first()
        context.enter("sizes")
        deadline = time.monotonic() + float(work.get("budget_s") or 20.0)
        tried: List[Dict[str, Any]] = []
        skipped = ""
        known, _ = trees.named_arrays(session.inputs, "input")
        base = {name: list(array.shape) for name, array in known}
        for dimension, size, shapes in _tries(fields, base):
            if time.monotonic() > deadline:
                skipped = "the time budget is used up"
                break
            context.progress.show("sizes", len(tried), 0, "%s = %d" % (dimension, size))
            tried.append(_try(session, fields, dimension, size, shapes))
        context.fields["findings"] = trees.plain({"tried": tried, "stopped": skipped})


def _try(
    session: Session, fields: Sequence[Dict[str, Any]], dimension: str, size: int, shapes: Dict[str, List[int]]
) -> Dict[str, Any]:
    entry: Dict[str, Any] = {"dimension": dimension, "size": size, "inputs": shapes}
    sized = [dict(field, shape=shapes.get(str(field["name"]), field["shape"])) for field in fields]
    start = time.perf_counter()
    try:
        made = feeding.inputs_of(sized, size, session.context.request.seed, {})
        named, _ = trees.named_arrays(session.runtime.run_arrays(made, session.inputs))
    except Exception as error:
        entry.update(runs=False, problem=_problem(error))
        return entry
    entry.update(runs=True, outputs={name: list(array.shape) for name, array in named})
    entry["call_ms"] = round(1e3 * (time.perf_counter() - start), 3)
    return entry


def _tries(
    fields: Sequence[Dict[str, Any]], base: Dict[str, List[int]]
) -> Iterator[Tuple[str, int, Dict[str, List[int]]]]:
    """Yield (dimension, size, shapes of all inputs), the batch first and small sizes before large ones."""
    usable = [field for field in fields if len(base.get(str(field["name"]), ())) == len(field["shape"])]
    if len(usable) != len(fields) or not fields:
        return
    dimensions = _dimensions(usable)
    limit = LARGEST_GROWTH * max(1, _count(base)) + 64
    for label, places in dimensions:
        first, place = places[0]
        now = base[first][place]
        wanted = BATCHES if label == "batch" else sorted({max(1, now // 2), now, now + 1, now * 3 // 2, now * 2})
        for size in wanted:
            shapes = {name: list(shape) for name, shape in base.items()}
            for name, at in places:
                shapes[name][at] = size
            if _count(shapes) <= limit * (8 if label == "batch" else 1):
                yield label, size, shapes


def _count(shapes: Dict[str, List[int]]) -> int:
    return sum(map(arrays.count, shapes.values()))


def _dimensions(fields: Sequence[Dict[str, Any]]) -> List[Tuple[str, List[Tuple[str, int]]]]:
    """Return [(name, [(input, place)])]: the batch, every open dimension, and height and width of pictures."""
    rows = [(str(field["name"]), 0) for field in fields if len(field["shape"]) > 1]
    found: Dict[str, List[Tuple[str, int]]] = {"batch": rows} if rows else {}
    for field in fields:
        name, shape = str(field["name"]), list(field["shape"])
        sides = _sides(shape)
        for place in range(1 if len(shape) > 1 else 0, len(shape)):
            size = shape[place]
            if isinstance(size, str):
                found.setdefault(size, []).append((name, place))
            elif place in sides:
                found.setdefault("%s of %s" % (("height", "width")[sides.index(place)], name), []).append((name, place))
    return list(found.items())


def _sides(shape: Sequence[Any]) -> List[int]:
    if len(shape) != 4:
        return []
    return [2, 3] if shape[1] in (1, 3, 4) else [1, 2] if shape[3] in (1, 3, 4) else []


def _problem(error: BaseException) -> str:
    detail = getattr(error, "detail", "") or "%s: %s" % (type(error).__name__, error)
    return " ".join(str(detail).split())[:240]
