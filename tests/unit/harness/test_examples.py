"""Made-up inputs and sound files."""

from __future__ import annotations

import math
import random
import struct
import tracemalloc
import wave
from pathlib import Path

import pytest

from dnnbox.harness import examples, sound
from dnnbox.harness.failures import Failure


@pytest.mark.parametrize(
    ("shapes", "batch", "known", "filled"),
    [
        ({"x": ["batch", 3, "h", "w"]}, 2, {}, {"x": [2, 3, 224, 224]}),
        ({"x": ["batch", 3, "h", "w"]}, 1, {"x": [1, 3, 64, 32]}, {"x": [1, 3, 64, 32]}),
        ({"x": [None, 3, None, None]}, 1, {}, {"x": [1, 3, 224, 224]}),
        (
            {"input_ids": ["batch", "sequence"], "attention_mask": ["batch", "sequence"]},
            3,
            {"input_ids": ["N", 50]},
            {"input_ids": [3, 50], "attention_mask": [3, 50]},
        ),
        ({"x": [1, 8], "state": [2, "N", 16], "sr": []}, 4, {}, {"x": [1, 8], "state": [2, 4, 16], "sr": []}),
        ({"audio": ["batch", "samples"]}, 1, {}, {"audio": [1, 16000]}),
        ({"x": [-1, 5]}, 6, {}, {"x": [6, 5]}),
    ],
)
def test_resolve__open_dimensions__are_filled(
    shapes: dict[str, list[object]], batch: int, known: dict[str, list[object]], filled: dict[str, list[int]]
) -> None:
    assert examples.resolve(shapes, batch, known) == filled


def test_tensor__same_seed__same_bytes() -> None:
    first, second, other = (examples.tensor("x", "float32", (2, 5), seed) for seed in (0, 0, 1))
    assert bytes(first.data) == bytes(second.data) != bytes(other.data)


def test_tensor__picture__has_structure_in_range() -> None:
    made = examples.tensor("pixels", "float32", (2, 3, 32, 32), 0)
    values = made.values()
    assert 0 <= min(values) < 0.5 < max(values) <= 1
    neighbours = sum(abs(values[i] - values[i + 1]) for i in range(1000)) / 1000
    assert neighbours < 0.1  # noise would be a third
    assert bytes(made.data[: len(made.data) // 2]) != bytes(made.data[len(made.data) // 2 :])


def test_tensor__channels_last_bytes__same_picture() -> None:
    last = examples.tensor("image", "uint8", (1, 8, 8, 3), 0).values()
    assert (min(last) >= 0, max(last) <= 255, len(set(last)) > 20) == (True, True, True)


@pytest.mark.parametrize(
    ("name", "dtype", "allowed"),
    [
        ("input_ids", "int64", set(range(10, 100))),
        ("attention_mask", "int64", {1}),
        ("token_type_ids", "int64", {0}),
        ("position_ids", "int64", set(range(6))),
        ("sr", "int64", {16000}),
        ("key_mask", "bool", {True}),
        ("ids", "int8", set(range(10, 100))),
    ],
)
def test_tensor__integers__mean_what_their_name_says(name: str, dtype: str, allowed: set[int]) -> None:
    assert set(examples.tensor(name, dtype, (2, 6), 0).values()) <= allowed


def test_speech__has_voice_and_pauses() -> None:
    wave_form = examples.speech(32000, 16000, 0)
    frames = [max(map(abs, wave_form[start : start + 800])) for start in range(0, 32000, 800)]
    assert max(map(abs, wave_form)) <= 1
    assert sum(level < 0.01 for level in frames) >= 3
    assert sum(level > 0.1 for level in frames) >= 10


def write_wav(path: Path, rate: int, channels: int, width: int, seconds: float = 0.5) -> None:
    count = int(rate * seconds)
    tone = [math.sin(2 * math.pi * 440 * index / rate) * 0.5 for index in range(count)]
    scale = (1 << (8 * width - 1)) - 1
    frames = b"".join(_frame(value, width, scale) * channels for value in tone)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(frames)


def _frame(value: float, width: int, scale: int) -> bytes:
    if width == 1:
        return struct.pack("B", int(value * 127) + 128)
    return int(value * scale).to_bytes(width, "little", signed=True)


@pytest.mark.parametrize(
    ("rate", "channels", "width"), [(16000, 1, 2), (8000, 2, 2), (44100, 1, 3), (22050, 2, 4), (16000, 1, 1)]
)
def test_read_wav__any_pcm__same_tone(rate: int, channels: int, width: int, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", rate, channels, width)
    samples = sound.read_wav(str(tmp_path / "a.wav"), 16000)
    expected = [math.sin(2 * math.pi * 440 * index / 16000) * 0.5 for index in range(len(samples))]
    assert abs(len(samples) - 8000) <= 2
    assert sum(abs(a - b) for a, b in zip(samples, expected, strict=True)) / len(samples) < 0.08


@pytest.mark.parametrize("raw", [b"", b"ID3 an mp3", b"RIFF\x00\x00\x00\x00WAVE"])
def test_read_wav__something_else__input_failed(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(raw)
    with pytest.raises(Failure) as caught:
        sound.read_wav(str(tmp_path / "a.wav"), 16000)
    assert caught.value.kind == "input_failed"


def test_token_ids__tiny_vocabulary__inside() -> None:
    assert set(examples.token_ids(50, 1, random.Random(0))) == {0}


def test_tensor__large_input__takes_little_more_memory_than_its_bytes() -> None:
    """What it takes is seen in the peak of the model's memory."""
    tracemalloc.start()
    try:
        made = examples.tensor("x", "float32", (1, 256, 512), 0)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 6 * len(bytes(made.data))
