"""What configuration files beside or inside a checkpoint say: the strongest signal, because the file names it.

Reads the copies in ``Inspection.metadata``; for a lone weights file with a library's standard name, also the
``config.json`` next to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dnnbox.identify.index import Index
from dnnbox.records.evidence import Evidence
from dnnbox.records.identity import Candidate
from dnnbox.records.inspection import Inspection

_STANDARD_NAMES = (
    "model.safetensors",
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
    "open_clip_model.safetensors",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "diffusion_pytorch_model.safetensors",
)
_LARGEST_BYTES = 4 << 20
_GGUF_SIZES = ("block_count", "embedding_length", "attention.head_count", "context_length")
Documents = Mapping[str, Any]


def documents(inspection: Inspection) -> dict[str, Any]:
    """Return the JSON documents that belong to the checkpoint, by relative path."""
    found = {key: value for key, value in inspection.metadata.items() if key.endswith(".json")}
    for group in ("configs", "files", "json"):
        nested = inspection.metadata.get(group)
        if isinstance(nested, Mapping):
            found.update({key: value for key, value in nested.items() if str(key).endswith(".json")})
    config = inspection.metadata.get("config")
    if "config.json" not in found and isinstance(config, Mapping) and looks_like_config(config):
        found["config.json"] = config
    if inspection.kind == "file" and "config.json" not in found:
        found.update(adjacent(Path(inspection.path)))
    return found


def looks_like_config(config: Mapping[str, Any]) -> bool:
    """Tell whether a mapping is the config.json of transformers or timm."""
    return "architectures" in config or ("model_type" in config and "transformers_version" in config) or (
        isinstance(config.get("architecture"), str) and "pretrained_cfg" in config
    )  # fmt: skip


def adjacent(path: Path) -> dict[str, Any]:
    """Return the configs next to a weights file that has a standard name; unreadable ones are left out."""
    if path.name not in _STANDARD_NAMES:
        return {}
    found = {}
    for name in ("config.json", "adapter_config.json", "open_clip_config.json"):
        beside = path.parent / name
        try:
            if beside.is_file() and beside.stat().st_size <= _LARGEST_BYTES:
                found[name] = json.loads(beside.read_bytes())
        except (OSError, ValueError, RecursionError):
            continue  # not a document: the weights are judged without it
    return found


def candidate(index: Index, inspection: Inspection) -> Candidate | None:
    """Return what the configs name, or None where there are none."""
    if named := gguf(inspection):
        return named
    found = documents(inspection)
    for read in READERS:
        if named := read(index, found):
            return named
    return None


def gguf(inspection: Inspection) -> Candidate | None:
    """GGUF's header: the architecture by llama.cpp's name, and the sizes that belong to it."""
    kind = inspection.metadata.get("general.architecture")
    if inspection.format != "gguf" or not isinstance(kind, str) or not kind:
        return None
    sizes = {key: inspection.metadata.get(f"{kind}.{key}") for key in _GGUF_SIZES}
    name = str(inspection.metadata.get("general.name") or "")[:100]
    evidence = (Evidence(f"llama.cpp {kind}"[:200], "general.architecture", name),)
    return Candidate(
        "llama.cpp",
        kind[:100],
        "config",
        1.0,
        {k: v for k, v in sizes.items() if isinstance(v, int)},
        evidence=evidence,
    )


def sentence_transformers(_: Index, found: Documents) -> Candidate | None:
    """modules.json: a list of {"idx", "path", "type"}."""
    modules = found.get("modules.json")
    if not isinstance(modules, list) or not all(isinstance(m, Mapping) for m in modules):
        return None
    kinds = [str(m.get("type", "")) for m in modules]
    if not any(kind.startswith("sentence_transformers.") for kind in kinds):
        return None
    first = str(modules[0].get("path") or "")
    config = found.get(f"{first}/config.json" if first else "config.json")
    names = config.get("architectures") if isinstance(config, Mapping) else None
    architecture = str(names[0]) if isinstance(names, list) and names else kinds[0].rsplit(".", 1)[-1]
    detail = " → ".join(kind.rsplit(".", 1)[-1] for kind in kinds)
    evidence = [Evidence("sentence-transformers", "modules.json", detail)]
    if names:
        evidence.append(Evidence(architecture, "config.json", "architectures"))
    return Candidate("sentence-transformers", architecture, "config", 1.0, evidence=tuple(evidence))


def timm(index: Index, found: Documents) -> Candidate | None:
    """config.json of the timm hub: ``architecture``, ``num_classes``, ``pretrained_cfg``, ``model_args``."""
    config = found.get("config.json")
    if not isinstance(config, Mapping) or not isinstance(config.get("architecture"), str):
        return None
    name = config["architecture"].split(".", 1)[0]
    number = index.by_name.get(("timm", name))
    published = config.get("pretrained_cfg")
    if not isinstance(published, Mapping):  # uploads before timm 0.9 have its fields beside the architecture
        if number is None and "num_features" not in config:
            return None
        published = config
    defaults = index.model(number).preprocess if number is not None else {}
    arguments = dict(config["model_args"]) if isinstance(config.get("model_args"), Mapping) else {}
    classes = config.get("num_classes", published.get("num_classes"))
    if isinstance(classes, int) and classes != defaults.get("num_classes"):
        arguments.setdefault("num_classes", classes)
    evidence = (Evidence(f"timm {name}", "config.json", "architecture"),)
    return Candidate("timm", name, "config", 1.0, arguments, evidence=evidence)


def transformers(index: Index, found: Documents) -> Candidate | None:
    """config.json of transformers: ``architectures`` and ``model_type``."""
    config = found.get("config.json")
    if not isinstance(config, Mapping) or not ("architectures" in config or "model_type" in config):
        return None
    kind = str(config.get("model_type") or "")
    names = config.get("architectures")
    evidence = [Evidence(f"model type {kind}", "config.json", "model_type")] if kind else []
    if isinstance(names, list) and names and isinstance(names[0], str):
        name = names[0]
        evidence.insert(0, Evidence(f"transformers {name}", "config.json", "architectures"))
    elif base := base_class(index, kind):
        name = base
        evidence.append(
            Evidence(f"transformers {name}", "fingerprint index", "the plainest class of this model type", 0.6)
        )
    else:
        return None
    if config.get("auto_map"):
        evidence.append(Evidence("own code beside the weights", "config.json", "auto_map"))
    elif ("transformers", name) not in index.by_name:
        version = index.versions.get("transformers", "")
        evidence.append(
            Evidence("not among the automatic classes", "fingerprint index", f"transformers {version}", 0.3)
        )
    return Candidate("transformers", name, "config", 1.0, evidence=tuple(evidence))


def base_class(index: Index, kind: str) -> str:
    """Return the plainest class of a model type, or ""."""
    models = (index.model(n) for (library, _), n in index.by_name.items() if library == "transformers")
    of_kind = [m for m in models if m.model_type == kind]
    return min(of_kind, key=lambda m: (not m.name.endswith("Model"), m.plainness)).name if of_kind else ""


def diffusers(_: Index, found: Documents) -> Candidate | None:
    """model_index.json: ``_class_name`` of the pipeline; a component's config.json has ``_class_name`` too."""
    for name in ("model_index.json", "config.json"):
        document = found.get(name)
        if isinstance(document, Mapping) and isinstance(document.get("_class_name"), str):
            pipeline = document["_class_name"]
            version = str(document.get("_diffusers_version") or "")
            parts = ", ".join(k for k, v in document.items() if isinstance(v, list) and len(v) == 2 and v[0])
            detail = "; ".join(filter(None, (f"version {version}" if version else "", parts)))
            evidence = (Evidence(f"diffusers {pipeline}", name, detail[:200]),)
            return Candidate("diffusers", pipeline, "config", 1.0, evidence=evidence)
    return None


def peft(_: Index, found: Documents) -> Candidate | None:
    """adapter_config.json: an adapter for another model."""
    document = found.get("adapter_config.json")
    if not isinstance(document, Mapping) or "peft_type" not in document:
        return None
    kind, base = str(document["peft_type"]), str(document.get("base_model_name_or_path") or "not named")
    evidence = (Evidence(f"{kind} adapter", "adapter_config.json", f"for {base}"[:200]),)
    return Candidate("peft", kind, "config", 1.0, evidence=evidence)


def open_clip(_: Index, found: Documents) -> Candidate | None:
    """open_clip_config.json: ``model_cfg`` without a name; the sizes are in it."""
    document = found.get("open_clip_config.json")
    if not isinstance(document, Mapping) or not isinstance(document.get("model_cfg"), Mapping):
        return None
    vision = document["model_cfg"].get("vision_cfg")
    detail = json.dumps(vision, sort_keys=True)[:200] if isinstance(vision, Mapping) else ""
    evidence = (Evidence("open_clip model", "open_clip_config.json", detail),)
    return Candidate("open_clip", "CLIP", "config", 1.0, dict(document["model_cfg"]), evidence=evidence)


READERS: tuple[Callable[[Index, Documents], Candidate | None], ...] = (
    sentence_transformers,
    peft,
    open_clip,
    timm,
    diffusers,
    transformers,
)
