"""OpenVINO: an IR graph compiled for the CPU, with the threads and the precision that were asked for."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ..arrays import Array
from ..failures import Failure
from ..protocol import Check, TensorRecord
from .declared import DeclaredRuntime

DTYPES = {"f16": "float16", "f32": "float32", "f64": "float64", "boolean": "bool"}
"""OpenVINO's name of an element type -> numpy's; integers are regular: i8 -> int8, u16 -> uint16."""

PRECISIONS = {"fp32": "f32", "auto": "f32", "fp16": "f16", "bf16": "bf16"}


class OpenVino(DeclaredRuntime):
    """``options["inputs"]`` may give sizes for open dimensions."""

    tells_inputs = True
    counts = False  # whether the compiled graph counts the time of its nodes

    def import_libraries(self) -> None:
        """Import openvino and numpy."""
        super().import_libraries()
        import openvino

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
        if self.counts:
            settings["PERF_COUNT"] = "YES"
        self.model = self.core.read_model(self.request.checkpoint)
        self.compiled = self.core.compile_model(self.model, "CPU", settings)
        got = str(self.compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
        if got != settings["INFERENCE_PRECISION_HINT"]:
            text = "asked for %s, this processor's plugin computes in %s"
            raise Failure("unsupported", text % (self.request.precision, got))
        self.call = self.compiled.create_infer_request()
        self.input_records = [_record(port, "input%d" % place) for place, port in enumerate(self.model.inputs)]
        self.output_records = [_record(port, "output%d" % place) for place, port in enumerate(self.model.outputs)]

    def of_arrays(self, named: Dict[str, Array]) -> Any:
        """Return numpy arrays by the place of their input; a name that the graph lacks is an error."""
        places = {record.name: place for place, record in enumerate(self.input_records)}
        return {places[name]: value for name, value in super().of_arrays(named).items()}

    def infer(self, inputs: Any) -> Any:
        """Run the graph once; inputs are read where they lie."""
        self.call.infer(inputs, share_inputs=True)
        return self.call

    def to_host(self, outputs: Any) -> Any:
        """Return copies of the outputs by name: the next call writes to the same memory."""
        names = enumerate(self.output_records)
        return {record.name: outputs.get_output_tensor(place).data.copy() for place, record in names}

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
