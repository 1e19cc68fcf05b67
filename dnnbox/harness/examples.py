"""Inputs made up for a model: seeded, of the declared dtype and shape, and plausible for what their names say."""

from __future__ import annotations

import math
import random
import struct
from array import array
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from . import arrays
from .arrays import Array

SENTENCES = (
    "The cat sits on the mat.",
    "A kitten is resting on the rug.",
    "The stock market fell sharply on Monday.",
    "How do I bake a loaf of bread?",
)
PROMPT = "The quick brown fox jumps over the lazy dog."
SEQUENCE = 32
IMAGE_SIZE = 224
AUDIO_RATE = 16000
DEFAULT_VOCABULARY = 100

_BATCH_NAMES = {"batch", "batch_size", "batchsize", "n", "b", "bs"}
_NOT_BATCH = {"sequence_length", "seq_len", "length", "num_boxes", "frames"}
_SIZES = (
    (("height", "width", "image_size", "h", "w"), IMAGE_SIZE),
    (("seq", "length", "tokens", "len", "t"), SEQUENCE),
    (("samples", "audio", "wave"), AUDIO_RATE),
    (("frames", "time"), 100),
    (("channel", "channels", "c"), 3),
)
_FALLBACK = 8
PIECE = 4096


def pack(dtype: str, values: Sequence[Any]) -> bytes:
    """Return numbers as the bytes of a little-endian array.

    In pieces: every number is an object of its own while it is packed, and a large input would be seen in the peak of
    the model's memory.
    """
    code = arrays.DTYPES[dtype][1]
    pieces = (values[at : at + PIECE] for at in range(0, len(values), PIECE))
    return b"".join(struct.pack("<%d%s" % (len(piece), code), *piece) for piece in pieces)


def resolve(shapes: Dict[str, Sequence[Any]], batch_size: int, known: Dict[str, Sequence[Any]]) -> Dict[str, List[int]]:
    """Return every shape with its open dimensions filled in; one name has one size across all inputs.

    ``shapes`` and ``known`` map input names to shapes of ints and names; a size in ``known`` wins over a guess.
    """
    sizes: Dict[str, int] = {}
    for name, shape in shapes.items():
        for place, dimension in enumerate(shape):
            hint = _at(known.get(name, ()), place, len(shape))
            if _is_open(dimension) and hint is not None and str(dimension):
                sizes.setdefault(str(dimension), hint)
    filled: Dict[str, List[int]] = {}
    for name, shape in shapes.items():
        filled[name] = []
        for place, dimension in enumerate(shape):
            if not _is_open(dimension):
                filled[name].append(int(dimension))
                continue
            label = "" if dimension is None else str(dimension)
            first = place == 0 and (len(shape) > 1 or not label)
            if label.lower() in _BATCH_NAMES or (first and label.lower() not in _NOT_BATCH):
                size = batch_size
            else:
                size = sizes.get(label) or _at(known.get(name, ()), place, len(shape)) or _guess(label, place, shape)
            filled[name].append(sizes.setdefault(label, size) if label else size)
    return filled


def _is_open(dimension: Any) -> bool:
    return not isinstance(dimension, int) or isinstance(dimension, bool) or dimension < 0


def _at(shape: Sequence[Any], place: int, rank: int) -> Optional[int]:
    if len(shape) != rank or _is_open(shape[place]):
        return None
    return int(shape[place])


def _guess(label: str, place: int, shape: Sequence[Any]) -> int:
    words = label.lower()
    for names, size in _SIZES:
        if any(words == name or (len(name) > 2 and name in words) for name in names):
            return size
    if len(shape) == 4:
        return 3 if place == 1 else IMAGE_SIZE
    return SEQUENCE if place == 1 and len(shape) in (2, 3) else _FALLBACK


def tensor(name: str, dtype: str, shape: Sequence[int], seed: int, vocabulary: int = DEFAULT_VOCABULARY) -> Array:
    """Return a plausible tensor for an input of this name, dtype and shape."""
    shape = tuple(int(size) for size in shape)
    rng = random.Random("%s/%s" % (seed, name))
    if dtype == "bool":
        return Array(dtype, shape, b"\x01" * arrays.count(shape))
    if dtype.startswith(("int", "uint")):
        return _integers(name.lower(), dtype, shape, rng, vocabulary)
    if dtype.startswith("complex"):
        flat = _normal(2 * arrays.count(shape), rng)
        return Array(dtype, shape, pack("float32" if dtype == "complex64" else "float64", flat))
    return Array(dtype, shape, pack(dtype, _reals(name.lower(), shape, rng)))


def _integers(name: str, dtype: str, shape: Tuple[int, ...], rng: random.Random, vocabulary: int) -> Array:
    total = arrays.count(shape)
    if _is_image(shape):
        values = [int(255 * value) for value in _images(shape, rng)]
    elif "mask" in name:
        values = [1] * total
    elif "type" in name or "segment" in name:
        values = [0] * total
    elif "position" in name and shape:
        values = [index % shape[-1] for index in range(total)]
    elif name in ("sr", "rate", "sample_rate", "sampling_rate"):
        values = [AUDIO_RATE] * total
    elif "len" in name and len(shape) <= 1:
        values = [SEQUENCE] * total
    else:
        top = min(vocabulary, 127 if dtype == "int8" else 255 if dtype == "uint8" else vocabulary)
        values = token_ids(total, top, rng)
    return Array(dtype, shape, pack(dtype, values))


def token_ids(count: int, vocabulary: int, rng: random.Random) -> List[int]:
    """Return random ids, clear of the special tokens that most vocabularies begin with where there is room."""
    lowest = min(1000, vocabulary // 10)
    return [rng.randrange(lowest, max(vocabulary, lowest + 1)) for _ in range(count)]


def _reals(name: str, shape: Tuple[int, ...], rng: random.Random) -> Sequence[float]:
    total = arrays.count(shape)
    if "mask" in name:
        return [1.0] * total
    if _is_image(shape):
        return _images(shape, rng)
    if shape and shape[-1] >= 4000 and len(shape) <= 3:  # long rows of numbers are most likely sound
        row = speech(shape[-1], AUDIO_RATE, rng.randrange(1 << 30))
        return row * (total // shape[-1])
    return _normal(total, rng)


def _normal(count: int, rng: random.Random) -> "array[float]":
    return array("d", (rng.gauss(0, 1) for _ in range(count)))


def _is_image(shape: Tuple[int, ...]) -> bool:
    return len(shape) == 4 and (shape[1] in (1, 3, 4) or shape[3] in (1, 3, 4)) and min(shape) > 0


def _images(shape: Tuple[int, ...], rng: random.Random) -> "array[float]":
    """Return the values of a batch of images in [0, 1], channels first or last as the shape says."""
    first = shape[1] in (1, 3, 4)
    channels, height, width = (shape[1], shape[2], shape[3]) if first else (shape[3], shape[1], shape[2])
    batch = array("f")
    for _ in range(shape[0]):
        planes = image(channels, height, width, rng)
        batch.extend(planes if first else _channels_last(planes, channels))
    return batch


def _channels_last(planes: "array[float]", channels: int) -> "array[float]":
    size = len(planes) // channels
    mixed = array("f", bytes(4 * len(planes)))
    for channel in range(channels):
        mixed[channel::channels] = planes[channel * size : (channel + 1) * size]
    return mixed


def image(channels: int, height: int, width: int, rng: random.Random) -> "array[float]":
    """Return one picture as planes [channels, height, width] in [0, 1]: a lit background, discs, bars and grain."""
    discs = [_disc(rng, height, width) for _ in range(4)]
    tints = [[rng.uniform(0.2, 1.0) for _ in discs] for _ in range(channels)]
    grain = [rng.uniform(-0.03, 0.03) for _ in range(1021)]
    period = max(4.0, width / rng.uniform(6, 12))
    bars = [0.08 * math.sin(2 * math.pi * x / period) for x in range(width)]
    planes = array("f")
    for channel in range(channels):
        for y in range(height):
            row = [0.25 + 0.4 * y / height + bars[x] + grain[(x * 7 + y * 131) % 1021] for x in range(width)]
            for (left, right), tint in zip((disc(y) for disc in discs), tints[channel]):
                row[left:right] = [0.3 * value + 0.7 * tint for value in row[left:right]]
            planes.extend(min(1.0, max(0.0, value)) for value in row)
    return planes


def _disc(rng: random.Random, height: int, width: int) -> Callable[[int], Tuple[int, int]]:
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    radius = rng.uniform(0.1, 0.3) * min(height, width)

    def span(row: int) -> Tuple[int, int]:
        half = math.sqrt(max(0.0, radius**2 - (row - y) ** 2))
        return max(0, int(x - half)), max(0, min(width, int(x + half)))

    return span


def speech(samples: int, rate: int, seed: int) -> "array[float]":
    """Return sound in [-1, 1] shaped like speech: voiced syllables with a moving pitch, between pauses."""
    rng = random.Random(seed)
    sound = array("f", bytes(4 * samples))
    position = int(0.25 * rate)
    while position < samples:
        length = int(rng.uniform(0.12, 0.3) * rate)
        pitch, formant = rng.uniform(95, 180), rng.uniform(500, 900)
        end = min(samples, position + length)
        for index in range(position, end):
            t = (index - position) / rate
            swell = math.sin(math.pi * (index - position) / length)
            phase = 2 * math.pi * (pitch + 20 * t) * t
            voice = sum(math.sin(k * phase) / (1 + abs(k * pitch - formant) / 200) for k in range(1, 9))
            sound[index] = 0.15 * swell * voice + rng.uniform(-0.004, 0.004)
        position = end + int(rng.choice((0.03, 0.05, 0.4)) * rate)
    return sound
