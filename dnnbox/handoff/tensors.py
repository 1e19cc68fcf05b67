"""The outputs of two runs, tensor by tensor: same bits, within tolerance, or different."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dnnbox.handoff.manifest import Expected
from dnnbox.harness.arrays import difference, load
from dnnbox.harness.protocol import ArrayRecord
from dnnbox.text import visible

Verdict = Literal["same bits", "within tolerance", "different"]


@dataclass(frozen=True)
class Compared:
    """One output. ``largest`` is the largest absolute difference; ``outside`` counts values beyond the tolerance."""

    name: str
    verdict: Verdict
    detail: str = ""
    largest: float | None = None
    largest_relative: float | None = None
    outside: int | None = None
    total: int | None = None
    rtol: float = 0.0
    atol: float = 0.0


def compare(
    expected: Sequence[Expected], root: Path, arrays: Sequence[ArrayRecord], files: Mapping[str, str]
) -> tuple[Compared, ...]:
    """Return every expected output, and each that came besides, compared; ``files`` maps box paths to host paths."""
    found = {array.name: array for array in arrays if array.role == "output"}
    compared = [_one(wanted, root, found.pop(wanted.name, None), files) for wanted in expected]
    compared += [Compared(visible(name, 80), "different", "was not there before") for name in found]
    return tuple(compared)


def _one(wanted: Expected, root: Path, array: ArrayRecord | None, files: Mapping[str, str]) -> Compared:
    name = visible(wanted.name, 80)
    if array is None:
        return Compared(name, "different", "is missing")
    if (array.dtype, tuple(array.shape)) != (wanted.dtype, wanted.shape):
        detail = f"is {array.dtype} {list(array.shape)}, was {wanted.dtype} {list(wanted.shape)}"
        return Compared(name, "different", visible(detail, 200))
    if array.sha256 == wanted.sha256:
        return Compared(name, "same bits")
    if not wanted.path or array.path not in files:
        return Compared(name, "different", "other bits, and the values were not kept")
    try:
        apart = difference(load(str(root / wanted.path)), load(files[array.path]), wanted.rtol, wanted.atol)
    except (OSError, ValueError) as error:
        return Compared(name, "different", visible(str(error), 200))
    return Compared(
        name,
        "different" if apart.outside else "within tolerance",
        f"{apart.outside} of {apart.total} values beyond the tolerance" if apart.outside else "",
        apart.largest,
        apart.largest_relative,
        apart.outside,
        apart.total,
        wanted.rtol,
        wanted.atol,
    )
