"""LiteRT (TensorFlow Lite): a flatbuffer interpreted on the CPU, with the library's own XNNPACK kernels."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .. import examples
from ..arrays import Array
from ..failures import Failure
from ..protocol import Check, TensorRecord
from .base import Runtime, Signature


class LiteRt(Runtime):
    """``options["inputs"]`` may give sizes for open dimensions."""

    def import_libraries(self) -> None:
        """Import the interpreter and numpy."""
        import numpy as np
        from ai_edge_litert import interpreter

        self.numpy = np
        self.litert = interpreter

    def load(self) -> None:
        """Read the model; memory is laid out when the sizes of the inputs are known."""
        if self.request.precision not in ("fp32", "auto"):
            text = "a .tflite file has its precision built in; convert the file to get %s"
            raise Failure("unsupported", text % self.request.precision)
        threads = self.request.threads or None
        self.model = self.litert.Interpreter(model_path=self.request.checkpoint, num_threads=threads)
        self.model.allocate_tensors()
        self.inputs = self.model.get_input_details()
        self.outputs = self.model.get_output_details()

    def signature(self) -> Signature:
        """Return what the file declares."""
        return [self._record(entry) for entry in self.inputs], [self._record(entry) for entry in self.outputs]

    def _record(self, entry: Dict[str, Any]) -> TensorRecord:
        name, declared = str(entry["name"]), entry["shape_signature"]
        sizes = [int(size) for size in (declared if len(declared) else entry["shape"])]
        shape = ["%s_dim%d" % (name, place) if size < 0 else size for place, size in enumerate(sizes)]
        return TensorRecord(name, self.numpy.dtype(entry["dtype"]).name, shape, "declared", "model header")

    def example_inputs(self, batch_size: int) -> Any:
        """Return inputs of the declared types; the batch may change where the first dimension is open or 1."""
        hints = {str(hint.get("name", "")): hint.get("shape") or () for hint in self.options.get("inputs") or []}
        records = self.signature()[0]
        shapes = examples.resolve({record.name: record.shape for record in records}, batch_size, hints)
        made = {}
        for record in records:
            fixed = record.shape[0] if len(record.shape) > 1 else None
            if batch_size > 1 and isinstance(fixed, int) and fixed != batch_size:
                text = "the batch of input %s is fixed at %d, asked for %d"
                raise Failure("unsupported", text % (record.name, fixed, batch_size), "input")
            name, seed = record.name, self.request.seed
            made[name] = examples.tensor(name, record.dtype, shapes[name], seed, examples.DEFAULT_VOCABULARY)
        return self.of_arrays(made)

    def of_arrays(self, named: Dict[str, Array]) -> Any:
        """Return numpy arrays by the index of their tensor; a name that the model lacks is an error."""
        places = {str(entry["name"]): int(entry["index"]) for entry in self.inputs}
        unknown = sorted(set(named) - set(places))
        if unknown:
            raise Failure("input_failed", "the model has no input %s" % unknown[0], "input")
        return {places[name]: self._numpy(array) for name, array in named.items()}

    def _numpy(self, array: Array) -> Any:
        return self.numpy.frombuffer(bytes(array.data), dtype=array.dtype).reshape(array.shape)

    def infer(self, inputs: Any) -> Any:
        """Copy the inputs in and run once: the library offers no way around that copy."""
        for index, value in inputs.items():
            self._resize(index, value.shape)
            self.model.set_tensor(index, value)
        self.model.invoke()
        return self.model

    def _resize(self, index: int, shape: Any) -> None:
        current = next(entry for entry in self.inputs if entry["index"] == index)
        if tuple(current["shape"]) != tuple(shape):
            self.model.resize_tensor_input(index, list(shape))
            self.model.allocate_tensors()
            self.inputs = self.model.get_input_details()

    def to_host(self, outputs: Any) -> Any:
        """Return copies of the outputs by name."""
        return {str(entry["name"]): outputs.get_tensor(entry["index"]) for entry in self.outputs}

    def item_count(self, inputs: Any) -> int:
        """Return the first dimension of the first input that has more than one."""
        for value in inputs.values():
            if getattr(value, "ndim", 0) > 1 and self.request.batch_size > 1:
                return int(value.shape[0])
        return max(1, self.request.batch_size)

    def effective(self) -> Dict[str, Any]:
        """Return what was asked: the library does not tell its threads."""
        types: List[str] = sorted({record.dtype for record in self.signature()[0]})
        return {
            "device": "cpu",
            "precision": "fp32" if types == ["float32"] else self.request.precision.replace("auto", "fp32"),
            "input_types": types,
            "threads": self.request.threads or None,
            "threads_source": "set" if self.request.threads else "default of the library",
        }

    def device_check(self) -> Optional[Check]:
        """Return None: this interpreter has no other device than the CPU."""
        return None
