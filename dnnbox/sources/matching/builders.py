"""Models of a library's classes, built by functions or at import, where a repository has no class of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from dnnbox.sources.matching.reading import Module, Tree, walk
from dnnbox.sources.matching.recipes import NO_FACTORIES

_LIBRARIES = (
    "torchvision.models",
    "timm",
    "segmentation_models_pytorch",
    "pretrainedmodels",
    "efficientnet_pytorch",
    "transformers",
    "torchaudio.models",
    "monai.networks",
    "open_clip",
)
_CONTAINERS = ("Sequential", "ModuleDict")
_MOST = 6


def library_builders(tree: Tree, near: Mapping[str, int]) -> list[tuple[Module, ast.FunctionDef]]:
    """Return up to six functions that return what a library builds, those nearest to an entry script first."""
    found = [
        (module, node)
        for module in tree.modules
        if not module.document
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef) and node.name not in NO_FACTORIES and _builds(module, node)
    ]
    return sorted(found, key=lambda pair: (near.get(pair[0].path, 1_000), pair[0].path, pair[1].lineno))[:_MOST]


def made_at_import(tree: Tree, near: Mapping[str, int]) -> list[tuple[Module, str, int]]:
    """Return up to six names that files give to sequences of layers, with their lines: ``net = nn.Sequential(…)``."""
    found = [
        (module, target.id, node.lineno)
        for module in tree.modules
        for node in (() if module.document else module.tree.body)
        for target in (node.targets if isinstance(node, ast.Assign) and _is_container(node.value) else ())
        if isinstance(target, ast.Name)
    ]
    return sorted(found, key=lambda entry: (near.get(entry[0].path, 1_000), entry[0].path, entry[2]))[:_MOST]


def _is_container(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and _text(value.func).rpartition(".")[2] in _CONTAINERS


def _builds(module: Module, function: ast.FunctionDef) -> bool:
    below = walk(function)
    returned = [node.value for node in below if isinstance(node, ast.Return) and node.value is not None]
    if not any(isinstance(value, (ast.Name, ast.Call)) for value in returned):
        return False
    return any(_is_library(module, node.func) for node in below if isinstance(node, ast.Call)) or any(
        _is_container(value) for value in returned
    )


def _is_library(module: Module, function: ast.expr) -> bool:
    """Tell whether what is called comes from a library of models: ``models.resnet50``, ``zoo.__dict__[name]``."""
    first, _, rest = _text(function).partition(".")
    source, original = module.aliases.get(first, ("", ""))
    full = ".".join(filter(None, (source, original, rest)))
    return any(full == library or full.startswith(f"{library}.") for library in _LIBRARIES)


def _text(node: ast.expr) -> str:
    """Return the dotted name of what is called, as far as it is one."""
    return ".".join(reversed(list(_parts(node))))


def _parts(node: ast.expr) -> Iterator[str]:
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            yield node.attr
            node = node.value
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            return
    yield node.id
