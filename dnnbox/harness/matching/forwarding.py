"""Inputs that a built module takes: those that its source shows, else a ladder from its names and layers."""

from __future__ import annotations

import copy
import inspect
import itertools
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from .arguments import SIDES, TEXT, Guess, argument, latents, pyramid
from .asserting import asserted, demanded, remainders
from .building import BUSY, at_most
from .describing import main_shapes
from .repairing import OutOfTime, attempted, beginnings, repaired
from .unpacking import parsed
from .values import is_tensor, tensor

SECONDS = 60.0  # of the processor, for one forward pass
CLOCK_SECONDS = BUSY * SECONDS
_MOST_INFINITE = 3
_FEW_SIDES, _LEAST_SIDE = 3, 224
_METHODS = (
    "inference",
    "infer",
    "encode",
    "encode_image",
    "extract_features",
    "predict",
    "forward_features",
    "sample",
    "act",
    "get_action",
)
_SIZES = ("img_size", "image_size", "input_size", "input_resolution", "image_resolution", "crop_size", "resolution")
_LENGTHS = (128, 1024, 3000, 16000, 20)  # a short one first: a vocoder makes hundreds of samples of each
_MOST_CHANNELS = 16
_WAVES = (16000, 64000)

Spec = Dict[str, Any]


def made(value: Any, seed: int = 0) -> Any:
    """Return the objects of a plain form; the same seed gives the same numbers."""
    import torch

    if isinstance(value, list):
        return [made(item, seed + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if "$tuple" in value:
        return tuple(made(item, seed) for item in value["$tuple"])
    if "$tensor" in value:
        dtype, shape, high = value["$tensor"]
        generator = torch.Generator().manual_seed(seed)
        if dtype == "int64":
            return torch.randint(0, max(1, high or 100), shape, generator=generator)
        return torch.rand(shape, generator=generator)
    return {key: made(item, seed + index) for index, (key, item) in enumerate(value.items())}


def call(module: Any, spec: Spec, seed: int = 0, seconds: float = CLOCK_SECONDS) -> Any:
    """Run a module on made-up inputs, for at most so many seconds on the clock."""
    import torch

    function = getattr(module, spec["method"]) if spec["method"] else module
    args = [made(value, seed + place) for place, value in enumerate(spec["args"])]
    kwargs = {name: made(value, seed + 100 + place) for place, (name, value) in enumerate(spec["kwargs"].items())}
    with torch.no_grad(), at_most(SECONDS, seconds):
        return function(*args, **kwargs)


def tensors_of(value: Any) -> List[Any]:
    """Return all tensors in a result, in order."""
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict) or hasattr(value, "items"):
        return [found for item in value.values() for found in tensors_of(item)]
    if isinstance(value, (list, tuple)):
        return [found for item in value for found in tensors_of(item)]
    return []


def find(
    module: Any,
    hints: Dict[str, Any],
    goes_on: Callable[[], bool],
    seconds: Callable[[float], float] = float,
    known: Sequence[Spec] = (),
) -> Tuple[Optional[List[Any]], Optional[Spec], List[str]]:
    """Return (outputs, inputs) of the first call that the module answers with tensors, and what was tried in vain.

    Numbers go before what is none: a size that is too small for a model may give it nothing to divide by. ``hints`` of
    the source: ``examples``, the ``sides`` of its pictures, what its words are worth (``sizes``), and what it has as
    options (``passed``) for parameters that need not be given. ``known`` are inputs that another build of the same
    class took; ``seconds`` bounds one call.
    """
    tried: List[str] = []
    infinite: List[Tuple[List[Any], Spec]] = []
    for spec, outputs, error in _answers(module, itertools.chain(known, _specs(module, hints)), goes_on, seconds):
        if outputs is None:
            tried.append("%s: %s" % (text_of(spec), error) if error else "no time is left")
            continue
        if outputs and all_finite(outputs):
            return outputs, spec, tried
        infinite += [(outputs, spec)] if outputs else []
        tried.append("%s: %s" % (text_of(spec), "not finite" if outputs else "no tensors came out"))
        if len(infinite) > _MOST_INFINITE:
            break
    return (infinite[0][0], infinite[0][1], tried) if infinite else (None, None, tried)


def _answers(
    module: Any, specs: Iterator[Spec], goes_on: Callable[[], bool], seconds: Callable[[float], float]
) -> Iterator[Tuple[Spec, Optional[List[Any]], str]]:
    """Yield (inputs, outputs or None, error), while there is time; then what the errors of the first inputs lead to."""

    def answer(spec: Spec) -> List[Any]:
        if not goes_on():
            raise OutOfTime
        return tensors_of(call(module, spec, seconds=seconds(CLOCK_SECONDS)))

    first: Optional[Spec] = None
    is_answered = False
    for spec in specs:
        outputs, error = attempted(answer, spec)
        is_answered = is_answered or bool(outputs)
        first = spec if first is None and not spec["method"] else first
        yield spec, outputs, error
        if not error and outputs is None:
            return
    if first is not None and not is_answered:
        tokens = _first_layers(module)["tokens"]
        for answered in repaired(beginnings(first), tokens, answer):
            yield answered


def all_finite(tensors: List[Any]) -> bool:
    """Tell whether every number is one."""
    import torch

    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors if tensor.is_floating_point())


def text_of(spec: Spec) -> str:
    """Return inputs in words: ``forward(float32[1, 3, 224, 224])``."""
    parts = [_value_text(value) for value in spec["args"]]
    parts += ["%s=%s" % (name, _value_text(value)) for name, value in spec["kwargs"].items()]
    return "%s(%s)" % (spec["method"] or "forward", ", ".join(parts))


def _value_text(value: Any) -> str:
    if is_tensor(value):
        return "%s%s" % (value["$tensor"][0], value["$tensor"][1])
    if isinstance(value, list):
        return "[%s]" % ", ".join(_value_text(item) for item in value)
    if isinstance(value, dict) and "$tuple" in value:
        return "(%s)" % ", ".join(_value_text(item) for item in value["$tuple"])
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (key, _value_text(item)) for key, item in value.items())
    return repr(value)


def _specs(module: Any, hints: Dict[str, Any]) -> Iterator[Spec]:
    for example in hints["examples"]:
        spec = _of_example(example)
        if spec is not None and hasattr(module, spec["method"] or "forward"):
            for each in _alone(spec):
                yield each
    passed = hints.get("passed", {})
    for spec in _of_signature(module, "", hints) if passed else ():
        yield dict(spec, kwargs=dict(spec["kwargs"], **passed), why="with options of the scripts")
    for method in ("",) + tuple(name for name in _METHODS if inspect.ismethod(getattr(module, name, None))):
        for spec in _of_signature(module, method, hints):
            yield spec


def _alone(spec: Spec) -> List[Spec]:
    """Return a call that the source shows with one item of its batch, which takes less memory, then as it is."""
    shapes = [value["$tensor"][1] for value in spec["args"] if is_tensor(value)]
    if not shapes or any(len(shape) < 3 or shape[0] < 2 or shape[0] != shapes[0][0] for shape in shapes):
        return [spec]
    alone = copy.deepcopy(spec)
    for value in alone["args"]:
        if is_tensor(value):
            value["$tensor"][1][0] = 1
    return [alone, spec]


def _of_example(example: Dict[str, Any]) -> Optional[Spec]:
    """Return a call that the source shows, where its arguments are random, zero or one tensors, or plain values."""
    args = [_example_value(value) for value in example["args"]]
    kwargs = {name: _example_value(value) for name, value in example["kwargs"].items()}
    if any(value is _NO_VALUE for value in list(args) + list(kwargs.values())):
        return None
    return {"method": example["method"], "args": args, "kwargs": kwargs, "why": "as %s does" % example["where"]}


_NO_VALUE = object()


def _example_value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "$call" not in value:
        return _NO_VALUE
    callee, args, kwargs = value["$call"]
    name = callee.get("$ref", "").rpartition(":")[2]
    sizes = (
        args[0]
        if args and isinstance(args[0], list)
        else args[0]["$tuple"]
        if args and isinstance(args[0], dict) and "$tuple" in args[0]
        else args
    )
    if name in ("randn", "rand", "zeros", "ones") and sizes and all(isinstance(size, int) for size in sizes):
        return tensor("float32", list(sizes))
    if name == "randint" and len(args) == 3:
        shape = args[2]["$tuple"] if isinstance(args[2], dict) and "$tuple" in args[2] else args[2]
        if isinstance(shape, list) and isinstance(args[1], int):
            return tensor("int64", list(shape), args[1])
    return _NO_VALUE


def _of_signature(module: Any, method: str, hints: Dict[str, Any]) -> Iterator[Spec]:
    function = getattr(module, method or "forward")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return
    needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)]
    if not needed:
        needed = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)][:1]
    if not needed or len(needed) > 6:
        return
    wanted = demanded(parsed(function))
    also = [p for p in parameters if p.default is None and p.name in wanted and p not in needed]
    layers = dict(_first_layers(module), sides=hints.get("sides", []), sizes=hints.get("sizes", {}))
    for guess, beside in _guesses(module, layers, function, needed):
        guesses = [guess] + [beside] * (len(needed) - 1)
        args = [argument(module, layers, p, guesses[place], place, function) for place, p in enumerate(needed)]
        spec = {
            "method": method,
            "args": args,
            "kwargs": {},
            "names": [p.name for p in needed],
            "why": "tried: %s" % guess[2],
        }
        yield spec
        if also:
            yield dict(spec, kwargs={p.name: argument(module, layers, p, beside, len(needed), function) for p in also})
    maps = pyramid(module, function, needed[0].name) if len(needed) == 1 else []
    if maps:
        yield {"method": method, "args": [maps], "kwargs": {}, "why": "tried: maps, each half as large as the last"}


def _guesses(
    module: Any, layers: Dict[str, Any], function: Any, needed: List[inspect.Parameter]
) -> Iterator[Tuple[Guess, Guess]]:
    """Yield what to try for the main input, and for those beside it of which nothing else is known."""
    name, few = needed[0].name, _FEW_SIDES if len(needed) > 1 else 1
    for width in latents(module, name):
        guess: Guess = ("float32", [1, width], "as wide as the module says", 0)
        yield guess, guess
    for shape in asserted(module, parsed(function), name):
        guess = ("float32", shape, "as it asserts", 0)
        yield guess, guess
    for divisor, rest in remainders(parsed(function)) if layers["kind"] == "conv2d" else ():
        side = _LEAST_SIDE // divisor * divisor + rest
        guess = ("float32", [1, layers["channels"] or 3, side, side], "as it asserts", 0)
        yield guess, guess
    for shape in main_shapes(function, name, layers.get("sizes", {})):
        for side in (layers.get("sides", []) + _sides(module, layers))[:few]:
            beside: Guess = ("float32", [1, layers["channels"] or 3, side, side], "", 0)
            yield ("float32", shape, "as its comments say", 0), beside
    for each in _ladder(module, layers, name):
        yield each, each


def _ladder(module: Any, layers: Dict[str, Any], name: str) -> Iterator[Guess]:
    """Yield shapes to try for the main input."""
    if (name in TEXT or layers["kind"] == "embedding") and layers["tokens"]:
        for length in _token_lengths(module):
            yield "int64", [1, length], "ids of the first embedding", layers["tokens"]
    if layers["kind"] == "conv1d" or layers["mel"]:
        for length in _LENGTHS:
            yield "float32", [1, layers["channels"] or layers["mel"], length], "a series for the first convolution", 0
        for length in _WAVES if layers["channels"] == 1 else ():
            yield "float32", [1, length], "a waveform without channels", 0
    for shape, why in _SHAPES.get(layers["kind"] or "conv2d", _no_shapes)(module, layers):
        yield "float32", shape, why, 0


def _no_shapes(_module: Any, _layers: Dict[str, Any]) -> List[Tuple[List[int], str]]:
    return []


def _pictures(module: Any, layers: Dict[str, Any]) -> List[Tuple[List[int], str]]:
    channels = layers["channels"] or 3
    found = []
    for side in _sides(module, layers):
        found.append(([1, channels, side, side], "pictures for the first convolution"))
        if channels > 4 and channels % 3 == 0:  # each may stand for the neighbours in a square: space to depth
            found.append(([1, 3, side, side], "pictures whose neighbours become channels"))
    several = getattr(layers.get("first"), "in_channels", channels)  # two pictures in one, say
    if several != channels and several <= _MOST_CHANNELS:
        found[1:1] = [([1, several, side, side], "as many channels as the first convolution has") for side in SIDES[:2]]
    return found


def _volumes(_module: Any, layers: Dict[str, Any]) -> List[Tuple[List[int], str]]:
    sizes = ([16, 112, 112], [32, 32, 32], [16, 224, 224])
    return [([1, layers["channels"]] + size, "a volume for the first convolution") for size in sizes]


def _features(module: Any, layers: Dict[str, Any]) -> List[Tuple[List[int], str]]:
    width = int(layers["first"].in_features)
    # Patches may be cut out of pictures before the first layer.
    cut = [([1, 3, side, side], "pictures that are cut into patches") for side in _sides(module, layers)[:6]]
    return cut + [([1, width], "features of the first layer"), ([1, 16, width], "a series of features")]


def _series(_module: Any, layers: Dict[str, Any]) -> List[Tuple[List[int], str]]:
    return [([1, 16, int(layers["first"].input_size)], "a series of features of the first layer")]


_SHAPES = {"conv2d": _pictures, "conv3d": _volumes, "linear": _features, "recurrent": _series}


def _sides(module: Any, layers: Dict[str, Any]) -> List[int]:
    """Return sides to try, those that the module says first."""
    found = []
    for held in [module] + [child for _, child in list(module.named_modules())[1:40]]:
        for name in _SIZES:
            value = getattr(held, name, None)
            value = value[0] if isinstance(value, (tuple, list)) and value else value
            if isinstance(value, int) and 8 <= value <= 2048:
                found.append(value)
    return list(dict.fromkeys(found + list(SIDES[:_FEW_SIDES]) + layers.get("sides", []) + list(SIDES)))


def _token_lengths(module: Any) -> List[int]:
    found = [getattr(module, name, None) for name in ("context_length", "block_size", "max_seq_len", "n_text_ctx")]
    return [16] + [value for value in found if isinstance(value, int) and 0 < value <= 2048]


def _first_layers(module: Any) -> Dict[str, Any]:
    """Return what the first layers with weights tell: their kind, channels, vocabulary."""
    facts: Dict[str, Any] = {"first": None, "kind": "", "channels": 0, "tokens": 0, "mel": 0}
    for _, layer in module.named_modules():
        name, weight = _kind_of(layer), getattr(layer, "weight", None)
        if name == "Embedding" and not facts["tokens"]:
            facts["tokens"] = int(layer.num_embeddings)
        kind = _KINDS.get(name, "")
        if name in ("Conv1d", "ConvTranspose1d") and not facts["mel"]:
            facts["mel"] = int(layer.in_channels)
        if facts["first"] is None and kind and (weight is not None or kind == "recurrent"):
            facts["first"], facts["kind"] = layer, kind
            facts["channels"] = int(getattr(layer, "in_channels", 0) or 0)
    facts["kind"], facts["channels"] = _stem(module, facts)
    return facts


def _kind_of(layer: Any) -> str:
    """Return the name of torch's own class that a layer is or comes from."""
    return next((cls.__name__ for cls in type(layer).__mro__ if cls.__module__.startswith("torch.nn.modules.")), "")


def _stem(module: Any, facts: Dict[str, Any]) -> Tuple[str, int]:
    """Return (kind, channels); a later convolution that reads 3 channels is where pictures go in."""
    kind = {"conv2d": "Conv2d", "conv3d": "Conv3d"}.get(facts["kind"])
    if kind and facts["channels"] > 4:
        for _, layer in module.named_modules():
            if _kind_of(layer) == kind and layer.in_channels in (3, 1) and layer.groups == 1:
                return facts["kind"], int(layer.in_channels)
    return facts["kind"], facts["channels"]


_KINDS = {
    "Conv1d": "conv1d",
    "Conv2d": "conv2d",
    "Conv3d": "conv3d",
    "ConvTranspose1d": "conv1d",
    "ConvTranspose2d": "conv2d",
    "Linear": "linear",
    "Embedding": "embedding",
    "LSTM": "recurrent",
    "GRU": "recurrent",
    "RNN": "recurrent",
}
