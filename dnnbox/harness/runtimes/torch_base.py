"""What all torch runtimes share: threads, seeds, devices, precision, copies and the proof that the device worked."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from .. import trees
from ..arrays import Array
from ..failures import Failure
from ..protocol import Check, TensorRecord
from ..states.loading import cast
from .base import Runtime, Signature

HALF = {"fp16": "float16", "bf16": "bfloat16"}
NAMES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float64": "fp64"}


class TorchRuntime(Runtime):
    """Base of the torch runtimes. Inputs are a dict of tensors, passed by name or in order (``by_name``).

    ``casts``: precision is had by casting the weights; else by autocast around the call.
    """

    by_name = False
    casts = True
    assumed_inputs: Sequence[TensorRecord] = ()

    @property
    def moves(self) -> bool:  # type: ignore[override]
        """On a device the copies are stages of their own."""
        return self.request.device != "cpu"

    def import_libraries(self) -> None:
        """Import torch and set its threads and seeds."""
        import torch

        self.torch = torch
        self.model: Any = None
        if self.request.threads > 0:
            torch.set_num_threads(self.request.threads)
        torch.manual_seed(self.request.seed)

    def open_context(self) -> None:
        """Make the device ready, or say why it is not there."""
        kind, _, index = self.request.device.partition(":")
        if kind == "cpu":
            self.device = self.torch.device("cpu")
        elif kind in ("cuda", "rocm"):
            self._open_gpu(int(index or 0))
        elif kind == "mps" and self.torch.backends.mps.is_available():
            self.device = self.torch.device("mps")
        else:
            text = "torch %s has no device %s here"
            raise Failure("device_unavailable", text % (self.torch.__version__, self.request.device))

    def _open_gpu(self, index: int) -> None:
        torch = self.torch
        if not torch.cuda.is_available():
            built = torch.version.cuda or getattr(torch.version, "hip", None)
            reason = "built for %s, but no GPU answers" % built if built else "built without GPU support"
            raise Failure("device_unavailable", "torch %s is %s" % (torch.__version__, reason))
        if index >= torch.cuda.device_count():
            text = "GPU %d was asked for, there are %d"
            raise Failure("device_unavailable", text % (index, torch.cuda.device_count()))
        self.device = torch.device("cuda", index)
        torch.cuda.set_device(self.device)
        torch.zeros(1, device=self.device)
        torch.cuda.synchronize()

    def place(self) -> None:
        """Set inference mode and precision, and move the model."""
        self._set_precision()
        self._move()
        modes = [self.torch.inference_mode()]
        if not self.casts and self.request.precision in HALF:
            dtype = getattr(self.torch, HALF[self.request.precision])
            modes.append(self.torch.autocast(self.device.type, dtype=dtype))
        # Entered once for the whole process, because entering them in each call would be timed. They end when
        # they are collected, so they are kept.
        self.modes = modes
        for mode in modes:
            mode.__enter__()

    def place_to_train(self) -> None:
        """Move the model in training mode; nothing is switched off."""
        self._set_precision()
        self._move()
        self.modes = []

    def trainer(self, inputs: Any) -> Any:
        """Return a trainer over all outputs."""
        from .. import training

        if not any(weight.requires_grad for weight in self.parameters()):
            raise Failure("unsupported", "no weight of this file takes a gradient", "train")
        placed = self.to_device(inputs)
        return training.trainer_of(self.torch, self.model, lambda: self.infer(placed), self.request.seed)

    def _set_precision(self) -> None:
        precision = self.request.precision
        if precision not in ("auto", "fp32", *HALF):
            raise Failure("unsupported", "precision %s" % precision)
        if not self.casts or precision == "auto":
            return
        wanted = getattr(self.torch, HALF.get(precision, "float32"))
        stored = {p.dtype for p in self.model.parameters() if p.dtype.is_floating_point}
        if stored - {wanted}:
            if precision == "fp32":
                names = sorted(str(dtype).rpartition(".")[2] for dtype in stored)
                self.note("weights are stored as %s and were widened to float32" % ", ".join(names))
            cast(self.model, wanted)

    def _move(self) -> None:
        self.model.eval()
        self.model.to(self.device)

    def tensor(self, array: Array) -> Any:
        """Return a torch tensor with the values of a plain array; floats in the precision of the weights."""
        if not len(array.data):
            return self.torch.empty(tuple(array.shape), dtype=getattr(self.torch, array.dtype))
        flat = self.torch.frombuffer(bytearray(array.data), dtype=getattr(self.torch, array.dtype))
        return self.cast(flat.reshape(tuple(array.shape)))

    def cast(self, tensor: Any) -> Any:
        """Return the tensor in the precision asked for, where that is had by casting."""
        if self.casts and self.request.precision in HALF and tensor.dtype.is_floating_point:
            return tensor.to(getattr(self.torch, HALF[self.request.precision]))
        return tensor

    def of_arrays(self, named: Dict[str, Array]) -> Any:
        """Return tensors by name, in order."""
        return {name: self.tensor(array) for name, array in named.items()}

    def to_device(self, inputs: Any) -> Any:
        """Copy to the device."""
        return trees.convert(inputs, lambda tensor: tensor.to(self.device))

    def infer(self, inputs: Any) -> Any:
        """Run the forward pass."""
        return self.model(**inputs) if self.by_name else self.model(*inputs.values())

    def synchronize(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()
        elif self.device.type == "mps":
            self.torch.mps.synchronize()

    def event_times(self, inputs: Any, seconds: float) -> List[int]:
        """Return the forward pass by CUDA events: the device's own clock, without the time to start the kernels.

        All events are made before, and the device is waited for once, after the last call.
        """
        if self.device.type != "cuda":
            return []
        cuda = self.torch.cuda
        timed = lambda: (cuda.Event(enable_timing=True), cuda.Event(enable_timing=True))  # noqa: E731 - a pair
        once = self._between(timed(), inputs)
        cuda.synchronize()
        count = max(10, min(1000, int(1e3 * seconds / max(1e-3, once[0].elapsed_time(once[1])))))
        pairs = [timed() for _ in range(count)]
        for pair in pairs:
            self._between(pair, inputs)
        cuda.synchronize()
        return [int(start.elapsed_time(end) * 1e6) for start, end in pairs]

    def _between(self, events: Any, inputs: Any) -> Any:
        events[0].record()
        self.infer(inputs)
        events[1].record()
        return events

    def to_host(self, outputs: Any) -> Any:
        """Copy to host memory."""
        if self.device.type == "cpu":
            return outputs
        return trees.convert(outputs, lambda tensor: tensor.cpu())

    def reset(self) -> None:
        """Set the seeds."""
        super().reset()
        self.torch.manual_seed(self.request.seed)

    def item_count(self, inputs: Any) -> int:
        """Return the first dimension of the first tensor where a batch was asked for."""
        if self.request.batch_size > 1:
            for value in inputs.values():
                if getattr(value, "ndim", 0) > 1:
                    return int(value.shape[0])
        return max(1, self.request.batch_size)

    def effective(self) -> Dict[str, Any]:
        """Return device, types of the weights, threads and versions as torch reports them."""
        torch = self.torch
        kinds = self.weight_types()
        names = [NAMES.get(kind, kind) for kind in kinds if kind in NAMES]
        autocast = not self.casts and self.request.precision in HALF
        facts: Dict[str, Any] = {
            "device": str(self.device),
            "precision": self.request.precision if autocast else "+".join(names) or self.request.precision,
            "precision_by": "autocast" if autocast else "type of the weights",
            "weight_types": kinds,
            "threads": torch.get_num_threads(),
            "interop_threads": torch.get_num_interop_threads(),
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "torch": torch.__version__,
        }
        if self.device.type == "cuda":
            properties = torch.cuda.get_device_properties(self.device)
            facts["device_name"] = properties.name
            facts["device_uuid"] = str(getattr(properties, "uuid", ""))
            # Products of fp32 in tf32: torch allows it in convolutions unless told otherwise, not in matrix products.
            facts["cudnn_allow_tf32"] = bool(torch.backends.cudnn.allow_tf32)
            facts["cuda"] = torch.version.cuda or getattr(torch.version, "hip", None)
        return facts

    def weight_types(self) -> List[str]:
        """Return the element types of the parameters, most frequent kind of tensor first."""
        counts: Dict[str, int] = {}
        for parameter in self.parameters():
            name = str(parameter.dtype).rpartition(".")[2]
            counts[name] = counts.get(name, 0) + parameter.numel()
        return sorted(counts, key=lambda name: -counts[name])

    def signature(self) -> Signature:
        """Return the inputs that were guessed; a module declares none."""
        return list(self.assumed_inputs), []

    def parameters(self) -> Sequence[Any]:
        """Return the model's parameters."""
        return list(self.model.parameters()) if hasattr(self.model, "parameters") else []

    def device_check(self) -> Optional[Check]:
        """Return whether the weights lie on the device and its allocator was used."""
        if self.device.type == "cpu":
            return None
        elsewhere = [p for p in self.parameters() if p.device.type != self.device.type]
        used = self.torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else 1
        text = "%d weights elsewhere, %d bytes allocated on %s" % (len(elsewhere), used, self.device)
        return Check("device", not elsewhere and used > 0, text)

    def device_memory(self) -> Dict[str, Any]:
        """Return the allocator's peaks."""
        if self.device.type != "cuda":
            return {}
        cuda = self.torch.cuda
        free, total = cuda.mem_get_info(self.device)
        return {
            "vram_peak_bytes": cuda.max_memory_reserved(self.device),
            "vram_allocated_peak_bytes": cuda.max_memory_allocated(self.device),
            "vram_device_used_bytes": total - free,
        }
