"""Checkpoints inside gzip or zlib: NeMo's .nemo of older versions, joblib's .gz and .z, a packed .pt.

Decompressed once, in memory, and only the ends of what comes out are kept: headers and pickles stand at the start, a
zip's directory at the end. Source: RFC 1950, RFC 1952.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.opening import Bytes, Memory, shown
from dnnbox.errors import Corrupt, InputLimit, Unsupported

_GZIP = b"\x1f\x8b\x08"
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_EITHER = 47  # zlib's window bits: gzip or zlib, whichever the header says
_CHUNK_BYTES = 1 << 20
_END_BYTES = 16 << 20
_MAX_BYTES = 4 << 30
_FREE_BYTES = 64 << 20
_MAX_RATIO = 50  # weights hardly compress: more than this beyond the first bytes is a bomb


class Ends(Bytes):
    """The start and the end of decompressed bytes; what lies between was passed over."""

    def __init__(self, source: Bytes, size: int, start: bytes, end: bytes) -> None:
        super().__init__(source.path, size)
        self.name = source.name
        self._start, self._end = start, end

    def _fetch(self, offset: int, length: int) -> bytes:
        if offset + length <= len(self._start):
            return self._start[offset : offset + length]
        into = offset - (self.size - len(self._end))
        if into >= 0:
            return self._end[into : into + length]
        raise InputLimit(
            f"{shown(self.path)}: bytes {offset} to {offset + length} of the decompressed file were not kept",
            hint="unpack it first (gunzip)",
        )


def unpacked(data: Bytes) -> Bytes:
    """Return the decompressed bytes; raises Corrupt for a broken stream and InputLimit for a bomb."""
    start, ends, kept, size = bytearray(), deque[bytes](), 0, 0
    for piece in _pieces(data):
        size += len(piece)
        if len(start) < _END_BYTES:
            start += piece
            continue
        ends.append(piece)
        kept += len(piece)
        while kept - len(ends[0]) >= _END_BYTES:
            kept -= len(ends.popleft())
    if size == len(start):
        return Memory(bytes(start), data.path, data.name)
    return Ends(data, size, bytes(start), b"".join(ends))


def _pieces(data: Bytes) -> Iterator[bytes]:
    """Yield what comes out, a piece at a time."""
    stream = zlib.decompressobj(_EITHER)
    size = at = 0
    try:
        while not stream.eof:
            packed = stream.unconsumed_tail or data.up_to(at, _CHUNK_BYTES)
            if not stream.unconsumed_tail:
                at += len(packed)
            piece = stream.decompress(packed, _CHUNK_BYTES)
            if not packed and not piece:
                raise Corrupt(f"{shown(data.path)} is cut short: the compressed stream does not end")
            size += len(piece)
            _limit(data, size, at)
            yield piece
    except zlib.error as error:
        raise Corrupt(f"{shown(data.path)}: the compressed stream is broken: {str(error)[:80]}") from error
    if stream.unused_data or at < data.size:
        raise Unsupported(f"{shown(data.path)} holds more than one compressed stream", hint="unpack it first (gunzip)")


def _limit(data: Bytes, size: int, read: int) -> None:
    if size > _MAX_BYTES or size > _FREE_BYTES + _MAX_RATIO * read:
        raise InputLimit(
            f"{shown(data.path)}: {read} bytes decompress to more than {size}", hint="unpack it first, if you trust it"
        )


class Compressed:
    """Reads what gzip or zlib hold: .nemo, joblib's .gz and .z, a packed .pt"""

    def sniff(self, data: Bytes) -> Match | None:
        """gzip's magic; zlib's header where a pickle comes out"""
        if data.head.startswith(_GZIP):
            return Match(0.9, "gzip")
        return Match(0.6, "zlib with a pickle inside") if data.head[:2] in _ZLIB and _holds_pickle(data.head) else None

    def read(self, data: Bytes, reading: Reading) -> None:
        """Decompress within limits and read the checkpoint inside."""
        from dnnbox.checkpoints import read_file

        inside = unpacked(data)
        if inside.head.startswith(_GZIP):
            raise Unsupported(f"{shown(data.path)} is compressed twice", hint="unpack it first (gunzip)")
        if inside.size == 0:
            raise Corrupt(f"{shown(data.path)} holds nothing")
        vars(reading).update(vars(read_file(inside)))
        reading.metadata["compressed"] = "gzip" if data.head.startswith(_GZIP) else "zlib"
        text = f"the file is compressed; {inside.size} bytes came out, which a loader has to unpack first"
        reading.find("info", "compressed", "", text)


def _holds_pickle(head: bytes) -> bool:
    try:
        out = zlib.decompressobj().decompress(head, 16)
    except zlib.error:
        return False
    return len(out) > 1 and out[0] == 0x80 and out[1] <= 5
