"""What fits strictly, run on equal made-up weights and inputs: which matches do the same, and which do not run."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

from ..states.fitting import fit
from . import calling, forwarding
from .building import TooLarge, TooLong, accessed
from .values import is_tensor, tensor

_MOST_KEPT_BYTES = 1 << 30
_SMALLER = 0.1
_SIZE_STEP = 4  # the second size is a little smaller, so that no power of two divides it


class Comparer:
    """Puts matches into groups of equal outputs, one after the other. ``seconds``: what one more call may take."""

    def __init__(
        self, builders: Dict[str, Any], goes_on: Callable[[], bool], seconds: Callable[[float], float]
    ) -> None:
        self._builders, self._goes_on, self._seconds = builders, goes_on, seconds
        self._outputs: List[List[Any]] = []
        self._examples: Dict[str, Dict[str, Any]] = {}
        self._weights: Dict[str, Any] = {}
        self._scales: Dict[str, float] = {}

    def add(self, match: Any, is_only: bool) -> None:
        """Fill in the match's example, group and whether its outputs are finite; ``is_only``: one size is enough."""
        if not self._goes_on():
            match.tried.append("no time is left to run it")
            return
        try:
            module = self._weighted(match)
        except (Exception, SystemExit, TooLong, TooLarge) as error:  # foreign code
            match.tried.append("build: %s: %s" % (type(error).__name__, str(error)[:200]))
            return
        fresh = dict(vars(module))
        found, match.example, match.tried = self._calmed(module, match, self._first(module, match), fresh)
        if match.example is None:
            return
        self._examples.setdefault(match.cls, match.example)
        outputs = [found]
        if not is_only:
            outputs += [self._run(module, spec) for spec in resized(match.example)]
        match.finite = found is not None and calling.all_finite(found)
        match.group = next((g for g, other in enumerate(self._outputs) if equal(other, outputs)), len(self._outputs))
        if match.group == len(self._outputs):
            self._outputs.append(outputs)

    def _first(self, module: Any, match: Any) -> Any:
        """Return (outputs, inputs, what was tried); what another match of the same class took is tried first."""
        import torch

        torch.manual_seed(0)
        known = self._examples.get(match.cls)
        hints = dict(match.entry, sizes={name: int(text) for name, text in match.arguments.items() if text.isdigit()})
        return forwarding.find(module, hints, self._goes_on, self._seconds, [known] if known else [])

    def _calmed(self, module: Any, match: Any, first: Any, fresh: Dict[str, Any]) -> Any:
        """Return what a module answers with smaller weights, where made-up ones let a deep recurrence overflow.

        Outputs that are no numbers cannot be compared. All further matches of the same view get the same weights.
        ``fresh``: what the module held before it was called; a method that has set something must be called again.
        """
        view = match.view["name"]
        if first[0] is None or calling.all_finite(first[0]) or view in self._scales:
            return first
        vars(module).clear()
        vars(module).update(fresh)
        _load(module, seeded(self._builders[view].tensors, _SMALLER))
        again = self._first(module, match)
        if again[0] is None or not calling.all_finite(again[0]):
            return first
        self._scales[view] = _SMALLER
        self._weights.pop(view, None)
        return again

    def _weighted(self, match: Any) -> Any:
        builder = self._builders[match.view["name"]]
        made = builder.build(match.call.callee, match.call.kwargs, match.call.args, meta=False)
        module = accessed(made, match.access)
        _load(module, self._seeded(match.view["name"], builder.tensors))
        module.eval()  # a class may have a way of its own for that, which returns nothing
        return module

    def _seeded(self, view: str, tensors: Dict[str, Any]) -> Dict[str, Any]:
        """Return the made-up weights of a view; small ones are kept, for most searches end with several matches."""
        if view in self._weights:
            return dict(self._weights[view])
        made = seeded(tensors, self._scales.get(view, 1.0))
        if sum(value.numel() * value.element_size() for value in made.values()) <= _MOST_KEPT_BYTES:
            self._weights[view] = made
        return dict(made)

    def _run(self, module: Any, spec: Dict[str, Any]) -> Optional[List[Any]]:
        import torch

        torch.manual_seed(0)
        try:
            return calling.tensors_of(calling.call(module, spec, seconds=self._seconds(calling.CLOCK_SECONDS)))
        except (Exception, TooLong):  # a size that a model refuses is an answer too
            return None


def _load(module: Any, tensors: Dict[str, Any]) -> None:
    """Load by the rules of the real loading: other spellings of names, and buffers that the file does not have."""
    made = fit(module.state_dict(), tensors)
    if not made.strict:
        raise ValueError("does not load: %s" % made.complaint())
    module.load_state_dict(made.tensors, strict=False)


def resized(spec: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return the same call on pictures of another, odd size; nothing for other inputs."""

    def other(value: Any) -> Any:
        if is_tensor(value) and len(value["$tensor"][1]) == 4:
            dtype, shape, high = value["$tensor"]
            sides = [max(8, side - _SIZE_STEP) for side in shape[2:]]
            return tensor(dtype, shape[:2] + sides, high)
        is_mapping = isinstance(value, dict) and not any(key.startswith("$") for key in value)
        return {key: other(item) for key, item in value.items()} if is_mapping else value

    changed = dict(spec, args=[other(value) for value in spec["args"]])
    return [changed] if changed["args"] != spec["args"] else []


def equal(first: List[Any], second: List[Any]) -> bool:
    """Tell whether two lists of results are the same; a size that both refuse is the same, what is no number is not."""
    import torch

    def same(a: Any, b: Any) -> bool:
        if a is None or b is None:
            return a is b
        return len(a) == len(b) and all(
            x.shape == y.shape and torch.allclose(x.float(), y.float(), rtol=1e-4, atol=1e-5) for x, y in zip(a, b)
        )

    return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second))


def seeded(shapes: Dict[str, Any], scale: float = 1.0) -> Dict[str, Any]:
    """Return made-up weights, the same for the same names: to compare what two classes do with equal weights."""
    import zlib

    import torch

    found = {}
    for name, value in shapes.items():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode("utf-8", "replace")))
        if not value.is_floating_point():
            found[name] = value.clone()  # counts, steps, places: no weights, and a made-up one may divide by zero
            continue
        numbers = torch.randn(value.shape, generator=generator) * (0.05 * scale)
        positive = value.dim() == 1 and name.endswith(("weight", "running_var", "weight_g", "gamma"))
        found[name] = (numbers + 1).abs() if positive else numbers
    return found
