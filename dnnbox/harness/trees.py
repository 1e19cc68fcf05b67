"""From whatever a library returns (tensors in dicts, tuples, dataclasses …) to named plain arrays, by duck typing.

No library is imported here: a value that came from numpy or torch brings its own methods.
"""

from __future__ import annotations

import ctypes
import dataclasses
from array import array
from typing import Any, Callable, Iterator, List, Optional, Tuple

from . import arrays
from .arrays import Array

_TYPECODES = {
    "b": "int8",
    "B": "uint8",
    "h": "int16",
    "H": "uint16",
    "i": "int32",
    "I": "uint32",
    "q": "int64",
    "Q": "uint64",
    "f": "float32",
    "d": "float64",
}
_DEPTH_LIMIT = 12
_LEAF_LIMIT = 512


def named_arrays(value: Any, name: str = "output") -> Tuple[List[Tuple[str, Array]], List[str]]:
    """Return ([(name, array)], [what was left out and why]) in the order met.

    Nested names are joined by dots; a lone tensor is called ``name``.
    """
    found: List[Tuple[str, Array]] = []
    skipped: List[str] = []
    for path, leaf in _leaves(value, "", 0):
        label = path or name
        converted = to_array(leaf)
        if converted is None:
            skipped.append("%s is a %s, not an array" % (label, type(leaf).__name__))
        elif len(found) < _LEAF_LIMIT:
            found.append((label, converted))
    return found, skipped


def _leaves(value: Any, path: str, depth: int) -> Iterator[Tuple[str, Any]]:
    children = _children(value) if depth < _DEPTH_LIMIT else None
    if children is None:
        if value is not None:
            yield path, value
        return
    for key, child in children:
        yield from _leaves(child, "%s.%s" % (path, key) if path else key, depth + 1)


def _children(value: Any) -> Optional[List[Tuple[str, Any]]]:
    """Return the named parts of a container, or None for a leaf."""
    if isinstance(value, Array) or _is_tensor(value):
        return None
    if isinstance(value, dict) or (hasattr(value, "keys") and hasattr(value, "items")):
        return [(str(key), child) for key, child in value.items()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(zip(value._fields, value))
    if isinstance(value, (list, tuple)):
        return None if _is_numbers(value) else [(str(index), child) for index, child in enumerate(value)]
    return parameters_of(value) or None


def parameters_of(value: Any) -> List[Tuple[str, Any]]:
    """Return what a distribution of numbers was made with, tensors or other distributions; [] for any other object."""
    if not (hasattr(type(value), "arg_constraints") and hasattr(value, "log_prob")):
        return []
    own = [(name, held) for name, held in vars(value).items() if _is_tensor(held) or hasattr(held, "log_prob")]
    return [pair for pair in own if not pair[0].startswith("_")] or own


def _is_numbers(value: Any) -> bool:
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (bool, int, float))


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def to_array(value: Any) -> Optional[Array]:
    """Return the plain form of one leaf, or None if it is not numeric. bfloat16 and narrower floats become float32."""
    if isinstance(value, Array):
        return value
    if isinstance(value, array):
        return Array(_typecode(value), (len(value),), value.tobytes())
    if hasattr(value, "detach") and hasattr(value, "data_ptr"):
        return _of_torch(value)
    if _is_tensor(value) and hasattr(value, "tobytes"):
        return _of_numpy(value)
    if isinstance(value, (bool, int, float, list, tuple)):
        try:
            return arrays.of_numbers(value)
        except (ValueError, OverflowError):
            return None
    if hasattr(value, "__array__"):
        return _of_numpy(value.__array__())
    return None


def _typecode(value: Any) -> str:
    if value.typecode in "lL":  # its size is the platform's
        return "%sint%d" % ("u" if value.typecode == "L" else "", 8 * value.itemsize)
    return _TYPECODES.get(value.typecode, "uint8")


def _of_numpy(value: Any) -> Optional[Array]:
    name = value.dtype.name
    if name not in arrays.DTYPES:
        if "float" not in name:
            return None
        value, name = value.astype("float32"), "float32"  # ml_dtypes: bfloat16, float8 …
    ordered = value.astype(value.dtype.newbyteorder("<"), copy=False)
    return Array(name, tuple(int(size) for size in value.shape), ordered.tobytes())


def _of_torch(value: Any) -> Optional[Array]:
    tensor = value.detach()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if str(tensor.layout) != "torch.strided":
        tensor = tensor.to_dense()
    tensor = tensor.cpu().resolve_conj().resolve_neg().contiguous()
    name = str(tensor.dtype).rpartition(".")[2]
    if name not in arrays.DTYPES:
        if "float" not in name:
            return None
        tensor, name = tensor.float(), "float32"
    # Not through numpy, which need not be installed beside torch.
    data = ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""
    return Array(name, tuple(int(size) for size in tensor.shape), data)


def leaves(value: Any) -> List[Any]:
    """Return the tensors in a nesting of dicts, lists, tuples and dataclasses, in order."""
    return [leaf for _, leaf in _leaves(value, "", 0) if _is_tensor(leaf)]


def convert(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Return the same nesting of dicts, lists and tuples with ``leaf`` applied to every tensor in it."""
    if isinstance(value, dict):
        return {key: convert(child, leaf) for key, child in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(convert(child, leaf) for child in value)
    return leaf(value) if _is_tensor(value) else value


def plain(value: Any, depth: int = 0) -> Any:
    """Return a JSON form of a decoded result: numbers finite or None, long and unknown things shortened."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None  # NaN and the infinities have no JSON form
    if isinstance(value, str):
        return value if len(value) <= 10000 else value[:10000] + "…"
    if depth > _DEPTH_LIMIT:
        return "…"
    if isinstance(value, dict):
        return {str(key): plain(child, depth + 1) for key, child in list(value.items())[:1000]}  # type: Dict[str, Any]
    if isinstance(value, (list, tuple, set)):
        return [plain(child, depth + 1) for child in list(value)[:1000]]
    if _is_tensor(value) and hasattr(value, "tolist"):
        return plain(value.tolist(), depth + 1)
    return plain(repr(value))
