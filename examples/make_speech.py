"""Makes speech.wav: two spoken sentences with silence before, between and after; 16 kHz, mono, 16 bit.

    python examples/make_speech.py        (needs the program espeak-ng; the result is kept in git)

espeak-ng speaks at 22.05 kHz. The resampler is a windowed sinc in plain Python: slow, but a few seconds of audio
are all it is asked for, and the file comes out the same on every machine with the same espeak-ng.
"""

from __future__ import annotations

import array
import io
import math
import subprocess
import wave
from pathlib import Path

RATE = 16_000
SENTENCES = ("The model listens to this sentence.", "Then it is quiet again.")
SILENCE_S = (0.6, 0.9, 0.6)
HALF_WIDTH = 16  # input samples on each side of the sinc kernel


def speak(text: str) -> tuple[list[float], int]:
    """Return the spoken text as samples in [-1, 1] and their rate in Hz."""
    command = ["espeak-ng", "-v", "en-gb", "-s", "165", "--stdout", text]
    spoken = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        rate = file.getframerate()
        # espeak-ng streams, so the header's length is a placeholder: take what is there.
        samples = array.array("h", spoken[44 : len(spoken) - len(spoken) % 2])
    return [sample / 32768 for sample in samples], rate


def resample(samples: list[float], rate: int, target: int) -> list[float]:
    """Return the samples at another rate (Hz), low-passed below both Nyquist frequencies."""
    cutoff = min(1.0, target / rate) * 0.95
    reach = HALF_WIDTH / cutoff
    result = []
    for n in range(int(len(samples) * target / rate)):
        centre = n * rate / target
        first, last = max(0, math.ceil(centre - reach)), min(len(samples) - 1, math.floor(centre + reach))
        result.append(sum(samples[i] * _kernel(i - centre, cutoff, reach) for i in range(first, last + 1)))
    return result


def _kernel(distance: float, cutoff: float, reach: float) -> float:
    """A sinc under a Hann window."""
    window = 0.5 + 0.5 * math.cos(math.pi * distance / reach)
    angle = math.pi * distance * cutoff
    return cutoff * window * (math.sin(angle) / angle if angle else 1.0)


def main() -> None:
    """Write speech.wav beside this script."""
    sound = [0.0] * int(SILENCE_S[0] * RATE)
    for sentence, pause_s in zip(SENTENCES, SILENCE_S[1:], strict=True):
        sound += resample(*speak(sentence), RATE) + [0.0] * int(pause_s * RATE)
    samples = array.array("h", (round(max(-1.0, min(1.0, value)) * 32767) for value in sound))
    with wave.open(str(Path(__file__).with_name("speech.wav")), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


if __name__ == "__main__":
    main()
