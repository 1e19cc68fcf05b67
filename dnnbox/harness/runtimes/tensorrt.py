"""TensorRT engines: a plan is native code for one version of TensorRT and one GPU. Torch holds the tensors.

Written after the documentation of TensorRT 10 and 11 and tested against a stand-in only: never run on a GPU.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .. import examples
from ..failures import Failure
from ..protocol import Check, TensorRecord
from .base import Signature
from .torch_base import TorchRuntime

PREFIX_LIMIT = 1 << 20


class TensorRt(TorchRuntime):
    """Open dimensions take the sizes of the first optimisation profile, but for the batch that was asked for."""

    def import_libraries(self) -> None:
        """Import torch and TensorRT."""
        super().import_libraries()
        import tensorrt

        self.trt = tensorrt

    def open_context(self) -> None:
        """There is no TensorRT without a GPU."""
        if not self.request.device.startswith("cuda"):
            text = "a TensorRT engine needs an NVIDIA GPU, asked for %s"
            raise Failure("device_unavailable", text % self.request.device)
        super().open_context()

    def load(self) -> None:
        """Deserialise; TensorRT answers None for an engine of another version or another GPU."""
        if self.request.precision not in ("fp32", "auto"):
            raise Failure("unsupported", "an engine has its precision built in; build it anew", "load")
        with open(self.request.checkpoint, "rb") as file:
            plan = _without_prefix(file.read())
        self.runtime = self.trt.Runtime(self.trt.Logger(self.trt.Logger.ERROR))
        self.engine = self.runtime.deserialize_cuda_engine(plan)
        if self.engine is None:
            text = "TensorRT %s does not take this engine: it was built by another version or for another GPU"
            raise Failure("load_failed", text % self.trt.__version__, "load")
        self.context = self.engine.create_execution_context()
        names = [self.engine.get_tensor_name(place) for place in range(self.engine.num_io_tensors)]
        taken = self.trt.TensorIOMode.INPUT
        self.input_names = [name for name in names if self.engine.get_tensor_mode(name) == taken]
        self.output_names = [name for name in names if name not in self.input_names]

    def place(self) -> None:
        """Make the stream; the engine's weights are on the GPU already."""
        self.stream = self.torch.cuda.Stream(self.device)

    def signature(self) -> Signature:
        """Return what the engine declares."""
        return [self._record(name) for name in self.input_names], [self._record(name) for name in self.output_names]

    def _record(self, name: str) -> TensorRecord:
        shape: List[Any] = [
            size if size >= 0 else "%s_dim%d" % (name, axis)
            for axis, size in enumerate(self.engine.get_tensor_shape(name))
        ]
        return TensorRecord(name, self._dtype(name), shape, "declared", "engine")

    def _dtype(self, name: str) -> str:
        return str(self.trt.nptype(self.engine.get_tensor_dtype(name)).__name__)

    def example_inputs(self, batch_size: int) -> Any:
        """Return inputs of the sizes that the engine was optimised for."""
        made = {}
        for name in self.input_names:
            shape = [int(size) for size in self.engine.get_tensor_shape(name)]
            if any(size < 0 for size in shape):
                best = [int(size) for size in self.engine.get_tensor_profile_shape(name, 0)[1]]
                open_batch = shape[0] < 0
                shape = [size if size >= 0 else usual for size, usual in zip(shape, best)]
                shape[0] = batch_size if open_batch else shape[0]
            if batch_size > 1 and shape[:1] != [batch_size]:
                text = "the batch of input %s is fixed at %d, asked for %d"
                raise Failure("unsupported", text % (name, shape[0] if shape else 0, batch_size), "input")
            made[name] = examples.tensor(name, self._dtype(name), shape, self.request.seed)
        return self.of_arrays(made)

    def infer(self, inputs: Any) -> Any:
        """Bind and enqueue; outputs are allocated for the shapes that follow from the inputs."""
        for name, tensor in inputs.items():
            self.context.set_input_shape(name, tuple(tensor.shape))
            self.context.set_tensor_address(name, tensor.data_ptr())
        made = {}
        for name in self.output_names:
            shape = tuple(int(size) for size in self.context.get_tensor_shape(name))
            made[name] = self.torch.empty(shape, dtype=getattr(self.torch, self._dtype(name)), device=self.device)
            self.context.set_tensor_address(name, made[name].data_ptr())
        if not self.context.execute_async_v3(self.stream.cuda_stream):
            raise Failure("infer_failed", "TensorRT refused to run the engine", "infer")
        return made

    def effective(self) -> Dict[str, Any]:
        """Return the device and TensorRT's version; precisions of single layers are the builder's choice."""
        return {
            "device": str(self.device),
            "precision": "built in",
            "threads": None,
            "tensorrt": str(self.trt.__version__),
            "device_name": self.torch.cuda.get_device_name(self.device),
        }

    def device_check(self) -> Optional[Check]:
        """An engine runs on its GPU or not at all."""
        return Check("device", True, "an engine has no other device than %s" % self.device)


def _without_prefix(data: bytes) -> bytes:
    """Return the plan itself: ultralytics writes a JSON text and its length before it."""
    length = int.from_bytes(data[:4], "little")
    if data[4:5] == b"{" and 2 <= length <= PREFIX_LIMIT:
        return data[4 + length :]
    return data
