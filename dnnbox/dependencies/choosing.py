"""Which runtime runs a checkpoint: decided by what its bytes and its identity say, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from dnnbox.errors import AdapterNeeded, Unsupported
from dnnbox.records.evidence import Evidence
from dnnbox.records.identity import Candidate, Identity
from dnnbox.records.inspection import Inspection
from dnnbox.records.source import SourceTree
from dnnbox.text import visible

STATE_DICT_FORMATS = ("torch-zip", "torch-legacy", "safetensors")
HUB_LIBRARIES = ("transformers", "timm", "torchvision", "sentence-transformers")
_BY_FORMAT = {
    "openvino": "openvino",
    "tflite": "litert",
    "keras-v3": "keras",
    "keras-h5": "keras",
    "tf-saved-model": "tensorflow",
    "gguf": "llama_cpp",
    "executorch": "executorch",
    "ncnn-param": "ncnn",
    "mnn": "mnn",
    "paddle": "paddle",
    "paddle-program": "paddle",
    "jax-export": "jax",
    "tensorrt": "tensorrt",
    "diffusers": "diffusers",
    "open-clip-directory": "open_clip",
    "torch-export": "torch_export",
    "torch_export": "torch_export",
    "pt2": "torch_export",
}
_ADAPTERS = {"nemo": "nemo", "flax-msgpack": "flax", "orbax": "flax"}
"""Formats for which an adapter gets the requirements of their own library."""
_SURE = ("config", "exact", "body")


class Chosen(NamedTuple):
    """A runtime and why."""

    runtime: str
    evidence: tuple[Evidence, ...] = ()


def choose(inspection: Inspection, identity: Identity, source: SourceTree, *, has_adapter: bool) -> Chosen:
    """Return the runtime for the checkpoint.

    Raises:
        AdapterNeeded: the file can be read, but how to build the model is not known.
        Unsupported: nothing here runs this format.
    """
    best, kind = identity.best, inspection.format
    if has_adapter:
        return _chosen(_adapted(inspection), "--adapter", "given by the user")
    if source.recipe is not None:
        return _chosen("adapter", "catalogue of known families", source.recipe.title)
    if kind.startswith("onnx"):
        return _chosen("onnxruntime", "file format", kind)
    if kind.startswith("torchscript"):
        return _chosen("torchscript", "file format", kind)
    if kind in _BY_FORMAT:
        return _of_format(inspection)
    if kind == "sentence-transformers" or (best is not None and best.library == "sentence-transformers"):
        return _of_directory(inspection, "sentence_transformers", "modules.json")
    if inspection.kind == "directory":
        return _of_hub(inspection, best)
    if kind in STATE_DICT_FORMATS:
        return _of_weights(inspection, best, source)
    raise Unsupported(
        f"no runtime runs the format {kind}",
        hint="`dnnbox inspect` shows what it holds; with `--adapter FILE` your own code can run it",
        phase="dependencies",
    )


def _adapted(inspection: Inspection) -> str:
    """Return the runtime for an adapter: with the requirements of the checkpoint's library where that is known."""
    meta = inspection.metadata.get("meta")
    if isinstance(meta, Mapping) and "mmengine_version" in meta:
        return "mmengine"
    return _ADAPTERS.get(inspection.format, "adapter")


def _of_format(inspection: Inspection) -> Chosen:
    runtime = _BY_FORMAT[inspection.format]
    if runtime != "keras":
        return _chosen(runtime, "file format", inspection.format)
    if inspection.needs_code:
        names = visible(", ".join(inspection.needs_code[:3]))
        raise AdapterNeeded(
            f"the Keras model has layers whose code is not in the file: {names}",
            hint="write an adapter that imports them and continue with `--adapter FILE`",
            phase="dependencies",
            details={"missing": ["layers"]},
        )
    if inspection.format == "keras-h5" and "model_config" not in inspection.metadata:
        raise AdapterNeeded(
            "the .h5 file holds weights only: which layers they belong to is missing",
            hint="save the whole model (`model.save`), or write an adapter and continue with `--adapter FILE`",
            phase="dependencies",
            details={"missing": ["architecture"]},
        )
    return _chosen("keras", "file format", inspection.format)


def _chosen(runtime: str, source: str, detail: str, weight: float = 1.0) -> Chosen:
    return Chosen(runtime, (Evidence(f"runs with {runtime}", source, detail, weight),))


def _of_directory(inspection: Inspection, runtime: str, config: str) -> Chosen:
    if inspection.kind == "directory":
        return _chosen(runtime, config, "the directory's own configuration")
    raise Unsupported(
        f"this file is one of a {runtime.replace('_', '-')} directory and needs the files beside it",
        hint="give the directory that holds config.json",
        phase="dependencies",
    )


def _of_hub(inspection: Inspection, best: Candidate | None) -> Chosen:
    if best is not None and best.library == "transformers" and best.match == "config":
        _require_torch_weights(inspection)
        return _chosen("transformers", "config.json", best.architecture)
    if best is not None and best.library in ("timm", "torchvision") and _is_sure(best):
        return _chosen(
            best.library, "config.json" if best.match == "config" else "tensor names and shapes", best.architecture
        )
    what = f"{best.library} directory ({best.architecture})" if best is not None else f"directory ({inspection.format})"
    raise AdapterNeeded(
        f"this is a {what}, for which there is no runtime yet",
        hint="write an adapter and continue with `--adapter FILE`",
        phase="dependencies",
        details={"missing": ["runtime"]},
    )


def _require_torch_weights(inspection: Inspection) -> None:
    names = [role.path for role in inspection.files if role.role == "weights"]
    if names and not any(name.endswith((".safetensors", ".bin", ".pt", ".pth")) for name in names):
        raise Unsupported(
            f"the directory has no PyTorch weights, only {', '.join(sorted(names)[:3])}",
            hint="transformers 5 reads safetensors and PyTorch files; convert the weights with an older version",
            phase="dependencies",
        )


def _is_sure(best: Candidate) -> bool:
    """Tell whether the architecture is certain enough to build: its layout explains every tensor of the file."""
    return best.match in _SURE or (best.match == "similar" and best.score >= 1.0)


def builds_from_library(best: Candidate | None) -> bool:
    """Tell whether a library builds the model of a file of weights: no source is needed then."""
    return best is not None and best.library in ("timm", "torchvision") and _is_sure(best)


def _of_weights(inspection: Inspection, best: Candidate | None, source: SourceTree) -> Chosen:
    if inspection.verdict in ("needs-code", "dangerous") and inspection.needs_code and not inspection.plain_weights:
        return _of_pickled_module(inspection, source)
    if best is not None and builds_from_library(best):
        how = {"config": "the configuration names it", "similar": "all tensor names are explained"}
        return _chosen(best.library, how.get(best.match, f"tensor names and shapes: {best.match}"), best.architecture)
    if best is not None and best.library in ("transformers", "sentence-transformers") and best.match == "config":
        return _of_directory(inspection, best.library.replace("-", "_"), "config.json")
    if "pytorch-lightning_version" in inspection.metadata and source.root:
        from dnnbox.dependencies.lightning import modules_in

        found = modules_in(Path(source.root))
        if len(found) == 1:
            return _chosen("lightning", found[0][1], f"{found[0][0]} is the one LightningModule of the source")
    if source.searched:
        return _chosen("adapter", source.searched[0], "explains most of the tensors' names; the box tries it", 0.6)
    raise _needs_adapter(inspection, best, source)


def _of_pickled_module(inspection: Inspection, source: SourceTree) -> Chosen:
    top = str(inspection.metadata.get("top_class", ""))
    if top.startswith("ultralytics.nn."):
        return _chosen("ultralytics", "pickled class", top[:200])
    where = source.files[0] if source.files else "installed packages"
    return _chosen("torch_module", "pickled classes", f"{', '.join(inspection.needs_code[:3])} from {where}"[:200])


def _needs_adapter(inspection: Inspection, best: Candidate | None, source: SourceTree) -> AdapterNeeded:
    """Return the error that names what is missing: the architecture, how to build it, or what calls it."""
    count = inspection.tensors.count
    if best is None and not count:
        what = "the file holds no weights that could be read: which class builds the model is missing"
    elif best is None:
        what = f"{count} tensors of no known architecture: which class builds the model is missing"
    elif not best.library:
        what = (
            f"the weights look like {best.architecture}, which is in no library: its source and constructor are missing"
        )
    elif best.library not in HUB_LIBRARIES:
        what = f"the weights look like {best.library} {best.architecture}, for which there is no runtime yet"
    else:
        share = f"{best.score:.0%} of the tensors" if best.score else "a key pattern"
        what = f"the best guess is {best.library} {best.architecture} ({best.match}: {share}), too little to build it"
    missing: Sequence[str] = ("architecture",) if best is None else ("constructor", "preprocessing")
    has_source = "" if source.origin == "none" else " from the source that was found"
    return AdapterNeeded(
        what,
        hint=f"write an adapter that builds it{has_source} and continue with `--adapter FILE`, or say `--family NAME`",
        phase="dependencies",
        details={"missing": list(missing)},
    )
