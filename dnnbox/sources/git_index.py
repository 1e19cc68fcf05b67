"""Git's index, read as data: which commit each submodule stands at.

Source: gitformat-index(5), versions 2 and 3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from dnnbox.walk import read_head

_LARGEST_BYTES = 64 << 20
_FIXED = struct.Struct(">10I20sH")
_SUBMODULE = 0o160000
_EXTENDED, _NAME = 0x4000, 0x0FFF


def entries(index: Path) -> Iterator[tuple[str, str]]:
    """Yield (path, commit) of the submodules in an index; nothing where it is of another version or broken."""
    data = read_head(index, _LARGEST_BYTES) or b""
    if data[:4] != b"DIRC" or data[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
        return
    place = 12
    for _ in range(int.from_bytes(data[8:12], "big")):
        if place + _FIXED.size > len(data):
            return
        *facts, sha, flags = _FIXED.unpack_from(data, place)
        start = place + _FIXED.size + (2 if flags & _EXTENDED else 0)
        end = data.find(b"\0", start) if flags & _NAME == _NAME else start + (flags & _NAME)
        if end < start:
            return
        if facts[6] & 0o170000 == _SUBMODULE:
            yield data[start:end].decode("utf-8", "replace"), sha.hex()
        place += (end - place) // 8 * 8 + 8  # entries end with 1 to 8 NULs, on a multiple of 8
