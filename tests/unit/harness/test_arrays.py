"""Arrays without numpy, and the .npy format against a header written by hand."""

from __future__ import annotations

import struct
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnnbox.harness import arrays
from dnnbox.harness.arrays import Array


@pytest.mark.parametrize("dtype", sorted(arrays.DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
def test_npy__every_dtype_and_shape__comes_back(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    data = bytes(arrays.count(shape) * arrays.itemsize(dtype))
    path = str(tmp_path / "a.npy")
    arrays.write_npy(path, dtype, shape, data)
    assert arrays.read_npy(path) == (dtype, shape, data)
    assert (tmp_path / "a.npy").stat().st_size % 64 == len(data) % 64


def test_npy__numpys_own_bytes__are_read(tmp_path: Path) -> None:
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }".ljust(117) + "\n"
    raw = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header.encode() + struct.pack("<2f", 1.5, -2)
    (tmp_path / "a.npy").write_bytes(raw)
    loaded = arrays.load(str(tmp_path / "a.npy"))
    assert (loaded.dtype, loaded.shape, list(loaded.values())) == ("float32", (2,), [1.5, -2.0])


def npy(descriptor: str, fortran: bool, shape: str) -> bytes:
    header = f"{{'descr': {descriptor!r}, 'fortran_order': {fortran}, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header.encode()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not a .npy"),
        (b"PK\x03\x04rest of a zip", "not a .npy"),
        (b"\x93NUMPY\x01\x00\x02\x00{}", "dtype None"),
        (npy("|O", False, "(1,)"), "|O"),
        (npy("<f4", True, "(1,)"), "Fortran"),
        (npy("<f4", False, "(9,)"), "0 bytes"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 30), "long"),
    ],
)
def test_read_npy__not_one_of_ours__refused(raw: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(raw)
    with pytest.raises(ValueError, match=words.replace("|", r"\|")):
        arrays.read_npy(str(tmp_path / "a.npy"))


def test_write_npy__bytes_of_another_shape__refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="8 bytes are not"):
        arrays.write_npy(str(tmp_path / "a.npy"), "float32", (3,), bytes(8))


@given(st.lists(st.floats(width=16, allow_nan=False), max_size=20))
def test_values__float16__are_exact(numbers: list[float]) -> None:
    array16 = Array("float16", (len(numbers),), struct.pack(f"<{len(numbers)}e", *numbers))
    assert list(array16.values()) == numbers


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        (3, "int64", ()),
        (True, "bool", ()),
        ([1, 2.5], "float64", (2,)),
        ([[1, 2], [3, 4]], "int64", (2, 2)),
        ([], "float64", (0,)),
        ([[], []], "float64", (2, 0)),
    ],
)
def test_of_numbers__lists__dtype_and_shape(value: object, dtype: str, shape: tuple[int, ...]) -> None:
    made = arrays.of_numbers(value)
    assert (made.dtype, made.shape) == (dtype, shape)


@pytest.mark.parametrize("value", [[[1], [2, 3]], ["a"], [[1], 2], None])
def test_of_numbers__ragged_or_not_numbers__refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"array|number"):
        arrays.of_numbers(value)


def test_sha256__of_the_bytes_only() -> None:
    data = array("f", [1, 2]).tobytes()
    assert Array("float32", (2,), data).sha256() == Array("int32", (2, 1), data).sha256()
