"""Voice activity detection frame by frame, as the silero-vad models want it: recurrent state, and a little context.

The timed call is one frame; the answer is the speech segments of the whole file. Constants (16 kHz: 512 samples and
64 of context, 8 kHz: 256 and 32; state [2, N, 128]) are those of the silero-vad package, version 5 and 6.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Dict, List, Sequence

from .. import examples, sound
from ..arrays import Array
from ..failures import Failure
from ..protocol import InputFile
from .base import Decoded, Runtime
from .onnxruntime import OnnxRuntime
from .torchscript import TorchScript

if TYPE_CHECKING:
    from array import array

THRESHOLD = 0.5
MERGE_S = 0.1
SHORTEST_S = 0.25
EXAMPLE_SECONDS = 3


class VoiceActivity(Runtime):
    """What both forms of the model share. ``sound`` is one recording; the frames go round when they end."""

    prepares = False

    def _configure(self) -> None:
        arguments = self.arguments()
        self.rate = int(arguments.get("sample_rate", 16000))
        self.window = int(arguments.get("window", 512 if self.rate == 16000 else 256))
        self.context = int(arguments.get("context", 64 if self.rate == 16000 else 32))
        self.size = max(1, self.request.batch_size)
        self.position = 0
        self.frames: List[Any] = []
        self.seconds = 0.0

    def batches(self, items: Sequence[Any]) -> List[List[Any]]:
        """Return every recording on its own; a batch is the same recording several times."""
        return [[item] for item in items]

    def example_inputs(self, batch_size: int) -> Any:
        """Return the first frame of made-up speech."""
        return self._feed(examples.speech(EXAMPLE_SECONDS * self.rate, self.rate, self.request.seed))

    def preprocess(self, items: Sequence[InputFile]) -> Any:
        """Return the first frame of a .wav file; the others wait."""
        if items[0].kind != "audio":
            raise Failure("input_failed", "voice detection needs a .wav file, not %s" % items[0].kind, "input")
        self.step("preprocessing", "resample", {"rate": self.rate, "channels": 1}, "declared", "silero-vad")
        parameters = {"window": self.window, "context": self.context, "unit": "samples"}
        self.step("preprocessing", "frame", parameters, "declared", "silero-vad")
        return self._feed(sound.read_wav(items[0].path, self.rate))

    def _feed(self, samples: "array[float]") -> Any:
        self.seconds = len(samples) / self.rate
        tail = -len(samples) % self.window
        padded = list(samples) + [0.0] * tail
        if not padded:
            raise Failure("input_failed", "the recording is empty", "input")
        self.frames = [self.frame(padded, start) for start in range(0, len(padded), self.window)]
        self.reset()
        return self.first_inputs()

    def frame(self, samples: List[float], start: int) -> Any:
        """Return the samples of one frame as the library's tensor [batch, samples]."""
        raise NotImplementedError

    def first_inputs(self) -> Any:
        """Return the inputs of the first frame, named as the model names them."""
        raise NotImplementedError

    def probability(self, outputs: Any) -> float:
        """Return the probability of speech for the first item of a batch."""
        raise NotImplementedError

    def next_frame(self) -> Any:
        """Return the frame that is due, and go on to the next; after the last comes the first."""
        frame = self.frames[self.position]
        self.position = (self.position + 1) % len(self.frames)
        return frame

    def reset(self) -> None:
        """Go back to the first frame and forget what was heard."""
        super().reset()
        self.position = 0

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Return the speech segments of the whole recording; the probabilities go to a file."""
        self.reset()
        inputs = self.first_inputs()
        chances = [self.probability(self.infer(inputs)) for _ in self.frames]
        name = os.path.basename(items[0].path) if items else "made-up speech"
        parameters = {"threshold": THRESHOLD, "merge_gap_s": MERGE_S, "shortest_s": SHORTEST_S}
        self.step("postprocessing", "segments", parameters, "assumed", "dnnbox")
        path = os.path.join(out_dir, "speech_probability_%d.json" % len(os.listdir(out_dir)))
        with open(path, "w", encoding="utf-8") as file:
            rounded = [round(chance, 4) for chance in chances]
            json.dump({"source": name, "frame_s": self.window / self.rate, "probability": rounded}, file)
        segments = speech_segments(chances, self.window / self.rate)
        return [
            {
                "kind": "speech-segments",
                "source": name,
                "duration_s": round(self.seconds, 3),
                "frames": len(chances),
                "speech_s": round(sum(entry["end_s"] - entry["start_s"] for entry in segments), 3),
                "segments": segments,
            }
        ]


def speech_segments(chances: Sequence[float], frame_s: float) -> List[Dict[str, Any]]:
    """Return stretches whose probability is at least the threshold; short gaps are closed, short stretches dropped."""
    spans: List[List[int]] = []
    for index, chance in enumerate(chances):
        if chance < THRESHOLD:
            continue
        if spans and (index - spans[-1][1]) * frame_s <= MERGE_S:
            spans[-1][1] = index + 1
        else:
            spans.append([index, index + 1])
    kept = [span for span in spans if (span[1] - span[0]) * frame_s >= SHORTEST_S]
    return [
        {
            "start_s": round(first * frame_s, 3),
            "end_s": round(last * frame_s, 3),
            "probability": round(sum(chances[first:last]) / (last - first), 4),
        }
        for first, last in kept
    ]


class SileroOnnx(VoiceActivity, OnnxRuntime):
    """The ONNX form: state in and out by name, context put before each window here."""

    def load(self) -> None:
        """Open the session and find the tensors by their roles."""
        super().load()
        self._configure()
        names = [field.name for field in self.session.get_inputs()]
        if "input" not in names or "state" not in names:
            raise Failure("unsupported", "this silero-vad file has inputs %s; input and state are needed" % names)
        self.takes_rate = "sr" in names

    def frame(self, samples: List[float], start: int) -> Any:
        """Return context and window, float32 [batch, context + window]."""
        before = [0.0] * max(0, self.context - start) + samples[max(0, start - self.context) : start]
        row = self.numpy.array(before + samples[start : start + self.window], dtype="float32")
        return self.numpy.repeat(row[None], self.size, axis=0)

    def first_inputs(self) -> Any:
        """Return frame, state and rate."""
        inputs = {"input": self.frames[0], "state": self.numpy.zeros((2, self.size, 128), dtype="float32")}
        if self.takes_rate:
            inputs["sr"] = self.numpy.array(self.rate, dtype="int64")
        return inputs

    def reset(self) -> None:
        """Forget the recurrent state."""
        super().reset()
        if self.frames:
            self.feed = self.first_inputs()

    def infer(self, inputs: Any) -> Any:
        """Hear one frame."""
        feed = self.feed
        feed["input"] = self.next_frame()
        chance, state = self.session.run(None, feed)
        feed["state"] = state
        return {"output": chance, "stateN": state}

    def to_device(self, inputs: Any) -> Any:
        """Nothing moves before the call: the session takes host memory."""
        return inputs

    def to_host(self, outputs: Any) -> Any:
        """Nothing moves after it."""
        return outputs

    def run_arrays(self, named: Dict[str, Array], like: Any) -> Any:
        """Hear one frame that was given, with the state that was given."""
        return dict(zip(self.output_names, self.session.run(None, self.of_arrays(named))))

    def probability(self, outputs: Any) -> float:
        """Return the first probability."""
        return float(outputs["output"].reshape(-1)[0])


class SileroScript(VoiceActivity, TorchScript):
    """The TorchScript form: it keeps state and context itself, and takes bare windows."""

    def load(self) -> None:
        """Load the module."""
        super().load()
        self._configure()

    def frame(self, samples: List[float], start: int) -> Any:
        """Return one window, float32 [batch, window]."""
        row = self.tensor(Array("float32", (1, self.window), examples.pack("float32", samples[start:][: self.window])))
        return row.repeat(self.size, 1).to(self.device)

    def first_inputs(self) -> Any:
        """Return the window; the rate is a plain number beside it."""
        return {"x": self.frames[0]}

    def reset(self) -> None:
        """Forget the state inside the module."""
        super().reset()
        if hasattr(self.model, "reset_states"):
            self.model.reset_states()

    def infer(self, inputs: Any) -> Any:
        """Hear one frame."""
        return {"output": self.model(self.next_frame(), self.rate)}

    def run_arrays(self, named: Dict[str, Array], like: Any) -> Any:
        """Hear one frame that was given."""
        self.reset()
        return {"output": self.model(*self.of_arrays(named).values(), self.rate)}

    def probability(self, outputs: Any) -> float:
        """Return the first probability."""
        return float(outputs["output"].reshape(-1)[0])
