"""ONNX Runtime: the session on exactly the provider asked for, plain runs on the CPU, I/O binding on a GPU."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Type

from .. import examples
from ..arrays import Array
from ..failures import Failure
from ..protocol import Check, InputFile, RunRequest, TensorRecord
from .base import Decoded, Runtime, Signature

PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    "rocm": ("MIGraphXExecutionProvider", "ROCMExecutionProvider"),
}
DTYPES = {
    "float": "float32",
    "double": "float64",
    "float16": "float16",
    "bool": "bool",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "uint64": "uint64",
}
"""Element type inside ``tensor(...)`` -> numpy's name."""


class OnnxRuntime(Runtime):
    """``options["inputs"]`` may give sizes for open dimensions; ``options["graph_level"]`` an optimisation level."""

    profile_prefix = ""  # where a profiled session writes to

    @classmethod
    def choose(cls, request: RunRequest) -> Type[Runtime]:
        """Return the class for the family of the model."""
        if request.options.get("library") == "silero-vad":
            from .silero import SileroOnnx

            return SileroOnnx
        return cls

    @property
    def moves(self) -> bool:  # type: ignore[override]
        """On a GPU the copies are stages of their own."""
        return self.kind != "cpu"

    def import_libraries(self) -> None:
        """Import onnxruntime and numpy."""
        import numpy as np
        import onnxruntime

        self.kind, _, index = self.request.device.partition(":")
        self.index = int(index or 0)
        self.numpy = np
        self.ort = onnxruntime
        onnxruntime.set_default_logger_severity(3)  # warnings about unused initialisers help nobody
        onnxruntime.set_seed(self.request.seed)
        if self.kind == "cuda" and hasattr(onnxruntime, "preload_dlls"):
            # CUDA's libraries are wheels of their own, which lie where no loader looks.
            onnxruntime.preload_dlls()

    def open_context(self) -> None:
        """Find the provider; this library falls back to the CPU silently, so it is refused here and again on load."""
        named = str(self.options.get("provider") or "")
        wanted = (_provider_name(named),) if named else PROVIDERS.get(self.kind)
        if wanted is None:
            raise Failure("device_unavailable", "onnxruntime has no provider for device %s" % self.request.device)
        there = self.ort.get_available_providers()
        provider = next((name for name in wanted if name in there), None)
        if provider is None:
            text = "onnxruntime %s has no %s; it has %s"
            if named:
                raise Failure("unsupported", text % (self.ort.__version__, named, ", ".join(there)), "variant")
            values = (self.ort.__version__, " or ".join(wanted), ", ".join(there))
            brings = "; the package onnxruntime-gpu brings it" if self.kind == "cuda" else ""
            raise Failure("device_unavailable", text % values + brings)
        self.provider = provider

    def load(self) -> None:
        """Open the session."""
        if self.request.precision not in ("fp32", "auto"):
            text = "an ONNX file has its precision built in; convert the file to get %s"
            raise Failure("unsupported", text % self.request.precision)
        options = self.ort.SessionOptions()
        if self.request.threads > 0:
            options.intra_op_num_threads = self.request.threads
            options.inter_op_num_threads = 1
        level = self.options.get("graph_level")
        if level:
            options.graph_optimization_level = getattr(self.ort.GraphOptimizationLevel, "ORT_%s" % level.upper())
        if self.options.get("execution_mode"):
            options.execution_mode = getattr(self.ort.ExecutionMode, str(self.options["execution_mode"]))
        if self.profile_prefix:
            options.enable_profiling = True
            options.profile_file_prefix = self.profile_prefix
        settings = {} if self.kind == "cpu" else {"device_id": self.index}
        providers = [(self.provider, settings)]
        self.session = self.ort.InferenceSession(self.request.checkpoint, options, providers=providers)
        got = self.session.get_providers()
        if got[0] != self.provider:
            raise Failure("device_unavailable", "asked for %s, the session runs on %s" % (self.provider, got[0]))
        self.output_names = [field.name for field in self.session.get_outputs()]

    def signature(self) -> Signature:
        """Return what the file's header declares."""
        sides = []
        for side in (self.session.get_inputs(), self.session.get_outputs()):
            sides.append([_record(field) for field in side])
        return sides[0], sides[1]

    def example_inputs(self, batch_size: int) -> Any:
        """Return inputs of the declared types, with open dimensions filled in from hints and names."""
        hints = {str(hint.get("name", "")): hint for hint in self.options.get("inputs") or []}
        fields = self.session.get_inputs()
        for field in fields:
            self._refuse_fixed_batch(field.name, field.shape, batch_size)
        declared = {field.name: field.shape for field in fields}
        known = {name: hint.get("shape") or () for name, hint in hints.items()}
        shapes = examples.resolve(declared, batch_size, known)
        vocabulary = int(self.options.get("vocabulary") or examples.DEFAULT_VOCABULARY)
        made = {}
        for field in fields:
            dtype = _dtype(field.type)
            made[field.name] = examples.tensor(field.name, dtype, shapes[field.name], self.request.seed, vocabulary)
        return self.of_arrays(made)

    def _refuse_fixed_batch(self, name: str, shape: Sequence[Any], batch_size: int) -> None:
        fixed = shape[0] if len(shape) > 1 else None
        if batch_size > 1 and isinstance(fixed, int) and fixed > 0 and fixed != batch_size:
            text = "the batch of input %s is fixed at %d, asked for %d"
            raise Failure("unsupported", text % (name, fixed, batch_size), "input")

    def preprocess(self, items: Sequence[InputFile]) -> Any:
        """Return tensors from files, images turned into the one image input that the model has."""
        if items and all(isinstance(item, InputFile) and item.kind == "image" for item in items):
            return self._images([item.path for item in items])
        return self.tensor_inputs(items)

    def _images(self, paths: List[str]) -> Any:
        from .vision import Pipeline

        fields = [field for field in self.session.get_inputs() if len(field.shape) == 4]
        if len(fields) != 1 or len(self.session.get_inputs()) != 1:
            raise Failure("needs_adapter", "the model has no single image input", "input")
        field, shape = fields[0], fields[0].shape
        last = shape[3] in (1, 3)
        height, width = (shape[1], shape[2]) if last else (shape[2], shape[3])
        size = [side if isinstance(side, int) else examples.IMAGE_SIZE for side in (height, width)]
        pipeline = Pipeline.of_options(self.options, size)
        pipeline.declare(self)
        dtype = _dtype(field.type)
        stack = self.numpy.stack([self._image(pipeline, path, dtype) for path in paths])
        return {field.name: stack if last else self.numpy.ascontiguousarray(stack.transpose(0, 3, 1, 2))}

    def _image(self, pipeline: Any, path: str, dtype: str) -> Any:
        data, height, width = pipeline.read(path)
        pixels = self.numpy.frombuffer(data, dtype="uint8").reshape(height, width, 3)
        if dtype == "uint8":
            return pixels
        scaled = (pixels.astype("float32") / 255 - self.numpy.array(pipeline.mean)) / self.numpy.array(pipeline.std)
        return scaled.astype(dtype)

    def of_arrays(self, named: Dict[str, Array]) -> Any:
        """Return numpy arrays over the same bytes."""
        return {name: self._numpy(array) for name, array in named.items()}

    def _numpy(self, array: Array) -> Any:
        return self.numpy.frombuffer(bytes(array.data), dtype=array.dtype).reshape(array.shape)

    def to_device(self, inputs: Any) -> Any:
        """Copy to the GPU and bind inputs and outputs there; on the CPU the session takes numpy as it is."""
        if self.kind == "cpu":
            return inputs
        binding = self.session.io_binding()
        for name, value in inputs.items():
            contiguous = self.numpy.ascontiguousarray(value)
            binding.bind_ortvalue_input(name, self.ort.OrtValue.ortvalue_from_numpy(contiguous, "cuda", self.index))
        for name in self.output_names:
            binding.bind_output(name, "cuda", self.index)
        binding.synchronize_inputs()
        return binding

    def infer(self, inputs: Any) -> Any:
        """Run the session once."""
        if self.kind == "cpu":
            return self.session.run(None, inputs)
        self.session.run_with_iobinding(inputs)
        inputs.synchronize_outputs()
        return inputs

    def to_host(self, outputs: Any) -> Any:
        """Return numpy arrays by output name."""
        values = outputs if self.kind == "cpu" else outputs.copy_outputs_to_cpu()
        return dict(zip(self.output_names, values))

    def item_count(self, inputs: Any) -> int:
        """Return the first dimension of the first input that has more than one."""
        for value in inputs.values():
            if getattr(value, "ndim", 0) > 1 and self.request.batch_size > 1:
                return int(value.shape[0])
        return max(1, self.request.batch_size)

    def postprocess(self, outputs: Any, items: Sequence[Any], out_dir: str) -> Decoded:
        """Return the best classes where the host knows that this is a classifier."""
        labels = self.labels()
        if "classification" not in str(self.options.get("task", "")) and not labels:
            return []
        from .vision import best_classes

        scores = next((value for value in outputs.values() if getattr(value, "ndim", 0) == 2), None)
        return [] if scores is None else best_classes(scores.tolist(), labels, items)

    def effective(self) -> Dict[str, Any]:
        """Return provider, options and the element types of the inputs."""
        settings = self.session.get_session_options()
        types = sorted({_dtype(field.type) for field in self.session.get_inputs()} - {"int64", "int32", "bool"})
        return {
            "device": self.request.device,
            "precision": "fp16" if types == ["float16"] else self.request.precision.replace("auto", "fp32"),
            "input_types": types,
            "threads": settings.intra_op_num_threads or self._default_threads(),
            "threads_source": "set" if settings.intra_op_num_threads else "default: one per core",
            "providers": self.session.get_providers(),
            "use_tf32": self._uses_tf32(),
            "graph_optimization": str(settings.graph_optimization_level).rpartition(".")[2],
            "onnxruntime": self.ort.__version__,
        }

    def _uses_tf32(self) -> Optional[bool]:
        """Return whether products of fp32 may be computed in tf32, as CUDA's provider does by default; else None."""
        told = self.session.get_provider_options().get("CUDAExecutionProvider", {}).get("use_tf32")
        return None if told is None else str(told) == "1"

    def _default_threads(self) -> Optional[int]:
        from ..probe import cores_available

        return cores_available()

    def device_check(self) -> Optional[Check]:
        """Return whether the session's first provider is the one asked for."""
        got = self.session.get_providers()
        return Check("device", got[0] == self.provider, "execution providers: %s" % ", ".join(got))


def _provider_name(name: str) -> str:
    """Return the full name of the provider that a variant calls ``openvino``, ``tensorrt`` …"""
    known = ("CPU", "CUDA", "Dnnl", "OpenVINO", "Tensorrt", "Xnnpack", "ACL", "CoreML", "MIGraphX", "ROCM")
    return next((full for full in known if full.lower() == name.lower()), name) + "ExecutionProvider"


def _dtype(kind: str) -> str:
    """Return numpy's name for ``tensor(float)``."""
    inner = kind[len("tensor(") : -1] if kind.startswith("tensor(") else kind
    if inner not in DTYPES:
        raise Failure("unsupported", "an input of type %s cannot be made up or read" % kind, "input")
    return DTYPES[inner]


def _record(field: Any) -> TensorRecord:
    inner = field.type[len("tensor(") : -1] if field.type.startswith("tensor(") else field.type
    shape = ["%s_dim%d" % (field.name, place) if size is None else size for place, size in enumerate(field.shape)]
    return TensorRecord(field.name, DTYPES.get(inner, inner), list(shape), "declared", "model header")
