"""The pure constructors that the machine imitates: torch's rebuild functions, dicts, numpy arrays; the rest is a Call.

Source: torch/_utils.py, torch/_tensor.py, torch/serialization.py (2.13); numpy/_core/multiarray (2.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dnnbox.checkpoints.dtypes import STORAGES, from_numpy
from dnnbox.checkpoints.pickles.values import Call, Dict, Global, Refused, Storage, Tensor, Value, Word

_MAX_DIMENSIONS = 64
_MAX_EXTENT = 1 << 62
_SAFE_ENCODINGS = frozenset(("latin1", "latin-1", "iso-8859-1", "ascii", "utf-8", "utf8"))

Arguments = tuple[Value, ...]


class Array(Tensor):
    """A numpy array; ``items`` are the elements of one of objects."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        super().__init__("", ())
        self.items: list[Value] = []


Maker = Callable[[Arguments], Value]
"""Returns what a call would build, as an inert value; None where that is no more than the call itself."""


def apply(function: Global, arguments: Arguments) -> Value:
    """Return what ``function(*arguments)`` would build, as an inert value."""
    made = maker_of(function)(arguments)
    return Call(function, arguments) if made is None else made


def maker_of(function: Global) -> Maker:
    """Return what imitates calls of a function."""
    return _MAKERS.get(function.path, _nothing)


def _nothing(_: Arguments) -> Value:
    return None


def instance(cls: Global, arguments: Arguments) -> Value:
    """Return what ``cls.__new__(cls, *arguments)`` would build."""
    return apply(cls, arguments) if cls.path in _DICTS else Call(cls, arguments)


def put(target: Value, key: Value, value: Value, offset: int) -> None:
    """Imitate ``target[key] = value``."""
    if isinstance(target, Dict):
        target[_key(key, len(target))] = value
    elif isinstance(target, Call):
        target.pairs[_key(key, len(target.pairs))] = value
    else:
        raise Refused("malformed", "an item is set on something that is no dict", offset)


def build(target: Value, state: Value) -> None:
    """Imitate BUILD: keep the state; nothing is set on anything live."""
    if isinstance(target, Array):
        _fill_array(target, state)
    elif isinstance(target, Dict):
        target.state = state
    elif isinstance(target, Call):
        target.state = state if target.state is None else (target.state, state)


def persistent(identity: Value, sources: dict[str, tuple[str, str]]) -> Value:
    """Return what a persistent id stands for: torch's storages, and the classes of legacy files with their source."""
    if isinstance(identity, tuple) and len(identity) >= 5 and identity[0] == "storage":
        return _storage(identity)
    if isinstance(identity, tuple) and len(identity) >= 2 and identity[0] == "module":
        cls = identity[1]
        if isinstance(cls, Global) and len(identity) >= 4:
            sources[cls.path] = (str(identity[2])[:500], str(identity[3])[:100_000])
        return cls
    return Call(Global("", "persistent_id"), (identity,))


def _storage(identity: Arguments) -> Storage:
    cls, key, device, count = identity[1:5]
    name = cls.name if isinstance(cls, Global) else ""
    elements = count if type(count) is int and count >= 0 else 0
    return Storage(STORAGES.get(name, name or "unknown"), _text(key), _text(device), elements, name == "UntypedStorage")


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value if len(value) <= 200 else value[:200]
    return str(value) if type(value) is int else ""


def _key(key: Value, count: int) -> object:
    """Return a key that is cheap and safe to hash: crafted ints and nested tuples could collide or recurse."""
    if key is None or type(key) in (str, bool, float, bytes) or isinstance(key, (str, Global)):
        return key
    if type(key) is int:
        return key if -(1 << 60) < key < 1 << 60 else hex(key)[:40]
    if type(key) is tuple and len(key) <= 16 and all(type(part) in (str, int, bool, float) for part in key):
        return "(" + ", ".join(str(part)[:100] for part in key) + ")"
    return f"<key {count}>"


def ints(value: Value) -> tuple[int, ...] | None:
    """Return a shape or stride, None for anything else."""
    if not isinstance(value, (tuple, list)) or len(value) > _MAX_DIMENSIONS:
        return None
    for item in value:
        if type(item) is not int or not 0 <= item < _MAX_EXTENT:
            return None
    return tuple(value)


def dtype_of(value: Value) -> str:
    """Return the name of a torch or numpy dtype value."""
    if isinstance(value, Global):
        return value.name
    return value.text if isinstance(value, Word) else ""


# torch


def _tensor(arguments: Arguments, dtype: Value = None) -> Value:
    if len(arguments) < 4:
        return None
    storage, offset, size, stride = arguments[:4]
    shape, steps = ints(size), ints(stride)
    if not isinstance(storage, Storage) or shape is None or steps is None or type(offset) is not int:
        return None
    name = dtype_of(dtype) or storage.dtype
    return Tensor(name, shape, steps, offset, storage, device=storage.device)


def _tensor_v3(arguments: Arguments) -> Value:
    return _tensor(arguments, arguments[6]) if len(arguments) > 6 else None


def _parameter(arguments: Arguments) -> Value:
    made = arguments[0] if arguments else None
    if isinstance(made, Tensor):
        made.is_parameter = True
        return made
    return None


def _from_type(arguments: Arguments) -> Value:
    if len(arguments) >= 3 and isinstance(arguments[0], Global) and isinstance(arguments[2], tuple):
        return apply(arguments[0], arguments[2])
    return None


def _meta(arguments: Arguments) -> Value:
    shape = ints(arguments[1]) if len(arguments) >= 3 else None
    return None if shape is None else Tensor(dtype_of(arguments[0]), shape, ints(arguments[2]) or (), device="meta")


def _sparse(arguments: Arguments) -> Value:
    parts = arguments[1] if len(arguments) == 2 else None
    if not isinstance(parts, tuple) or len(parts) < 3:
        return None
    tensors = [part for part in parts if isinstance(part, Tensor)]
    shape = next((found for part in parts if (found := ints(part)) is not None), None)
    if shape is None or not tensors:
        return None
    values = tensors[-1]
    return Tensor(values.dtype, shape, (), 0, values.storage, layout="sparse", device=values.device)


def _nested(arguments: Arguments) -> Value:
    buffer = arguments[0] if arguments else None
    return (
        Tensor(buffer.dtype, buffer.shape, (), 0, buffer.storage, layout="nested")
        if isinstance(buffer, Tensor)
        else None
    )


def _on_device(arguments: Arguments) -> Value:
    source = arguments[0] if len(arguments) >= 3 else None
    if not isinstance(source, Tensor):
        return None
    return Tensor(
        dtype_of(arguments[1]) or source.dtype, source.shape, storage=source.storage, device=_text(arguments[2])
    )


def _wrapper(arguments: Arguments) -> Value:
    shape = ints(arguments[2]) if len(arguments) >= 4 else None
    return None if shape is None else Tensor(dtype_of(arguments[1]), shape, ints(arguments[3]) or ())


def _first(arguments: Arguments) -> Value:
    return arguments[0] if arguments and isinstance(arguments[0], tuple) else arguments


def _word(arguments: Arguments) -> Value:
    return Word(":".join(_text(part) for part in arguments)[:200])


def _tagged(arguments: Arguments) -> Value:
    return arguments[0] if arguments and isinstance(arguments[0], (Dict, list, tuple)) else None


# Python and numpy


def _dict(arguments: Arguments) -> Value:
    made = Dict()
    source = arguments[-1] if arguments else None
    if isinstance(source, Dict):
        made.update(source)
    for pair in source if isinstance(source, (list, tuple)) else ():
        if isinstance(pair, (list, tuple)) and len(pair) == 2:
            put(made, pair[0], pair[1], 0)
    return made


def _encode(arguments: Arguments) -> Value:
    text = arguments[0] if arguments else None
    encoding = arguments[1] if len(arguments) > 1 else "utf-8"
    if not isinstance(encoding, str) or encoding.lower() not in _SAFE_ENCODINGS:
        raise Refused("danger", "text is encoded with an unusual codec", 0)
    return text.encode("latin-1", "replace") if isinstance(text, str) else None


def _list(arguments: Arguments) -> Value:
    return (
        list(arguments[0]) if arguments and isinstance(arguments[0], (list, tuple)) else [] if not arguments else None
    )


def _path(arguments: Arguments) -> Value:
    return Word("/".join(_text(part) for part in arguments)[:1000])


def _numpy_dtype(arguments: Arguments) -> Value:
    return Word(from_numpy(_text(arguments[0]))) if arguments else None


def _numpy_array(_: Arguments) -> Value:
    return Array()


def _fill_array(array: Array, state: Value) -> None:
    """Take in ndarray.__setstate__'s (version, shape, dtype, is_fortran, bytes or list)."""
    if not isinstance(state, tuple) or len(state) < 5:
        return
    shape = ints(state[1])
    array.shape, array.dtype = shape or (), dtype_of(state[2])
    if isinstance(state[4], list):
        array.items = state[4]


def _from_buffer(arguments: Arguments) -> Value:
    shape = ints(arguments[2]) if len(arguments) >= 3 else None
    if shape is None:
        return None
    made = Array()
    made.dtype, made.shape = dtype_of(arguments[1]), shape
    return made


def _scalar(arguments: Arguments) -> Value:
    """Return a numpy scalar as a Python number where its type is a plain one."""
    raw = arguments[1] if len(arguments) == 2 else None
    dtype = dtype_of(arguments[0]) if arguments else ""
    if not isinstance(raw, bytes) or len(raw) > 8:
        return None
    if dtype.startswith(("int", "uint")):
        return int.from_bytes(raw, "little", signed=dtype[0] == "i")
    if dtype == "bool":
        return bool(raw[0]) if raw else None
    return _float(raw) if dtype.startswith("float") else None


def _float(raw: bytes) -> Value:
    import struct

    code = {2: "<e", 4: "<f", 8: "<d"}.get(len(raw))
    return struct.unpack(code, raw)[0] if code else None


_DICTS = frozenset(
    (
        "collections.OrderedDict",
        "collections.defaultdict",
        "collections.Counter",
        "builtins.dict",
        "__builtin__.dict",
    )
)
_SETS = ("builtins.set", "__builtin__.set", "builtins.frozenset", "__builtin__.frozenset", "builtins.list")

_MAKERS: Mapping[str, Callable[[Arguments], Value]] = {
    **dict.fromkeys(_DICTS, _dict),
    **dict.fromkeys(_SETS, _list),
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_qtensor": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_meta_tensor_no_storage": _meta,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_nested_tensor": _nested,
    "torch._utils._rebuild_wrapper_subclass": _wrapper,
    "torch._utils._rebuild_device_tensor_from_numpy": _on_device,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _on_device,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch._tensor._rebuild_from_type": _from_type,
    "torch.Size": _first,
    "torch.device": _word,
    "torch.serialization._get_layout": _word,
    "_codecs.encode": _encode,
    "torch.jit._pickle.restore_type_tag": _tagged,
    **dict.fromkeys((f"torch.jit._pickle.build_{kind}list" for kind in ("int", "double", "bool", "tensor")), _tagged),
    **dict.fromkeys(("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.Path", "pathlib.PurePosixPath"), _path),
    **dict.fromkeys(("pathlib._local.PosixPath", "pathlib._local.WindowsPath"), _path),
    "numpy.dtype": _numpy_dtype,
    **{
        f"numpy.{package}.{name}": maker
        for package in ("core", "_core")
        for name, maker in (
            ("multiarray._reconstruct", _numpy_array),
            ("multiarray.scalar", _scalar),
            ("numeric._frombuffer", _from_buffer),
        )
    },
}
