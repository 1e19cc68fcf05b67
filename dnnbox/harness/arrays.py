"""Arrays without numpy: one plain form for every library's tensors, and the .npy file format (NEP 1, version 1.0)."""

from __future__ import annotations

import ast
import hashlib
import struct
from array import array
from typing import Any, List, NamedTuple, Sequence, Tuple, Union, cast

DTYPES = {
    "bool": ("|b1", "?"),
    "int8": ("|i1", "b"),
    "uint8": ("|u1", "B"),
    "int16": ("<i2", "h"),
    "uint16": ("<u2", "H"),
    "int32": ("<i4", "i"),
    "uint32": ("<u4", "I"),
    "int64": ("<i8", "q"),
    "uint64": ("<u8", "Q"),
    "float16": ("<f2", "e"),
    "float32": ("<f4", "f"),
    "float64": ("<f8", "d"),
    "complex64": ("<c8", ""),
    "complex128": ("<c16", ""),
}
"""Name -> (descriptor in a .npy header, code in :mod:`struct`). bfloat16 has no descriptor: it is widened before."""

_MAGIC = b"\x93NUMPY"
_HEADER_LIMIT = 65535
_NAMES = {descriptor: name for name, (descriptor, _) in DTYPES.items()}
_NAMES.update({"<b1": "bool", "<i1": "int8", "<u1": "uint8", "|b1": "bool"})

Bytes = Union[bytes, bytearray, memoryview]


class Array(NamedTuple):
    """Values in C order, little endian. ``dtype`` is a key of :data:`DTYPES`."""

    dtype: str
    shape: Tuple[int, ...]
    data: Bytes

    def values(self) -> Sequence[Any]:
        """Return the values as one flat sequence of Python numbers (complex ones as real, imaginary, real …)."""
        view = memoryview(self.data).cast("B")
        code = DTYPES[self.dtype][1]
        if self.dtype == "float16":  # memoryview.cast knows "e" only from Python 3.12 on
            return struct.unpack("<%de" % (len(view) // 2), view)
        if not code:
            code = "f" if self.dtype == "complex64" else "d"
        return view.cast(cast("Any", code))

    def sha256(self) -> str:
        """Return the hex digest of the bytes, without dtype or shape."""
        return hashlib.sha256(memoryview(self.data).cast("B")).hexdigest()


def itemsize(dtype: str) -> int:
    """Return the size of one item in bytes."""
    return int(DTYPES[dtype][0][2:])


def count(shape: Sequence[int]) -> int:
    """Return the number of items; 1 for a scalar."""
    total = 1
    for size in shape:
        total *= int(size)
    return total


def write_npy(path: str, dtype: str, shape: Sequence[int], data: Bytes) -> None:
    """Write a .npy file that ``numpy.load`` reads.

    Raises:
        ValueError: a dtype that the format cannot name, or bytes that are not of this shape.
    """
    if dtype not in DTYPES:
        raise ValueError("a .npy file cannot hold %s" % dtype)
    view = memoryview(data).cast("B")
    if len(view) != count(shape) * itemsize(dtype):
        raise ValueError("%d bytes are not %s%s" % (len(view), dtype, list(shape)))
    fields = {"descr": DTYPES[dtype][0], "fortran_order": False, "shape": tuple(int(size) for size in shape)}
    text = repr(fields).encode("latin-1")
    padding = -(len(_MAGIC) + 4 + len(text) + 1) % 64  # the data begins at a multiple of 64
    header = text + b" " * padding + b"\n"
    with open(path, "wb") as file:
        file.write(_MAGIC + b"\x01\x00" + struct.pack("<H", len(header)) + header)
        file.write(view)


def read_npy(path: str) -> Tuple[str, Tuple[int, ...], memoryview]:
    """Return (dtype, shape, bytes in C order) of a .npy file; objects and Fortran order are refused.

    Raises:
        ValueError: not a .npy file, one of another kind, or one that was cut short.
    """
    with open(path, "rb") as file:
        dtype, shape = _read_header(file)
        expected = count(shape) * itemsize(dtype)
        data = file.read(expected + 1)
    if len(data) != expected:
        raise ValueError("the .npy file holds %d bytes where %s%s needs %d" % (len(data), dtype, list(shape), expected))
    return dtype, shape, memoryview(data)


def _read_header(file: Any) -> Tuple[str, Tuple[int, ...]]:
    start = file.read(8)
    if start[:6] != _MAGIC or len(start) != 8:
        raise ValueError("not a .npy file")
    size_format = "<H" if start[6] == 1 else "<I"
    (length,) = struct.unpack(size_format, file.read(struct.calcsize(size_format)))
    if length > _HEADER_LIMIT:
        raise ValueError("the .npy header is %d bytes long" % length)
    header = ast.literal_eval(file.read(length).decode("utf-8"))
    if not isinstance(header, dict) or header.get("fortran_order"):
        raise ValueError("a .npy file in Fortran order: save numpy.ascontiguousarray(array) instead")
    descriptor = str(header.get("descr")).replace("=", "<")
    if descriptor not in _NAMES:
        raise ValueError("a .npy file of dtype %s is not supported" % descriptor)
    return _NAMES[descriptor], tuple(int(size) for size in header["shape"])


def load(path: str) -> Array:
    """Return the array of a .npy file; the same errors as :func:`read_npy`."""
    dtype, shape, data = read_npy(path)
    return Array(dtype, shape, data)


def of_numbers(value: Any) -> Array:
    """Return the array of a number, or of equally nested lists of numbers: bool, int64 or float64.

    Raises:
        ValueError: ragged nesting, or something that is not a number.
    """
    shape: List[int] = []
    level = value
    while isinstance(level, (list, tuple)):
        shape.append(len(level))
        level = level[0] if level else 0.0
    flat: List[Any] = []
    _flatten(value, tuple(shape), flat)
    if flat and all(isinstance(item, bool) for item in flat):
        return Array("bool", tuple(shape), bytes(flat))
    if flat and all(isinstance(item, int) for item in flat):
        return Array("int64", tuple(shape), array("q", flat).tobytes())
    return Array("float64", tuple(shape), array("d", flat).tobytes())


def _flatten(value: Any, shape: Tuple[int, ...], into: List[Any]) -> None:
    if not shape:
        if not isinstance(value, (bool, int, float)):
            raise ValueError("%s is not a number" % type(value).__name__)
        into.append(value)
        return
    if not isinstance(value, (list, tuple)) or len(value) != shape[0]:
        raise ValueError("lists of different lengths are not an array")
    for item in value:
        _flatten(item, shape[1:], into)


class Difference(NamedTuple):
    """How far two arrays are apart. ``outside`` counts values beyond the tolerance; NaN equals NaN."""

    largest: float
    largest_relative: float
    outside: int
    total: int


def difference(expected: Array, found: Array, rtol: float, atol: float) -> Difference:
    """Return how far ``found`` is from ``expected``, value by value: allowed is ``atol + rtol * abs(expected)``.

    Raises:
        ValueError: another dtype or shape.
    """
    if expected.dtype != found.dtype or tuple(expected.shape) != tuple(found.shape):
        raise ValueError("%s%s is not %s%s" % (found.dtype, list(found.shape), expected.dtype, list(expected.shape)))
    largest, largest_relative, outside, total = 0.0, 0.0, 0, 0
    for wanted, value in zip(expected.values(), found.values()):
        total += 1
        if wanted == value or (wanted != wanted and value != value):
            continue
        apart = abs(wanted - value)
        if apart != apart:  # one of them is no number
            apart = float("inf")
        size = abs(wanted)
        largest = max(largest, apart)
        largest_relative = max(largest_relative, apart / size if size else float("inf"))
        outside += apart == float("inf") or not apart <= atol + rtol * size
    return Difference(largest, largest_relative, outside, total)
