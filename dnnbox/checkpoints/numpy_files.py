"""numpy's .npy and .npz: the header is a Python literal of three fields, parsed by pattern and never evaluated.

Arrays of objects are pickles and are judged as such. Source: numpy/lib/format.py (2.4).
"""

from __future__ import annotations

import contextlib
import re
from math import prod

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.dtypes import from_numpy, size_bytes
from dnnbox.checkpoints.opening import Bytes, Part, shown
from dnnbox.errors import Corrupt, Unsupported
from dnnbox.text import visible

_MAGIC = b"\x93NUMPY"
# The whole header must match: of a field given twice, Python takes the last and a search the first.
_HEADER = re.compile(
    r"\{'descr': '([^']{1,40})', 'fortran_order': (?:True|False), 'shape': \(([\d, L]{0,1000})\),? ?\}\s*"
)
_MAX_HEADER_BYTES = 1 << 20
_OBJECTS = "O"


class Npy:
    """Reads one array."""

    def sniff(self, data: Bytes) -> Match | None:
        """The magic."""
        return Match(1.0, "NUMPY magic") if data.head.startswith(_MAGIC) else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read the header."""
        reading.format, reading.framework = "numpy", "numpy"
        _array(data, "", reading)


class Npz:
    """Reads a zip of arrays."""

    def sniff(self, data: Bytes) -> Match | None:
        """A zip of .npy files only."""
        names = list(data.archive.members)
        return Match(0.9, "zip of npy") if names and all(name.endswith(".npy") for name in names) else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Read every member's header."""
        reading.format, reading.framework = "numpy", "numpy"
        for name, member in data.archive.members.items():
            _array(data.archive.open(name), name.removesuffix(".npy"), reading, member.checksum)


def _array(data: Bytes, name: str, reading: Reading, crc32: str = "") -> None:
    """Report one array; its numbers must fill the rest of the bytes exactly."""
    head = data.read(0, 12)
    if not head.startswith(_MAGIC) or head[6] not in (1, 2, 3):
        raise Corrupt(f"{shown(data.path)}: {visible(name, 80) or 'the array'} has no numpy header")
    width, start = (2, 10) if head[6] == 1 else (4, 12)
    length = int.from_bytes(head[8 : 8 + width], "little")
    if length > _MAX_HEADER_BYTES:
        raise Corrupt(f"{shown(data.path)}: a numpy header of {length} bytes")
    header = data.read(start, length).decode("latin-1")
    found = _HEADER.fullmatch(header)
    if found is None:
        raise Unsupported(
            f"{shown(data.path)}: {visible(name, 80) or 'the array'} is a table of records or not numpy's"
        )
    extents = tuple(int(part.strip(" L")) for part in found[2].split(",") if part.strip(" L").isdecimal())
    dtype = from_numpy(found[1])
    reading.scanned.append(f"{name or 'header'}")
    if found[1].endswith(_OBJECTS):
        _objects(data, start + length, name, reading)
    else:
        _check(data, dtype, extents, start + length)
    reading.add_tensor(name, "object" if found[1].endswith(_OBJECTS) else dtype, extents, crc32=crc32)


def _check(data: Bytes, dtype: str, extents: tuple[int, ...], start: int) -> None:
    expected = size_bytes(dtype, prod(extents))
    if expected and start + expected != data.size:
        raise Corrupt(f"{shown(data.path)}: an array needs {expected} bytes, {data.size - start} are there")


def _objects(data: Bytes, start: int, name: str, reading: Reading) -> None:
    from dnnbox.checkpoints.pickled import Broken, Pickles

    pickles = Pickles(reading)
    with contextlib.suppress(Broken):
        pickles.run(Part(data, start, data.size - start, name), f"{name or 'array'} (objects)")
    pickles.judge()
