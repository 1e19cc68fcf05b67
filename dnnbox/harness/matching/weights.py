"""The checkpoint inside the box: its tensors by name and shape, and what else it says."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any, Dict, List, Tuple

Shapes = Dict[str, Tuple[int, ...]]


def read(path: str, entry: str) -> Tuple[Dict[str, Any], List[Dict[str, Any]]]:
    """Return (tensors by name, plain mappings found beside them). Unpickling runs code where it must."""
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file

        return dict(load_file(path)), []
    import torch

    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # names classes: the box is what contains them
        data = _with_classes(path)
    held = data
    for part in [part for part in entry.split(".") if part]:
        held = held[part] if isinstance(held, dict) else getattr(held, part)
    if isinstance(held, torch.nn.Module):
        held = held.state_dict()
    tensors = {str(name): value for name, value in held.items() if isinstance(value, torch.Tensor)}
    return tensors, list(_mappings(data, 0))


def _with_classes(path: str) -> Any:
    """Return what a file holds whose objects need code; those whose code is not here are left out, unread."""
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception:
        from ..states.reading import read as read_inertly

        return read_inertly(path, lambda _: None)


def _mappings(value: Any, depth: int) -> Any:
    if depth > 3:
        return
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = vars(value)
    elif isinstance(value, argparse.Namespace) or type(value).__name__ in ("Namespace", "SimpleNamespace"):
        value = vars(value)
    if not isinstance(value, dict):
        return
    plain = {k: v for k, v in value.items() if isinstance(k, str) and k.isidentifier() and _is_plain(v)}
    if len(plain) >= 2:
        yield plain
    for inner in list(value.values())[:50]:
        for found in _mappings(inner, depth + 1):
            yield found


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) < 1000 and all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return len(value) < 1000 and all(_is_plain(item) for item in value.values())
    return value is None or isinstance(value, (bool, int, float, str))


def viewed(tensors: Dict[str, Any], prefix: str) -> Dict[str, Any]:
    """Return the tensors below a prefix, without it."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
