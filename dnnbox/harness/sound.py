"""Sound files without a library: PCM .wav in, one channel of floats at the rate asked out."""

from __future__ import annotations

import sys
import wave
from array import array

from .failures import Failure

_LIMIT_SECONDS = 600


def read_wav(path: str, rate: int) -> "array[float]":
    """Return the first ten minutes at most as mono samples in [-1, 1] at ``rate`` per second."""
    name = path.rpartition("/")[2]
    try:
        with wave.open(path, "rb") as file:
            channels, width, source_rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            data = file.readframes(min(file.getnframes(), _LIMIT_SECONDS * source_rate))
    except (OSError, EOFError, wave.Error) as error:
        raise Failure("input_failed", "%s is not a PCM .wav file: %s" % (name, error), "input") from error
    return resample(_mono(_samples(data, width, name), channels), source_rate, rate)


def _samples(data: bytes, width: int, name: str) -> "array[float]":
    if width == 1:
        return array("f", [(value - 128) / 128 for value in data])
    if width == 3:
        top = [int.from_bytes(data[at : at + 3], "little", signed=True) for at in range(0, len(data) - 2, 3)]
        return array("f", [value / 8388608 for value in top])
    if width not in (2, 4):
        raise Failure("input_failed", "%s has samples of %d bytes" % (name, width), "input")
    whole = array("h" if width == 2 else "i")
    whole.frombytes(data[: len(data) // width * width])
    if sys.byteorder == "big":
        whole.byteswap()
    scale = float(1 << (8 * width - 1))
    return array("f", [value / scale for value in whole])


def _mono(samples: "array[float]", channels: int) -> "array[float]":
    if channels == 1:
        return samples
    lanes = [samples[lane::channels] for lane in range(channels)]
    return array("f", [sum(values) / channels for values in zip(*lanes)])


def resample(samples: "array[float]", source_rate: int, rate: int) -> "array[float]":
    """Return the samples at another rate: averaged over each new period when it is lower, linear when higher."""
    if source_rate == rate or not samples:
        return samples
    step = source_rate / rate
    count = int(len(samples) / step)
    result = array("f", bytes(4 * count))
    last = len(samples) - 1
    for index in range(count):
        place = index * step
        if step > 1:
            first = int(place)
            span = samples[first : max(first + 1, int(place + step))]
            result[index] = sum(span) / len(span)
        else:
            left = int(place)
            share = place - left
            result[index] = samples[left] * (1 - share) + samples[min(left + 1, last)] * share
    return result
