"""What one checkpoint needs beyond its runtime: tokenizers, image readers, quantisation, packages of its classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dnnbox import catalog
from dnnbox.records.dependencies import Group, Requirement
from dnnbox.records.evidence import Evidence
from dnnbox.records.inspection import Inspection

_QUANTISERS: Mapping[str, str] = {
    "bitsandbytes": "bitsandbytes",
    "gptq": "gptqmodel",
    "awq": "gptqmodel",
    "compressed-tensors": "compressed-tensors",
    "torchao": "torchao",
    "hqq": "hqq",
    "quanto": "optimum-quanto",
}
"""``quantization_config.quant_method`` -> distribution. Source: transformers' quantization overview, 2026-11."""

_ONNX_DOMAINS: Mapping[str, str] = {"ai.onnx.contrib": "onnxruntime-extensions"}


def extras(runtime: str, inspection: Inspection) -> Iterator[Requirement]:
    """Yield the further requirements, each with its reason."""
    if inspection.io_hints.modality == "image":
        yield need("pillow", "io hints", "the input is an image", "utility")
    if runtime in ("transformers", "sentence_transformers"):
        yield from _tokenizer(inspection)
        yield from _configured(inspection)
    if runtime == "onnxruntime":
        for domain in _domains(inspection):
            if domain in _ONNX_DOMAINS:
                yield need(_ONNX_DOMAINS[domain], "graph", f"operators of the domain {domain}")
    if runtime == "torch_module":
        yield from _pickled(inspection)


def need(name: str, source: str, detail: str, group: Group = "model", specifier: str = "") -> Requirement:
    """Return a requirement with its one reason."""
    return Requirement(name, specifier, group, (Evidence(f"{name} is needed", source, detail),))


def _tokenizer(inspection: Inspection) -> Iterator[Requirement]:
    """A directory without tokenizer.json has the slow tokenizer's own file, which needs its own package."""
    names = {role.path.rpartition("/")[2]: role.path for role in inspection.files}
    if "tokenizer.json" in names:
        return
    models = [name for name in names if name.endswith((".model", ".spm")) and not name.endswith(".tiktoken")]
    if models:
        yield need("sentencepiece", names[models[0]], "the tokenizer is a SentencePiece model", "utility")
        yield need("protobuf", names[models[0]], "SentencePiece models are converted through it", "utility")
    if any(name.endswith(".tiktoken") or name == "tiktoken.model" for name in names):
        yield need("tiktoken", "tokenizer files", "the tokenizer is a tiktoken vocabulary", "utility")
    if "tekken.json" in names:
        yield need("mistral-common", "tekken.json", "the tokenizer is Mistral's", "utility")


def _configured(inspection: Inspection) -> Iterator[Requirement]:
    config = document(inspection, "config.json")
    for name in ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json"):
        processor = document(inspection, name)
        if any("image" in key.lower() or "image" in str(value).lower() for key, value in processor.items()):
            yield need("pillow", name, "it holds an image processor", "utility")
    quantisation = config.get("quantization_config")
    if isinstance(quantisation, Mapping):
        method = str(quantisation.get("quant_method", "bitsandbytes"))
        if method in _QUANTISERS:
            yield need(_QUANTISERS[method], "config.json", f"the weights are quantised ({method})")
        yield need("accelerate", "config.json", "quantised weights are placed by it")
    if config.get("use_timm_backbone") or str(config.get("model_type", "")).startswith("timm_"):
        yield need("timm", "config.json", "the backbone is timm's")
        yield need("torchvision", "config.json", "timm imports it")


def pinned_by_config(runtime: str, inspection: Inspection) -> Iterator[Requirement]:
    """Yield the versions that wrote the checkpoint, as its configuration says: tried when the latest fail."""
    if runtime not in ("transformers", "sentence_transformers"):
        return
    versions = {"transformers": document(inspection, "config.json").get("transformers_version")}
    written = document(inspection, "config_sentence_transformers.json").get("__version__")
    if isinstance(written, Mapping):
        versions["sentence-transformers"] = written.get("sentence_transformers")
        versions["transformers"] = versions["transformers"] or written.get("transformers")
    for name, version in versions.items():
        if isinstance(version, str) and _is_release(version):
            yield need(name, "config.json", f"written by {name} {version}", "model", f"=={version}")


def _is_release(version: str) -> bool:
    """Tell whether it is a version that can be on an index; ``4.2.0.dev0`` was somebody's checkout."""
    from packaging.version import InvalidVersion, Version

    try:
        return not Version(version).is_devrelease and Version(version).local is None
    except InvalidVersion:
        return False


def _domains(inspection: Inspection) -> tuple[str, ...]:
    """Return the operator domains of an ONNX graph: the reader keeps {domain: version} or a list of either."""
    imports = inspection.metadata.get("opsets") or inspection.metadata.get("opset_import") or ()
    if isinstance(imports, Mapping):
        return tuple(str(domain) for domain in imports)
    entries = imports if isinstance(imports, (list, tuple)) else ()
    return tuple(str(entry.get("domain", "")) if isinstance(entry, Mapping) else str(entry) for entry in entries)


def _pickled(inspection: Inspection) -> Iterator[Requirement]:
    """Yield the known distributions whose classes the pickle names; others come from the source tree."""
    for name in inspection.needs_code:
        distribution = catalog.import_to_distribution(name.rpartition(".")[0])
        if distribution not in (None, "torch"):
            assert distribution is not None
            yield need(distribution, "pickled classes", name[:120])


def document(inspection: Inspection, name: str) -> Mapping[str, Any]:
    """Return a JSON document of the checkpoint's directory by its file name, {} where there is none."""
    places: list[Any] = [inspection.metadata]
    places += [inspection.metadata.get(group) for group in ("configs", "files", "json")]
    for place in places:
        found = place.get(name) if isinstance(place, Mapping) else None
        if isinstance(found, Mapping):
            return found
    config = inspection.metadata.get("config")
    return config if name == "config.json" and isinstance(config, Mapping) else {}
