"""File → model: reads, finds, fits, and loads strictly. Runtimes and generated adapters call ``load_into``."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from ..failures import Failure
from .finding import StateDict, found
from .fitting import Fit, fit, quantisation
from .reading import Note, read


class Loaded:
    """What was loaded from where: ``entry`` in the file, how many tensors, and remarks for the report."""

    def __init__(self, entry: str, tensors: int, notes: List[str]) -> None:
        self.entry = entry
        self.tensors = tensors
        self.notes = notes


def load_into(
    model: Any, path: str, *, entry: Optional[str] = None, prefix: str = "", form: str = "", note: Note = lambda _: None
) -> Loaded:
    """Put the weights of a file or directory into ``model``, every name and shape matched.

    ``entry`` is the dotted way that the host found; the other sets of the file are tried where it does not fit.
    Raises the ``load_failed`` failure with what does not fit.
    """
    notes: List[str] = []
    data = read(path, notes.append, form)
    chosen, made = choose(model.state_dict(), candidates(data, entry), prefix, notes)
    complaint = made.complaint()
    if complaint:
        kind = quantisation(chosen.tensors)
        hint = "; the weights are quantised (%s), so the quantised model has to be built" % kind if kind else ""
        raise Failure("load_failed", "the weights do not fit the architecture: %s%s" % (complaint, hint), "load")
    notes += made.notes
    model.load_state_dict(_plain(made.tensors, notes), strict=False)
    for text in notes:
        note(text)
    return Loaded(chosen.entry, len(made.tensors), notes)


def cast(model: Any, dtype: Any) -> Any:
    """Return the model with its real weights as ``dtype``; of complex ones ``Module.to`` would drop a half."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point() and tensor.dtype != dtype:
            tensor.data = tensor.data.to(dtype)
    return model


def candidates(data: Any, entry: Optional[str]) -> List[StateDict]:
    """Return the sets of tensors in ``data``, the one at ``entry`` first."""
    sets = found(data)
    if not sets:
        raise Failure("load_failed", "no tensors by name in the checkpoint", "load")
    if not entry:
        return sets
    named = [item for item in sets if item.entry == entry]
    if not named:
        raise Failure("load_failed", "no tensors at %r of the checkpoint" % entry, "load")
    return named + [item for item in sets if item not in named]


def choose(own: Mapping[str, Any], sets: List[StateDict], prefix: str, notes: List[str]) -> "tuple[StateDict, Fit]":
    """Return the first set that fits strictly, else the nearest of them, and say which others fit too."""
    fits = [(item, fit(own, item.tensors, prefix)) for item in sets[:8]]
    strict = [(item, made) for item, made in fits if made.strict]
    if not strict:
        return min(fits, key=lambda pair: pair[1].distance)
    item, made = strict[0]
    others = [other.entry or "the top level" for other, _ in strict[1:]]
    if others:
        kind = "averaged weights" if item.averaged else "weights"
        notes.append("took the %s at %r; these fit as well: %s" % (kind, item.entry, ", ".join(others)))
    return item, made


def _plain(tensors: Dict[str, Any], notes: List[str]) -> Dict[str, Any]:
    """Return the tensors as the model takes them: quantised ones as numbers again."""
    quantised = [name for name, tensor in tensors.items() if getattr(tensor, "is_quantized", False)]
    if quantised:
        notes.append("%d quantised tensors were turned back into floats" % len(quantised))
    stored = sorted({str(t.dtype).rpartition(".")[2] for t in tensors.values() if t.dtype.is_floating_point})
    halves = [name for name in stored if name in ("float16", "bfloat16")]
    if halves:
        notes.append("weights are stored as %s" % " and ".join(halves))
    return {name: tensor.dequantize() if name in quantised else tensor for name, tensor in tensors.items()}
