"""Shapes to try for a module's main input, from its first layers and its names: words, series, pictures, volumes."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Sequence, Tuple

from .arguments import SIDES, TEXT, Guess
from .kinds import kind_of

_FEW_SIDES = 3
_SIZES = ("img_size", "image_size", "input_size", "input_resolution", "image_resolution", "crop_size", "resolution")
_LENGTHS = (128, 1024, 3000, 16000, 20)  # a short one first: a vocoder makes hundreds of samples of each
_MOST_CHANNELS = 16
WAVES = (16000, 64000)


def ladder(module: Any, layers: Dict[str, Any], name: str) -> Iterator[Guess]:
    """Yield shapes to try for the main input."""
    if (name in TEXT or layers["kind"] == "embedding") and layers["tokens"]:
        for length in _token_lengths(module):
            yield "int64", [1, length], "ids of the first embedding", layers["tokens"]
    if layers["kind"] == "conv1d" or layers["mel"]:
        for length in _LENGTHS:
            yield "float32", [1, layers["channels"] or layers["mel"], length], "a series for the first convolution", 0
        for length in WAVES if layers["channels"] == 1 else ():
            yield "float32", [1, length], "a waveform without channels", 0
    for shape, why in _SHAPES.get(layers["kind"] or "conv2d", _no_shapes)(module, layers):
        yield "float32", shape, why, 0
    # A layer of the source's own may come before the first convolution, and read the waveform itself.
    for length in WAVES if (layers["kind"] == "conv1d" or layers["mel"]) and layers["channels"] != 1 else ():
        yield "float32", [1, length], "a waveform without channels", 0


def _no_shapes(_module: Any, _layers: Dict[str, Any]) -> List[Tuple[List[int], str]]:
    return []


def _pictures(module: Any, layers: Dict[str, Any]) -> List[Tuple[List[int], str]]:
    channels = layers["channels"] or 3
    found = []
    for side in sides(module, layers):
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
    cut = [([1, 3, side, side], "pictures that are cut into patches") for side in sides(module, layers)[:6]]
    return cut + [([1, width], "features of the first layer"), ([1, 16, width], "a series of features")]


def _series(_module: Any, layers: Dict[str, Any]) -> List[Tuple[List[int], str]]:
    return [([1, 16, int(layers["first"].input_size)], "a series of features of the first layer")]


_SHAPES = {"conv2d": _pictures, "conv3d": _volumes, "linear": _features, "recurrent": _series}


def sides(module: Any, layers: Dict[str, Any]) -> List[int]:
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


def first_layers(module: Any, apart: Sequence[Any] = ()) -> Dict[str, Any]:
    """Return what the first layers with weights tell: their kind, channels, vocabulary; ``apart``: parts that only
    other inputs go to, where the main one's first layer is not."""
    facts: Dict[str, Any] = {"first": None, "kind": "", "channels": 0, "tokens": 0, "mel": 0}
    left_out = {id(layer) for part in apart for layer in part.modules()}
    for _, layer in module.named_modules():
        name, weight = kind_of(layer), getattr(layer, "weight", None)
        if name == "Embedding" and not facts["tokens"]:
            facts["tokens"] = int(layer.num_embeddings)
        kind = _KINDS.get(name, "")
        if name in ("Conv1d", "ConvTranspose1d") and not facts["mel"]:
            facts["mel"] = int(layer.in_channels)
        if (
            facts["first"] is None
            and id(layer) not in left_out
            and kind
            and (weight is not None or kind == "recurrent")
        ):
            facts["first"], facts["kind"] = layer, kind
            facts["channels"] = int(getattr(layer, "in_channels", 0) or 0)
    if facts["first"] is None and apart:
        return first_layers(module)
    facts["kind"], facts["channels"] = _stem(module, facts)
    return facts


def _stem(module: Any, facts: Dict[str, Any]) -> Tuple[str, int]:
    """Return (kind, channels); a later convolution that reads 3 channels is where pictures go in."""
    kind = {"conv2d": "Conv2d", "conv3d": "Conv3d"}.get(facts["kind"])
    if kind and facts["channels"] > 4:
        for _, layer in module.named_modules():
            if kind_of(layer) == kind and layer.in_channels in (3, 1) and layer.groups == 1:
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
