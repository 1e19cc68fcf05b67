"""What must be installed to run a model with a runtime: the runtime's requirements, options, and what its code says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnnbox import catalog
from dnnbox.dependencies import grouping
from dnnbox.dependencies.choosing import Chosen
from dnnbox.dependencies.extras import document, extras, need, pinned_by_config
from dnnbox.dependencies.lightning import modules_in
from dnnbox.records.dependencies import Dependencies, Requirement
from dnnbox.records.evidence import Evidence
from dnnbox.records.identity import Identity
from dnnbox.records.inspection import Inspection, IoField
from dnnbox.records.source import Recipe, SourceTree

if TYPE_CHECKING:
    from dnnbox.dependencies.imports import Import

_WITH_SOURCE = ("torch_module", "adapter", "torchscript", "mmengine", "nemo", "flax")


def dependencies_of(
    chosen: Chosen, inspection: Inspection, identity: Identity, source: SourceTree, adapter: Path | None
) -> Dependencies:
    """Return what the chosen runtime needs for this checkpoint."""
    spec = catalog.runtime(chosen.runtime)
    code = _Code.read(chosen.runtime, inspection, source, adapter)
    wanted = (*spec.required_for(inspection.format), *extras(chosen.runtime, inspection), *code.requirements)
    return Dependencies(
        runtime=chosen.runtime,
        requirements=_merged(wanted),
        python=spec.python,
        options=_options(chosen.runtime, inspection, identity, source),
        fallback=_merged((*pinned_by_config(chosen.runtime, inspection), *code.pins)),
        evidence=(*chosen.evidence, *code.evidence),
    )


class _Code:
    """What the code that the model needs says of its dependencies."""

    def __init__(
        self,
        requirements: tuple[Requirement, ...] = (),
        pins: tuple[Requirement, ...] = (),
        evidence: tuple[Evidence, ...] = (),
    ) -> None:
        self.requirements, self.pins, self.evidence = requirements, pins, evidence

    @classmethod
    def read(cls, runtime: str, inspection: Inspection, source: SourceTree, adapter: Path | None) -> _Code:
        if not (source.root or adapter or _has_own_code(inspection)):
            return cls()
        from dnnbox.dependencies.declared import declared
        from dnnbox.dependencies.imports import external_imports, requirements_of

        imports: list[Import] = []
        pins, refused = declared(Path(source.root)) if source.root else ((), ())
        known = {pin.name: pin.evidence[0].source for pin in pins}
        if adapter is not None:
            imports += external_imports(adapter.parent.absolute(), (adapter.name,))
        if source.root and runtime in _WITH_SOURCE:
            imports += _of_source(source)
        if source.root and runtime == "lightning":
            files = [file for _, file in modules_in(Path(source.root))]
            imports += external_imports(Path(source.root).absolute(), files)
        if runtime == "transformers" and _has_own_code(inspection):
            files = [role.path for role in inspection.files if role.role == "code" and role.path.endswith(".py")]
            imports += external_imports(Path(inspection.path).absolute(), files)
        required, unknown = requirements_of(imports, known)
        found = (
            [need("torch", source.searched[0], "its classes are torch modules", "runtime")] if source.searched else []
        )
        required = grouping.grouped((*required, *_of_recipe(source.recipe), *found))
        names = {_normal(requirement.name) for requirement in required} | {"torch", "torchvision", "numpy"}
        pinned = tuple(pin for pin in pins if pin.specifier and _normal(pin.name) in names)
        return cls(required, pinned, (*unknown, *refused))


def _of_source(source: SourceTree) -> tuple[Import, ...]:
    """Return what the source's code imports: from the recipe's build, else from the classes that it names."""
    from dnnbox.dependencies.imports import external_imports

    root, recipe = Path(source.root).absolute(), source.recipe
    if recipe is None:
        names = {name.rpartition(".")[2] for name in source.classes}
        if source.searched:
            place, _, name = source.searched[0].partition(":")
            return external_imports(root, (place,), names={name})
        return external_imports(root, source.files, names=names)
    module = recipe.cls.rpartition(".")[0].replace(".", "/")
    files = [name for name in (f"{module}.py", f"{module}/__init__.py") if (root / name).is_file()]
    found = external_imports(
        root, files, names={recipe.cls.rpartition(".")[2]}, code=f"{recipe.build}\n{recipe.call}", bare=recipe.bare
    )
    return tuple(
        item for item in found if item.module.partition(".")[0] not in {s.partition(".")[0] for s in recipe.stubs}
    )


def _of_recipe(recipe: Recipe | None) -> tuple[Requirement, ...]:
    """Return what the catalogue adds: imports that no line shows, bounds beyond which upstream's code breaks."""
    if recipe is None:
        return ()
    from packaging.requirements import Requirement as Parsed

    place = "catalogue of known families"
    late = [need(name, place, f"{recipe.title} imports it while it runs") for name in recipe.requires]
    lines = [Parsed(line) for line in recipe.bounds]
    return (
        need("torch", place, f"{recipe.title} is built with it", "runtime"),
        *late,
        *(need(line.name, place, "newer versions break it", "model", str(line.specifier)) for line in lines),
    )


def _has_own_code(inspection: Inspection) -> bool:
    return bool(document(inspection, "config.json").get("auto_map"))


def _normal(name: str) -> str:
    return name.replace("_", "-").replace(".", "-").lower()


def _merged(requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """Return one requirement per distribution; the first one's group, everybody's specifiers and reasons."""
    merged: dict[str, Requirement] = {}
    for item in requirements:
        key = _normal(item.name)
        known = merged.get(key)
        if known is None:
            merged[key] = item
            continue
        specifiers = [part for part in (known.specifier, item.specifier) if part]
        joined = ",".join(dict.fromkeys(specifiers))
        merged[key] = replace(known, specifier=joined, evidence=(*known.evidence, *item.evidence))
    return tuple(merged.values())


def _options(runtime: str, inspection: Inspection, identity: Identity, source: SourceTree) -> dict[str, Any]:
    """Return what the harness's runtime is told: plain JSON values only."""
    best, hints = identity.best, inspection.io_hints
    options: dict[str, Any] = {
        "format": inspection.format,
        "entry": inspection.entry,
        "library": best.library if best else "",
        "architecture": best.architecture if best else "",
        "arguments": dict(best.arguments) if best else {},
        "prefix": best.prefix if best else "",
        "classes": list(source.classes or inspection.needs_code),
        "modality": hints.modality,
        "task": hints.task,
        "labels": list(hints.labels),
        "inputs": [_field(item) for item in hints.inputs],
    }
    if source.main:
        options["main"] = source.main
    if runtime == "lightning":
        options["classes"] = [name for name, _ in modules_in(Path(source.root))]
    return {**options, **dict(_own_keys(inspection))}


def _field(item: IoField) -> dict[str, Any]:
    return {
        "name": item.name,
        "shape": list(item.shape or ()),
        "dtype": item.dtype,
        "status": item.status,
        "source": item.source,
    }


def _own_keys(inspection: Inspection) -> Iterator[tuple[str, Any]]:
    """Yield keys that single runtimes understand: the image pipeline that a timm configuration publishes."""
    published = document(inspection, "config.json").get("pretrained_cfg")
    if not isinstance(published, Mapping):
        return
    size = published.get("input_size")
    steps: dict[str, Any] = {"status": "declared", "source": "config.json: pretrained_cfg"}
    if isinstance(size, (list, tuple)) and len(size) == 3:
        share = published.get("crop_pct") or 1.0
        steps |= {
            "size": list(size[1:]),
            "resize": int(min(size[1:]) / share) if isinstance(share, (int, float)) else None,
        }
    steps |= {key: published[key] for key in ("mean", "std", "interpolation") if published.get(key)}
    yield "preprocess", {key: value for key, value in steps.items() if value is not None}
