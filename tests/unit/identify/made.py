"""Makes inspections for the tests of identify: tensor lists come from the index itself, then are changed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnnbox.identify import index
from dnnbox.identify.keys import Pair
from dnnbox.records.identity import Candidate
from dnnbox.records.inspection import Inspection, IoHints, TensorInfo


def pairs(library: str, architecture: str) -> list[Pair]:
    """Return a copy of the names and shapes of one architecture."""
    known = index.load()
    return list(known.tensors.pairs(known.by_name[library, architecture]))


def inspection(
    tensors: Sequence[Pair] = (),
    *,
    path: str = "runs/last.pth",
    format_name: str = "torch-zip",
    framework: str = "pytorch",
    metadata: Mapping[str, Any] | None = None,
    io_hints: IoHints | None = None,
    needs_code: tuple[str, ...] = (),
) -> Inspection:
    """Return an inspection as a reader would give it."""
    return Inspection(
        path,
        "file",
        format_name,
        framework,
        1,
        "data-only",
        needs_code=needs_code,
        metadata=metadata or {},
        io_hints=io_hints or IoHints(),
        tensor_list=tuple(TensorInfo(name, "float32", shape) for name, shape in tensors),
    )


def everyone(candidates: Sequence[Candidate]) -> set[str]:
    """Return the names of all candidates and of their twins, libraries left out."""
    twins = {twin.architecture.rsplit("/", 1)[-1] for c in candidates for twin in c.same_weights}
    return twins | {c.architecture for c in candidates}


def claims(candidate: Candidate) -> list[str]:
    """Return what the evidence claims, in order."""
    return [evidence.claim for evidence in candidate.evidence]
