"""What every runtime does, in the order in which a job calls it.

``import_libraries → open_context → load → place`` is the cold ladder. Then ``items``/``preprocess`` or
``example_inputs`` give the inputs in host memory, and one iteration is
``preprocess → to_device → infer (+ synchronize) → to_host → decode``. ``postprocess`` and ``conclude`` tell people
what the outputs mean and are never timed. A runtime imports its libraries inside its methods only.
"""

from __future__ import annotations

import random
from typing import Any, Dict, List, Optional, Sequence, Tuple, Type

from .. import arrays
from ..arrays import Array
from ..failures import Failure
from ..protocol import Check, InputFile, RunRequest, TensorRecord

Decoded = List[Dict[str, Any]]
Signature = Tuple[List[TensorRecord], List[TensorRecord]]


class Runtime:
    """Base of all runtimes; the defaults are those of a library that computes in host memory.

    ``moves``: inputs and outputs are copied between host and device, so both copies are stages of their own.
    ``prepares``: turning items into inputs belongs to an iteration. ``decodes``: so does :meth:`decode`.
    ``must_explain``: a failure of :meth:`postprocess` fails the job, because it is the user's own code.
    """

    moves = False
    prepares = False
    decodes = False
    must_explain = False

    def __init__(self, request: RunRequest) -> None:
        self.request = request
        self.options = request.options
        self.notes: List[str] = []
        self.checks: List[Check] = []
        self.preprocessing: List[Dict[str, Any]] = []
        self.postprocessing: List[Dict[str, Any]] = []

    @classmethod
    def choose(cls, request: RunRequest) -> "Type[Runtime]":  # noqa: ARG003 - for families
        """Return the class for this request: itself, or one for a family that needs more."""
        return cls

    # The cold ladder.

    def import_libraries(self) -> None:
        """Import what the model needs and set threads and seeds."""

    def open_context(self) -> None:
        """Make the device ready; raises ``device_unavailable`` where it is not there. Nothing on a CPU."""
        if self.request.device != "cpu":
            raise Failure("device_unavailable", "this runtime has no device %s" % self.request.device)

    def load(self) -> None:
        """Read the checkpoint and build the model."""
        raise NotImplementedError

    def place(self) -> None:
        """Move the model to the device and make it ready for inference."""

    # Inputs, in host memory.

    def items(self, files: Sequence[InputFile]) -> List[Any]:
        """Return what the files hold, one entry for each item of a batch: paths, sentences …"""
        return list(files)

    def example_items(self) -> List[Any]:
        """Return items made up for a model that reads text or files; empty where :meth:`example_inputs` is meant."""
        return []

    def preprocess(self, items: Sequence[Any]) -> Any:
        """Return the inputs of one call."""
        return self.tensor_inputs(items)

    def example_inputs(self, batch_size: int) -> Any:
        """Return plausible, seeded inputs of one call."""
        raise Failure("needs_adapter", "no input is known for this model: give --input or an adapter", "input")

    def batches(self, items: Sequence[Any]) -> List[List[Any]]:
        """Return the items of each call: batches of the size asked, the last one filled up from the start.

        Tensors that were given by file are one call: they already have the model's shape.
        """
        if any(isinstance(item, InputFile) and item.kind in ("tensor", "json") for item in items):
            return [list(items)]
        size = max(1, self.request.batch_size)
        groups = [list(items[start : start + size]) for start in range(0, len(items), size)]
        if groups and len(groups[-1]) < size:
            groups[-1] = [groups[-1][index % len(groups[-1])] for index in range(size)]
        return groups

    def tensor_inputs(self, files: Sequence[InputFile]) -> Any:
        """Return the inputs that stand in .npy files; the ``needs_adapter`` failure for other kinds of file."""
        named: Dict[str, Array] = {}
        for index, file in enumerate(files):
            if not isinstance(file, InputFile) or file.kind != "tensor":
                kind = getattr(file, "kind", type(file).__name__)
                raise Failure("needs_adapter", "nobody says how to turn an input of kind %s into tensors" % kind)
            named[file.name or self.input_name(index)] = read_array(file.path)
        return self.of_arrays(named)

    def input_name(self, index: int) -> str:
        """Return the model's name for its input at ``index``."""
        declared = self.signature()[0]
        return declared[index].name if index < len(declared) else "input%d" % index

    def of_arrays(self, named: Dict[str, Array]) -> Any:
        """Return plain arrays as the inputs of one call."""
        return named

    # One iteration.

    def to_device(self, inputs: Any) -> Any:
        """Copy inputs to the device."""
        return inputs

    def infer(self, inputs: Any) -> Any:
        """Run the model once: the timed call. It must not copy more than the model itself does."""
        raise NotImplementedError

    def synchronize(self) -> None:
        """Wait until the device has finished."""

    def to_host(self, outputs: Any) -> Any:
        """Copy outputs to host memory."""
        return outputs

    def decode(self, outputs: Any) -> Any:
        """Turn outputs in host memory into the model's answer; timed as the stage ``postprocess``."""
        return outputs

    def whole_call(self, inputs: Any) -> Any:
        """Return the outputs in host memory of one call that is as the first one, untimed."""
        self.reset()
        outputs = self.infer(self.to_device(inputs))
        self.synchronize()
        return self.to_host(outputs)

    def run_arrays(self, named: Dict[str, Array], like: Any) -> Any:
        """Return the outputs in host memory for plain arrays, untimed; ``like`` are the inputs of a call that ran."""
        return self.whole_call(self.of_arrays(named))

    # Token after token, for models that continue a text.

    def generates(self) -> str:
        """Return "" where :meth:`prefill` and :meth:`advance` work, else why the model does not continue a text."""
        return "the model does not continue a text token by token"

    def prompt_tokens(self, inputs: Any) -> int:
        """Return how many tokens the prompts of one call have together."""
        raise NotImplementedError

    def token_room(self, inputs: Any) -> int:
        """Return how many tokens there is room for behind the prompt."""
        raise NotImplementedError

    def prefill(self, inputs: Any) -> Any:
        """Read the prompts on the device and return the state that ends with the first new token, the likeliest."""
        raise NotImplementedError

    def advance(self, state: Any) -> Any:
        """Return the state after one token more; the device has to have finished it."""
        raise NotImplementedError

    def chosen(self, state: Any) -> List[int]:
        """Return the token that the state ends with, one for each prompt."""
        raise NotImplementedError

    # Training, of which most runtimes know nothing.

    def place_to_train(self) -> None:
        """Move the model to the device and make it ready for training."""
        raise Failure("unsupported", "this runtime is for inference only, so there is nothing to train", "train")

    def trainer(self, inputs: Any) -> Any:
        """Return what does one training step on these inputs; see harness/training.py."""
        raise Failure("unsupported", "this runtime is for inference only, so there is nothing to train", "train")

    # Around it.

    def close(self) -> None:
        """Let go of the model."""
        for name in ("model", "session", "compiled", "call", "interpreter"):
            if name in vars(self):
                delattr(self, name)

    def event_times(self, inputs: Any, seconds: float) -> List[int]:
        """Return calls by the device's own clock in nanoseconds, for about so long; empty where it has none."""
        return []

    def reset(self) -> None:
        """Make the next call equal to the first one: seeds, recurrent state."""
        random.seed(self.request.seed)

    def signature(self) -> Signature:
        """Return the declared inputs and outputs; empty where the model declares none."""
        return [], []

    def item_count(self, inputs: Any) -> int:
        """Return how many items one call processes."""
        return max(1, self.request.batch_size)

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Return what the outputs of one call mean, for people; may write files to ``out_dir``."""
        return []

    def conclude(self, out_dir: str) -> Decoded:
        """Return what all calls together mean."""
        return []

    def effective(self) -> Dict[str, Any]:
        """Return what really was: device, precision, threads, versions, providers …"""
        return {"device": "cpu", "precision": self.request.precision, "threads": self.request.threads or None}

    def device_check(self) -> Optional[Check]:
        """Return the proof that the device asked for did the work; None where the CPU was asked."""
        return None

    def device_memory(self) -> Dict[str, Any]:
        """Return the device's memory figures in bytes; empty on a CPU."""
        return {}

    # For subclasses.

    def note(self, text: str) -> None:
        """Keep a remark for the report, once."""
        if text not in self.notes:
            self.notes.append(text)

    def step(self, kind: str, name: str, parameters: Dict[str, Any], status: str, source: str) -> None:
        """Declare one step of ``preprocessing`` or ``postprocessing``, once."""
        steps = self.preprocessing if kind == "preprocessing" else self.postprocessing
        entry = {"step": name, "parameters": parameters, "status": status, "source": source}
        if entry not in steps:
            steps.append(entry)

    def labels(self) -> List[str]:
        """Return the class names that the host knows, or an empty list."""
        return [str(label) for label in self.options.get("labels") or []]

    def class_names(self) -> List[str]:
        """Return the names of the model's classes as far as anybody knows them."""
        return self.labels()

    def arguments(self) -> Dict[str, Any]:
        """Return the constructor arguments that the host derived."""
        return dict(self.options.get("arguments") or {})


def read_array(path: str) -> Array:
    """Return the array of a .npy file; the ``input_failed`` failure where it is none."""
    try:
        return arrays.load(path)
    except (OSError, ValueError, SyntaxError) as error:
        raise Failure("input_failed", "%s: %s" % (path.rpartition("/")[2], error), "input") from error
