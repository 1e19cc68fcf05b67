"""OpenVINO: an IR graph compiled for the CPU, with the threads and the precision that were asked for."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .. import examples
from ..arrays import Array
from ..failures import Failure
from ..protocol import Check, TensorRecord
from .base import Runtime, Signature

DTYPES = {"f16": "float16", "f32": "float32", "f64": "float64", "boolean": "bool"}
"""OpenVINO's name of an element type -> numpy's; integers are regular: i8 -> int8, u16 -> uint16."""

PRECISIONS = {"fp32": "f32", "auto": "f32", "fp16": "f16", "bf16": "bf16"}


class OpenVino(Runtime):
    """``options["inputs"]`` may give sizes for open dimensions."""

    def import_libraries(self) -> None:
        """Import openvino and numpy."""
        import numpy as np
        import openvino

        self.numpy = np
        self.openvino = openvino

    def open_context(self) -> None:
        """Start the library; GPUs and NPUs of Intel are no device of dnnbox yet."""
        super().open_context()
        self.core = self.openvino.Core()

    def load(self) -> None:
        """Read the graph and compile it. Without the hint OpenVINO takes bf16 by itself where the CPU has it."""
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": PRECISIONS[self.request.precision]}
        if self.request.threads > 0:
            settings["INFERENCE_NUM_THREADS"] = str(self.request.threads)
        self.model = self.core.read_model(self.request.checkpoint)
        self.compiled = self.core.compile_model(self.model, "CPU", settings)
        got = str(self.compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
        if got != settings["INFERENCE_PRECISION_HINT"]:
            text = "asked for %s, this processor's plugin computes in %s"
            raise Failure("unsupported", text % (self.request.precision, got))
        self.call = self.compiled.create_infer_request()
        self.input_records = [_record(port, "input%d" % place) for place, port in enumerate(self.model.inputs)]
        self.output_records = [_record(port, "output%d" % place) for place, port in enumerate(self.model.outputs)]

    def signature(self) -> Signature:
        """Return what the graph declares."""
        return self.input_records, self.output_records

    def example_inputs(self, batch_size: int) -> Any:
        """Return inputs of the declared types, with open dimensions filled in from hints and names."""
        hints = {str(hint.get("name", "")): hint.get("shape") or () for hint in self.options.get("inputs") or []}
        for record in self.input_records:
            fixed = record.shape[0] if len(record.shape) > 1 else None
            if batch_size > 1 and isinstance(fixed, int) and fixed != batch_size:
                text = "the batch of input %s is fixed at %d, asked for %d"
                raise Failure("unsupported", text % (record.name, fixed, batch_size), "input")
        shapes = examples.resolve({record.name: record.shape for record in self.input_records}, batch_size, hints)
        made = {}
        for record in self.input_records:
            name, seed = record.name, self.request.seed
            made[name] = examples.tensor(name, record.dtype, shapes[name], seed, examples.DEFAULT_VOCABULARY)
        return self.of_arrays(made)

    def of_arrays(self, named: Dict[str, Array]) -> Any:
        """Return numpy arrays by the place of their input; a name that the graph lacks is an error."""
        places = {record.name: place for place, record in enumerate(self.input_records)}
        unknown = sorted(set(named) - set(places))
        if unknown:
            raise Failure("input_failed", "the graph has no input %s" % unknown[0], "input")
        return {places[name]: self._numpy(array) for name, array in named.items()}

    def _numpy(self, array: Array) -> Any:
        return self.numpy.frombuffer(bytes(array.data), dtype=array.dtype).reshape(array.shape)

    def infer(self, inputs: Any) -> Any:
        """Run the graph once; inputs are read where they lie."""
        self.call.infer(inputs, share_inputs=True)
        return self.call

    def to_host(self, outputs: Any) -> Any:
        """Return copies of the outputs by name: the next call writes to the same memory."""
        names = enumerate(self.output_records)
        return {record.name: outputs.get_output_tensor(place).data.copy() for place, record in names}

    def item_count(self, inputs: Any) -> int:
        """Return the first dimension of the first input that has more than one."""
        for value in inputs.values():
            if getattr(value, "ndim", 0) > 1 and self.request.batch_size > 1:
                return int(value.shape[0])
        return max(1, self.request.batch_size)

    def effective(self) -> Dict[str, Any]:
        """Return the settings that the compiled graph says it has."""
        kind = str(self.compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
        names = {value: key for key, value in PRECISIONS.items() if key != "auto"}
        return {
            "device": "cpu",
            "precision": names.get(kind, kind),
            "threads": int(self.compiled.get_property("INFERENCE_NUM_THREADS")),
            "threads_source": "set" if self.request.threads else "default: one per core",
            "execution_devices": self._devices(),
            "openvino": str(self.openvino.__version__),
        }

    def _devices(self) -> List[str]:
        return [str(name) for name in self.compiled.get_property("EXECUTION_DEVICES")]

    def device_check(self) -> Optional[Check]:
        """Return whether the graph runs on the CPU and nowhere else."""
        got = self._devices()
        return Check("device", got == ["CPU"], "execution devices: %s" % ", ".join(got))


def _record(port: Any, unnamed: str) -> TensorRecord:
    name = port.get_any_name() if port.get_names() else unnamed
    kind = str(port.element_type.get_type_name())
    dtype = DTYPES.get(kind) or kind.replace("bf", "bfloat").replace("i", "int").replace("u", "uint")
    shape = [
        "%s_dim%d" % (name, place) if size.is_dynamic else int(size.get_length())
        for place, size in enumerate(port.partial_shape)
    ]
    return TensorRecord(name, dtype, shape, "declared", "model header")
