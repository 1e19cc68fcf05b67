"""The runtimes: how a checkpoint of each kind is loaded, fed and called. One file each, imported when asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Type

from ..failures import Failure
from ..protocol import RunRequest

if TYPE_CHECKING:
    from .base import Runtime

RUNTIMES = {
    "onnxruntime": ".onnxruntime:OnnxRuntime",
    "litert": ".litert:LiteRt",
    "openvino": ".openvino:OpenVino",
    "torchscript": ".torchscript:TorchScript",
    "torch_export": ".torch_export:TorchExport",
    "timm": ".timm:Timm",
    "torchvision": ".torchvision:Torchvision",
    "transformers": ".transformers:Transformers",
    "sentence_transformers": ".sentence_transformers:SentenceTransformers",
    "diffusers": ".diffusers:Diffusers",
    "open_clip": ".open_clip:OpenClip",
    "ultralytics": ".ultralytics:Ultralytics",
    "lightning": ".lightning:Lightning",
    "keras": ".keras:Keras",
    "tensorflow": ".tensorflow:TensorFlow",
    "llama_cpp": ".llama_cpp:LlamaCpp",
    "executorch": ".executorch:ExecuTorch",
    "ncnn": ".ncnn:Ncnn",
    "mnn": ".mnn:Mnn",
    "paddle": ".paddle:Paddle",
    "jax": ".jax:JaxExport",
    "tensorrt": ".tensorrt:TensorRt",
    "mmengine": ".adapter:AdapterRuntime",
    "nemo": ".adapter:AdapterRuntime",
    "flax": ".adapter:AdapterRuntime",
    "torch_module": ".torch_module:TorchModule",
    "endpoint": ".endpoint:Endpoint",
    "adapter": ".adapter:AdapterRuntime",
}
"""Name -> ``module:class``; those without a class of their own bring the requirements of a library for an adapter.

A test keeps the names equal to the files in envs/ and to the documentation.
"""


def create(request: RunRequest) -> "Runtime":
    """Return the runtime that the request names; nothing is imported of its libraries yet."""
    place = RUNTIMES.get(request.runtime)
    if place is None:
        raise Failure("unsupported", "no runtime %r; known: %s" % (request.runtime, ", ".join(sorted(RUNTIMES))))
    module, _, name = place.partition(":")
    cls: Type[Runtime] = getattr(importlib.import_module(module, __name__), name)
    return cls.choose(request)(request)
