"""Methods that run a model where its ``forward`` does not, and what has to be called before them."""

from __future__ import annotations

import ast
import inspect
from typing import Any, Collection, Dict, Iterator, List, Set

from .parsing import is_name, parameters, parsed

USUAL = (
    "inference",
    "infer",
    "encode",
    "encode_image",
    "extract_features",
    "predict",
    "forward_features",
    "sample",
    "act",
    "get_action",
)
_MOST = 4
_OF_TORCH = "torch."
_WITHOUT_FORWARD = ("torch", "pytorch_lightning", "lightning")  # whose base classes have one that only raises


def usual(module: Any) -> Iterator[str]:
    """Yield the methods that many models are run by."""
    for name in USUAL:
        if inspect.ismethod(getattr(module, name, None)):
            yield name


def sole_part(module: Any) -> str:
    """Return the name of the part that holds all tensors of a class without a forward pass of its own, as classes have
    that only train: such a part is what is run. "" for any other class."""
    definer = next((cls for cls in type(module).__mro__ if "forward" in vars(cls)), object)
    if definer.__module__.partition(".")[0] not in _WITHOUT_FORWARD:
        return ""
    held = {name.partition(".")[0] for name in module.state_dict()}
    return held.pop() if len(held) == 1 and hasattr(getattr(module, min(held)), "forward") else ""


def own(module: Any, called: Collection[str]) -> List[str]:
    """Return the other methods of a model's class that hand an input to a part of it and return something; those that
    other files of the source call (``called``) alone, where there are such."""
    names = [name for name in _defined(module) if name not in USUAL and _runs(module, getattr(module, name))]
    return [name for name in names if not called or name in called][:_MOST]


def before(module: Any, name: str) -> List[str]:
    """Return the methods that set what another one reads, and that nothing has set yet."""
    lacking = {
        attribute
        for attribute in _attributes(getattr(module, name), ast.Load)
        if getattr(module, attribute, None) is None
    }
    setters = [each for each in _defined(module) if each != name]
    return [each for each in setters if lacking & _attributes(getattr(module, each), ast.Store)][:1] if lacking else []


def _defined(module: Any) -> List[str]:
    """Return the names of the methods that the classes of the source define, in the order of their code."""
    found: Dict[str, None] = {}
    for cls in type(module).__mro__:
        if not cls.__module__.startswith(_OF_TORCH) and cls is not object:
            for name, value in vars(cls).items():
                if inspect.isfunction(value) and not name.startswith("_") and name != "forward":
                    found[name] = None
    return list(found)


def _runs(module: Any, function: Any) -> bool:
    """Tell whether a method hands a parameter to a part of the model, and returns something."""
    tree = parsed(function)
    names = parameters(function)
    returned = any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(tree))
    return returned and any(_is_part_called(module, node, names) for node in ast.walk(tree))


def _is_part_called(module: Any, node: ast.AST, names: Collection[str]) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return False
    given = any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(node.args[0]))
    is_own = is_name(node.func.value, "self") and given
    return is_own and hasattr(getattr(module, node.func.attr, None), "forward")


def _attributes(function: Any, context: Any) -> Set[str]:
    """Return the attributes of ``self`` that a method reads or sets."""
    return {
        node.attr
        for node in ast.walk(parsed(function))
        if isinstance(node, ast.Attribute) and is_name(node.value, "self") and isinstance(node.ctx, context)
    }
