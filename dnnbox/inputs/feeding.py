"""Which files a runtime can turn into the model's inputs by itself; for the rest an adapter must say how."""

from __future__ import annotations

from collections.abc import Mapping

from dnnbox.records.inspection import Inspection, IoHints

_ALL = frozenset(("text", "image", "audio", "video", "tensor"))
_ADAPTED = ("", "adapter", "mmengine", "nemo", "flax")
_READS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ("onnxruntime", "torchscript", "torch_export", "torch_module", "timm", "torchvision"),
        frozenset(("image", "tensor")),
    ),
    **dict.fromkeys(("open_clip", "ultralytics", "lightning"), frozenset(("image", "tensor"))),
    **dict.fromkeys(
        ("litert", "openvino", "keras", "tensorflow", "executorch", "ncnn", "mnn", "paddle", "jax", "tensorrt"),
        frozenset(("tensor",)),
    ),
    **dict.fromkeys(("diffusers", "llama_cpp"), frozenset(("text",))),
    "transformers": frozenset(("text", "image", "audio", "tensor")),
    "sentence_transformers": frozenset(("text",)),
    **dict.fromkeys(_ADAPTED, _ALL),
}
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")


def reads_all(runtime: str) -> bool:
    """Whether files go to an adapter as they are: it has whatever opens them."""
    return runtime in _ADAPTED


def obstacle(runtime: str, modality: str, inspection: Inspection, io: IoHints) -> str:
    """Return why files of ``modality`` cannot be given to the model without help; "" where they can."""
    best = inspection.identity.best
    if best is not None and best.library == "silero-vad" and modality == "audio":
        return ""
    if modality not in _READS.get(runtime, _ALL):
        return f"only an adapter can say how {modality} files become this model's tensors"
    if modality == "image" and io.task == "video-classification":
        return "single pictures make no clip"
    if runtime == "transformers":
        return _without_processor(modality, inspection)
    if modality == "image" and (len(io.inputs) > 1 or any(item.shape and len(item.shape) != 4 for item in io.inputs)):
        return "the model has no single image input"
    return ""


def _without_processor(modality: str, inspection: Inspection) -> str:
    names = {file.path.rpartition("/")[2] for file in inspection.files}
    if modality == "text" and not any(file.role == "tokenizer" for file in inspection.files):
        return "the directory has no tokenizer"
    if modality in ("image", "audio") and names.isdisjoint(_PROCESSORS):
        return f"the directory has no {modality} processor"
    return ""
