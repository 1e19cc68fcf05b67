"""A contract turned back into inputs: what io_contract.json says has to be enough to run the model."""

from __future__ import annotations

import random
from typing import Any, Dict, List, Sequence

from . import arrays, examples
from .arrays import Array


def inputs_of(fields: Sequence[Dict[str, Any]], batch: int, seed: int, sizes: Dict[str, int]) -> Dict[str, Array]:
    """Return seeded arrays for the inputs of a contract: names, shapes, types and ranges are all that is read.

    ``sizes`` gives open dimensions by name; the others have the sizes that the contract says it ran with.
    """
    shapes: Dict[str, Sequence[Any]] = {
        str(field["name"]): [_sized(size, sizes) for size in field["shape"]] for field in fields
    }
    known: Dict[str, Sequence[Any]] = {str(field["name"]): field.get("ran_with") or () for field in fields}
    filled = examples.resolve(shapes, batch, known)
    return {
        str(field["name"]): within(
            examples.tensor(str(field["name"]), str(field["dtype"]), filled[str(field["name"])], seed),
            field.get("range"),
            seed,
        )
        for field in fields
    }


def _sized(size: Any, sizes: Dict[str, int]) -> Any:
    return sizes.get(size, size) if isinstance(size, str) else size


def within(made: Array, span: Any, seed: int) -> Array:
    """Return the array with its values inside the range: integers drawn anew, reals moved and scaled."""
    if not isinstance(span, (list, tuple)) or len(span) != 2 or made.dtype in ("bool", "complex64", "complex128"):
        return made
    low, high = float(span[0]), float(span[1])
    if not made.dtype.startswith("float"):
        rng = random.Random(seed)
        drawn = [rng.randint(int(low), max(int(low), int(high))) for _ in range(arrays.count(made.shape))]
        return Array(made.dtype, made.shape, examples.pack(made.dtype, drawn))
    values = made.values()
    least, most = (min(values), max(values)) if len(values) else (0.0, 1.0)
    scale = (high - low) / (most - least) if most > least else 0.0
    scaled = [low + (value - least) * scale for value in values]
    return Array(made.dtype, made.shape, examples.pack(made.dtype, scaled))


def compared(fields: Sequence[Dict[str, Any]], named: Sequence[Any]) -> str:
    """Return how the outputs differ from the contract's, or ""."""
    if len(fields) != len(named):
        return "the contract has %d outputs, %d came" % (len(fields), len(named))
    problems: List[str] = []
    for field, (name, array) in zip(fields, named):
        shape = list(field["shape"])
        fixed = [(place, size) for place, size in enumerate(shape) if isinstance(size, int)]
        if len(shape) != len(array.shape) or any(array.shape[place] != size for place, size in fixed[1:]):
            problems.append("%s is %s, the contract says %s" % (name, list(array.shape), shape))
        if field["dtype"] and array.dtype != field["dtype"]:
            problems.append("%s is %s, the contract says %s" % (name, array.dtype, field["dtype"]))
    return "; ".join(problems[:4])
