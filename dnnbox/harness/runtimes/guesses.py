"""Inputs for a module that declares none: a short ladder of shapes that its own layers make plausible.

The first layer that reads the input tells its channels or features. Which guess worked is said in the notes and in
the contract (status ``assumed``); where none works, the error lists what was tried.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .. import examples
from ..arrays import Array
from ..failures import Failure
from ..protocol import TensorRecord
from .torch_base import TorchRuntime

IMAGE_SIDES = (224, 64, 32, 28)
LENGTHS = (16000, 1024, 128)
TOKENS = 32

Layers = Sequence[Tuple[str, str, Any]]


class Guess(NamedTuple):
    """One input to try."""

    dtype: str
    shape: Tuple[int, ...]
    why: str
    vocabulary: int = examples.DEFAULT_VOCABULARY


def from_layers(layers: Layers, batch_size: int) -> List[Guess]:
    """Return guesses for the first layer of a kind that is known. ``layers``: (name, class name, module) in order."""
    for name, kind, module in layers:
        weight = getattr(module, "weight", None)
        if weight is None or not hasattr(weight, "shape"):
            continue
        found = _for_layer(name, kind, module, tuple(int(size) for size in weight.shape), batch_size)
        if found:
            return found
    return []


def _for_layer(name: str, kind: str, module: Any, shape: Tuple[int, ...], n: int) -> List[Guess]:
    why = "%s of layer %s" % (kind, name or "at the top")
    groups = int(getattr(module, "groups", 1) or 1)
    if "Embedding" in kind and len(shape) == 2:
        return [Guess("int64", (n, TOKENS), why, shape[0])]
    if "Conv2d" in kind or (kind == "" and len(shape) == 4):
        return [Guess("float32", (n, shape[1] * groups, side, side), why) for side in IMAGE_SIDES]
    if "Conv1d" in kind or (kind == "" and len(shape) == 3):
        return [Guess("float32", (n, shape[1] * groups, length), why) for length in LENGTHS]
    if "Conv3d" in kind:
        return [Guess("float32", (n, shape[1] * groups, 16, 112, 112), why)]
    if kind in ("LSTM", "GRU", "RNN"):
        return [Guess("float32", (n, TOKENS, int(module.input_size)), why)]
    if "Linear" in kind and len(shape) == 2:
        return [Guess("float32", (n, shape[1]), why), Guess("float32", (n, TOKENS, shape[1]), why)]
    return []


def inputs_of(runtime: TorchRuntime, names: Sequence[str], layers: Layers, batch_size: int) -> Dict[str, Any]:
    """Return the inputs that the host declared; where it only assumed one, or knows none, the first that runs."""
    hinted = of_hints(runtime, batch_size)
    statuses = {str(hint.get("status", "declared")) for hint in runtime.options.get("inputs") or []}
    if hinted and (len(hinted) > 1 or "assumed" not in statuses):
        return make(runtime, hinted)
    if len(names) > 1:
        text = "forward takes %s; give their shapes by an adapter"
        raise Failure("needs_adapter", text % ", ".join(names), "input")
    guesses = [guess for _, guess in hinted] + from_layers(layers, batch_size)
    return first_that_runs(runtime, names, guesses)


def of_hints(runtime: TorchRuntime, batch_size: int) -> List[Tuple[str, Guess]]:
    """Return the inputs that the host knows from ``options["inputs"]``, as (name, guess); empty if it knows none."""
    hints = [hint for hint in runtime.options.get("inputs") or [] if hint.get("shape")]
    shapes = {str(hint.get("name") or "input%d" % place): hint["shape"] for place, hint in enumerate(hints)}
    filled = examples.resolve(shapes, batch_size, {})
    found = []
    for hint, (name, shape) in zip(hints, filled.items()):
        # A first size in a hint is the batch of the one who wrote it down.
        sizes = [batch_size] + shape[1:] if len(shape) > 1 else shape
        why = str(hint.get("source") or "declared by the checkpoint")
        found.append((name, Guess(str(hint.get("dtype") or "float32"), tuple(sizes), why)))
    return found


def make(runtime: TorchRuntime, named: Sequence[Tuple[str, Guess]]) -> Dict[str, Any]:
    """Return tensors for the guesses."""
    seed = runtime.request.seed
    made: Dict[str, Array] = {}
    for name, guess in named:
        made[name] = examples.tensor(name, guess.dtype, guess.shape, seed, guess.vocabulary)
    inputs: Dict[str, Any] = runtime.of_arrays(made)
    return inputs


def first_that_runs(runtime: TorchRuntime, names: Sequence[str], guesses: Sequence[Guess]) -> Dict[str, Any]:
    """Return the inputs of the first guess that the model takes; raises ``needs_adapter`` if none does."""
    tried: List[str] = []
    problem: Optional[BaseException] = None
    for guess in guesses:
        inputs = make(runtime, [(names[0], guess)])
        try:
            runtime.infer(runtime.to_device(inputs))
        except Exception as error:  # the model's code may raise anything for a shape that it does not know
            problem = error
            tried.append("%s%s (%s)" % (guess.dtype, list(guess.shape), str(error).strip().partition("\n")[0][:160]))
            continue
        runtime.note("input %s: %s%s was tried and works (%s)" % (names[0], guess.dtype, list(guess.shape), guess.why))
        runtime.assumed_inputs = _assumed(inputs, "tried: %s" % guess.why)
        return inputs
    detail = "; ".join(tried) or "no layer tells what it reads"
    raise Failure("needs_adapter", "no input is known for this model; tried: %s" % detail, "input") from problem


def _assumed(inputs: Dict[str, Any], source: str) -> List[TensorRecord]:
    """Return the records of inputs that were guessed."""
    records = []
    for name, value in inputs.items():
        dtype = str(value.dtype).rpartition(".")[2]
        records.append(TensorRecord(name, dtype, [int(size) for size in value.shape], "assumed", source))
    return records
