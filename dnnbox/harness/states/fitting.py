"""A set of named tensors → the names of one model: wrappers, prefixes and both spellings of parametrizations.

Everything here is a renaming or an exact conversion. What is left out is said; what would change the model's answers
is a misfit.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""DataParallel and DistributedDataParallel, torch.compile, FSDP, activation checkpointing."""

DERIVED = re.compile(
    r"(num_batches_tracked|relative_position_index|relative_coords_table|attn_mask|position_ids|inv_freq"
    r"|total_ops|total_params|n_averaged)$"
)
"""Buffers that a constructor computes, or counters of profilers and averages: savers differ in keeping them."""

_PARAMETRIZATIONS = (
    (re.compile(r"\.parametrizations\.(\w+)\.original0$"), r".\1_g"),
    (re.compile(r"\.parametrizations\.(\w+)\.original1$"), r".\1_v"),
    (re.compile(r"\.parametrizations\.(\w+)\.original$"), r".\1_orig"),
    (re.compile(r"\.parametrizations\.(\w+)\.0\._(u|v)$"), r".\1_\2"),
)
_QUANTISED = re.compile(r"(_packed_params|\.qweight|\.qzeros|\.SCB|\.quant_state\.\w+|\.absmax|\.zero_point)(\.|$)")

Shape = Tuple[int, ...]


class Fit:
    """How one set of tensors meets a model. ``tensors`` has the model's names; ``strict`` that nothing is amiss."""

    def __init__(self, tensors: Dict[str, Any]) -> None:
        self.tensors = tensors
        self.missing: List[str] = []
        self.unexpected: List[str] = []
        self.misshapen: List[str] = []
        self.left_out: List[str] = []
        self.notes: List[str] = []

    @property
    def strict(self) -> bool:
        """Every parameter of the model is there in its shape, and no tensor of the file is without a place."""
        return not (self.missing or self.unexpected or self.misshapen)

    @property
    def distance(self) -> Tuple[int, int]:
        """How far from strict: what the model lacks first, what the file has too much second."""
        return len(self.missing) + len(self.misshapen), len(self.unexpected) + len(self.left_out)

    def complaint(self) -> str:
        """Return what does not fit, with a few names of each kind."""
        parts = [
            _some("missing", self.missing),
            _some("not in the model", self.unexpected),
            _some("of another shape", self.misshapen),
        ]
        return "; ".join(part for part in parts if part)


def _some(text: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = ", …" if len(names) > 4 else ""
    return "%d %s (%s%s)" % (len(names), text, ", ".join(names[:4]), more)


def canonical(name: str) -> str:
    """Return the name without wrappers and in the older spelling of parametrizations."""
    name = ".".join(part for part in name.split(".") if part not in WRAPPERS)
    for pattern, older in _PARAMETRIZATIONS:
        name = pattern.sub(older, name)
    return name


def fit(own: Mapping[str, Any], tensors: Mapping[str, Any], prefix: str = "") -> Fit:
    """Return the best fit of ``tensors`` to a model's ``state_dict()``; ``prefix`` goes before those of the file."""
    exact = _fit(own, dict(tensors), {name: name for name in own}, "", "")
    if exact.strict and not prefix:
        return exact
    names = {canonical(name): name for name in own}
    if len(names) != len(own):
        names = {name: name for name in own}  # a model with a layer called `module` beside its twin
    given = _once({canonical(name): tensor for name, tensor in tensors.items()}, tensors)
    tries = [_fit(own, given, names, cut, add) for cut, add in _prefixes(names, given, prefix)]
    return min([exact, *tries], key=lambda item: item.distance)


def _once(renamed: Dict[str, Any], tensors: Mapping[str, Any]) -> Dict[str, Any]:
    return renamed if len(renamed) == len(tensors) else dict(tensors)


def _prefixes(names: Mapping[str, str], given: Mapping[str, Any], prefix: str) -> List[Tuple[str, str]]:
    """Return (what to cut from the file's names, what to put before them), the most promising first."""
    wanted = canonical(prefix + "x")[:-1] if prefix else ""
    cuts = [wanted] if wanted else []
    cuts += _leading(given)
    pairs = [(cut, "") for cut in cuts] + [("", add) for add in _leading(names) if add]
    pairs += [(cut, add) for cut in cuts[:4] if cut for add in _leading(names)[:4] if add]
    scored = {pair: _overlap(names, given, *pair) for pair in dict.fromkeys(pairs)}
    return sorted(scored, key=lambda pair: -scored[pair])[:4]


def _leading(names: Iterable[str]) -> List[str]:
    """Return "" and the dotted beginnings that many names share, shortest first."""
    counts: Dict[str, int] = {}
    total = 0
    for name in names:
        total += 1
        parts = name.split(".")
        for end in range(1, min(4, len(parts))):
            start = ".".join(parts[:end]) + "."
            counts[start] = counts.get(start, 0) + 1
    common = [start for start, count in counts.items() if count * 10 >= total]
    return ["", *sorted(common, key=lambda start: (-counts[start], len(start)))[:12]]


def _overlap(names: Mapping[str, str], given: Mapping[str, Any], cut: str, add: str) -> int:
    return sum(1 for name in given if name.startswith(cut) and add + name[len(cut) :] in names)


def _fit(own: Mapping[str, Any], given: Mapping[str, Any], names: Mapping[str, str], cut: str, add: str) -> Fit:
    inside = {add + name[len(cut) :]: tensor for name, tensor in given.items() if name.startswith(cut)}
    made = Fit({})
    made.left_out = sorted(name for name in given if not name.startswith(cut))
    _convert(inside, names, made)
    for name, tensor in inside.items():
        target = names.get(name)
        if target is None:
            if not DERIVED.search(name):
                made.unexpected.append(name)
        elif tuple(own[target].shape) == tuple(tensor.shape):
            made.tensors[target] = tensor
        else:
            made.misshapen.append(name)
    absent = [target for name, target in names.items() if target not in made.tensors and name not in made.misshapen]
    computed = [target for target in absent if DERIVED.search(target) or _is_tied(own, target, made.tensors)]
    made.missing = [target for target in absent if target not in computed]
    if computed:
        made.notes.append("%d buffers or tied weights are the model's own, as the file has none" % len(computed))
    _describe(made, cut, add)
    return made


def _is_tied(own: Mapping[str, Any], target: str, loaded: Mapping[str, Any]) -> bool:
    """Tell whether a loaded tensor fills this one too: safetensors keeps only one name of a shared tensor."""
    place = _place(own[target])
    return place is not None and any(_place(own[name]) == place for name in loaded)


def _place(tensor: Any) -> Optional[Tuple[int, Shape]]:
    address = int(tensor.data_ptr()) if not getattr(tensor, "is_meta", False) else 0
    return (address, tuple(tensor.shape)) if address else None


def _describe(made: Fit, cut: str, add: str) -> None:
    if cut:
        made.notes.append("the names of the tensors begin with %r, which was cut off" % cut)
    if add:
        made.notes.append("the model has its layers below %r, the file has not" % add)
    if made.left_out:
        shown = ", ".join(made.left_out[:5])
        made.notes.append("%d tensors outside the prefix %r were left out: %s" % (len(made.left_out), cut, shown))


def _convert(inside: Dict[str, Any], names: Mapping[str, str], made: Fit) -> None:
    """Undo or redo weight normalisation where only one side has it: weight = g · v / ‖v‖, an identity."""
    fused = [name[:-2] for name in inside if name.endswith("_g") and name[:-2] + "_v" in inside and name[:-2] in names]
    split = [name for name in inside if name not in names and name + "_g" in names and name + "_v" in names]
    for name in fused:
        scale, direction = inside.pop(name + "_g"), inside.pop(name + "_v")
        inside[name] = direction * (scale / _norm(direction, scale))
    for name in split:
        weight = inside.pop(name)
        target = names[name + "_g"]
        inside[name + "_v"], inside[name + "_g"] = weight, _norm(weight, None)
        made.notes.append("the file has no weight normalisation at %s, the model has" % target.rpartition(".")[0])
    if fused:
        made.notes.append("weight normalisation of %d layers was folded into their weights" % len(fused))
    del made.notes[3:]


def _norm(tensor: Any, like: Optional[Any]) -> Any:
    """Return the norm over all dimensions but the one that ``like`` keeps (the first where it does not tell)."""
    kept = 0 if like is None else next((place for place, length in enumerate(like.shape) if length > 1), 0)
    others = [place for place in range(tensor.ndim) if place != kept]
    return (tensor * tensor).sum(dim=others, keepdim=True).sqrt() if others else tensor.abs()


def quantisation(tensors: Mapping[str, Any]) -> str:
    """Return the name of the first tensor that only a quantised model has, or ""."""
    return next((name for name in tensors if _QUANTISED.search(name)), "")
