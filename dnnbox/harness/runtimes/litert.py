"""LiteRT (TensorFlow Lite): a flatbuffer interpreted on the CPU, with the library's own XNNPACK kernels."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ..arrays import Array
from ..protocol import Check, TensorRecord
from .declared import DeclaredRuntime


class LiteRt(DeclaredRuntime):
    """``options["inputs"]`` may give sizes for open dimensions."""

    tells_inputs = True

    def import_libraries(self) -> None:
        """Import the interpreter and numpy."""
        super().import_libraries()
        from ai_edge_litert import interpreter

        self.litert = interpreter

    def load(self) -> None:
        """Read the model; memory is laid out when the sizes of the inputs are known."""
        self.refuse_precision("a .tflite file")
        threads = self.request.threads or None
        self.model = self.litert.Interpreter(model_path=self.request.checkpoint, num_threads=threads)
        self.model.allocate_tensors()
        self.inputs = self.model.get_input_details()
        self.outputs = self.model.get_output_details()
        self.input_records = [self._record(entry) for entry in self.inputs]
        self.output_records = [self._record(entry) for entry in self.outputs]

    def _record(self, entry: Dict[str, Any]) -> TensorRecord:
        name, declared = str(entry["name"]), entry["shape_signature"]
        sizes = [int(size) for size in (declared if len(declared) else entry["shape"])]
        shape = ["%s_dim%d" % (name, place) if size < 0 else size for place, size in enumerate(sizes)]
        return TensorRecord(name, self.numpy.dtype(entry["dtype"]).name, shape, "declared", "model header")

    def of_arrays(self, named: Dict[str, Array]) -> Any:
        """Return numpy arrays by the index of their tensor; a name that the model lacks is an error."""
        places = {str(entry["name"]): int(entry["index"]) for entry in self.inputs}
        return {places[name]: value for name, value in super().of_arrays(named).items()}

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

    def effective(self) -> Dict[str, Any]:
        """Return what was asked: the library does not tell its threads."""
        types = sorted({record.dtype for record in self.input_records})
        asked = self.request.precision.replace("auto", "fp32")
        return self.facts(precision="fp32" if types == ["float32"] else asked, input_types=types)

    def device_check(self) -> Optional[Check]:
        """Return None: this interpreter has no other device than the CPU."""
        return None
