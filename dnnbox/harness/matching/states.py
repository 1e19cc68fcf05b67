"""States that a method hands to a recurrent layer: ``self.cell(x, (h, c))``, ``self.gru(x, hidden)``."""

from __future__ import annotations

import ast
from typing import Any, List, Optional

from .kinds import is_same, receivers
from .parsing import is_name, parsed
from .values import tensor

_OF_TORCH = "torch.nn.modules.rnn"
_DEEPEST = 3


def handed(module: Any, function: Any, name: str, shape: List[int], depth: int = 0) -> Optional[Any]:
    """Return the state that a parameter is where a method hands it to a recurrent layer, itself or through another
    method or a part; None where it does not. ``shape``: of the main input."""
    for call in ast.walk(parsed(function)):
        if not isinstance(call, ast.Call):
            continue
        layer = _layer(module, call)
        for node in _given(call) if layer is not None else ():
            if is_same(node, name):
                one = state_of(layer, shape)
                return {"$tuple": [one, one]} if "LSTM" in type(layer).__name__ else one
            if isinstance(node, (ast.Tuple, ast.List)) and any(is_same(item, name) for item in node.elts):
                return state_of(layer, shape)
        for target, parameter in receivers(module, call, name) if layer is None and depth < _DEEPEST else ():
            owner, method = getattr(target, "__self__", target), getattr(target, "forward", target)
            found = handed(owner, method, parameter, shape, depth + 1)
            if found is not None:
                return found
    return None


def state_of(layer: Any, shape: List[int]) -> Any:
    """Return a state of a recurrent layer for as many items as it reads at once of the main input."""
    if type(layer).__name__.endswith("Cell"):
        return tensor("float32", [shape[0], layer.hidden_size])
    is_batch_first = layer.batch_first or len(shape) not in (2, 3)  # pictures lie side by side on their first axis
    several = layer.num_layers * (1 + bool(layer.bidirectional))
    return tensor("float32", [several, shape[0] if is_batch_first else shape[1], layer.hidden_size])


def _layer(module: Any, call: ast.Call) -> Any:
    """Return the recurrent layer of torch's that is called; None for any other call."""
    if not isinstance(call.func, ast.Attribute) or not is_name(call.func.value, "self"):
        return None
    layer = getattr(module, call.func.attr, None)
    return layer if any(cls.__module__ == _OF_TORCH for cls in type(layer).__mro__) else None


def _given(call: ast.Call) -> List[ast.expr]:
    """Return what a recurrent layer is given as its state."""
    return call.args[1:2] + [keyword.value for keyword in call.keywords if keyword.arg == "hx"]
