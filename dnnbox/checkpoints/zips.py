"""A strict zip reader: the central directory is walked and held against the local headers; nothing is extracted.

What two zip readers could understand differently (duplicates, overlaps, headers that disagree, hidden bytes) is
refused, because a scanner and the loader would then see different files.
Source: PKWARE APPNOTE 6.3.10 §4.3; PyTorch writes members stored, sizes in zip64 extras where needed.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from dnnbox.checkpoints.opening import Bytes, Memory, Part, shown
from dnnbox.errors import Corrupt, InputLimit, UnsafeCheckpoint, Unsupported
from dnnbox.text import visible

_END = b"PK\x05\x06"
_END64 = b"PK\x06\x06"
_LOCATOR64 = b"PK\x06\x07"
_CENTRAL = b"PK\x01\x02"
_LOCAL = b"PK\x03\x04"
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_DESCRIPTOR = 0x8  # sizes may stand after the data instead of in the local header
_MAX_MEMBERS = 200_000
_MAX_DIRECTORY_BYTES = 64 << 20
_MAX_RATIO = 1100  # deflate cannot exceed 1032:1
MAX_MEMBER_BYTES = 256 << 20


class Member(NamedTuple):
    """One file of the archive. ``offset`` is where its (possibly compressed) data starts."""

    name: str
    method: int
    crc32: int
    compressed: int
    size: int
    offset: int

    @property
    def checksum(self) -> str:
        """The CRC-32 that the directory states, as eight hexadecimal digits; "" where the writer left it out."""
        return f"{self.crc32:08x}" if self.crc32 or not self.size else ""


class Archive:
    """The members of a zip archive by name, in the order of the central directory."""

    def __init__(self, data: Bytes) -> None:
        self.data = data
        directory, end, count = self._locate()
        self.members = self._walk(directory, end, count)
        self._check_layout(directory)

    def read(self, name: str, limit: int = MAX_MEMBER_BYTES) -> bytes:
        """Return a member's bytes, decompressed, CRC checked; raises InputLimit above ``limit``."""
        member = self.members[name]
        if member.size > limit:
            raise InputLimit(f"{self._shown(name)} has {member.size} bytes, at most {limit} are read")
        packed = self.data.read(member.offset, member.compressed)
        content = packed if member.method == _STORED else self._inflate(member, packed)
        if zlib.crc32(content) != member.crc32:
            raise Corrupt(f"{self._shown(name)}: the CRC does not match the content")
        return content

    def head(self, name: str, length: int) -> bytes:
        """Return the first bytes of a member without checking the rest."""
        member = self.members[name]
        packed = self.data.read(member.offset, min(member.compressed, length + 512))
        if member.method == _STORED:
            return packed[:length]
        try:
            return zlib.decompressobj(-15).decompress(packed, length)
        except zlib.error as error:
            raise Corrupt(f"{self._shown(name)} cannot be decompressed") from error

    def open(self, name: str, limit: int = MAX_MEMBER_BYTES) -> Bytes:
        """Return a member as bytes of its own; a stored one in place, without reading it."""
        member = self.members[name]
        if member.method == _STORED:
            return Part(self.data, member.offset, member.size, name)
        return Memory(self.read(name, limit), self.data.path, name)

    def _shown(self, name: str) -> str:
        return f"{shown(self.data.path)}/{visible(name, 120)}"

    def _inflate(self, member: Member, packed: bytes) -> bytes:
        inflater = zlib.decompressobj(-15)
        try:
            content = inflater.decompress(packed, member.size + 1)
        except zlib.error as error:
            raise Corrupt(f"{self._shown(member.name)} cannot be decompressed") from error
        if len(content) != member.size or inflater.unused_data:
            raise Corrupt(f"{self._shown(member.name)} does not have the size that the directory states")
        return content

    def _locate(self) -> tuple[int, int, int]:
        """Return where the central directory starts and ends, and how many entries it states."""
        size = self.data.size
        tail_at = max(0, size - 65_557)
        tail = self.data.read(tail_at, size - tail_at)
        ends = [at for at in _occurrences(tail, _END) if at + 22 <= len(tail)]
        exact = [at for at in ends if at + 22 + int.from_bytes(tail[at + 20 : at + 22], "little") == len(tail)]
        if not exact:
            if ends:
                raise UnsafeCheckpoint(f"{shown(self.data.path)} has bytes after the end of the zip archive")
            raise Corrupt(f"{shown(self.data.path)} is a zip archive that is cut short: its directory is missing")
        if len(exact) > 1:
            raise UnsafeCheckpoint(f"{shown(self.data.path)} has {len(exact)} zip directories; loaders may differ")
        end = tail_at + exact[0]
        disk, first_disk, _, count, length, start = struct.unpack_from("<4HII", tail, exact[0] + 4)
        stated = (count, length, start)
        if self.data.up_to(max(0, end - 20), 4) == _LOCATOR64:
            count, length, start, end = self._locate64(end)
            self._check_same(stated, (count, length, start))
        elif 0xFFFF in (disk, first_disk, count) or 0xFFFFFFFF in (length, start):
            raise Corrupt(f"{shown(self.data.path)}: the zip64 directory is missing")
        elif disk or first_disk:
            raise Unsupported(f"{shown(self.data.path)} is one part of a split zip archive")
        if start + length != end or count > _MAX_MEMBERS or length > _MAX_DIRECTORY_BYTES or count * 46 > length:
            raise _directory_error(self.data, start + length == end)
        return start, end, count

    def _locate64(self, end: int) -> tuple[int, int, int, int]:
        locator = self.data.read(end - 20, 20)
        at = int.from_bytes(locator[8:16], "little")
        record = self.data.read(at, 56)
        if record[:4] != _END64 or at + 12 + int.from_bytes(record[4:12], "little") != end - 20:
            raise Corrupt(f"{shown(self.data.path)}: the zip64 directory is not where it should be")
        count, length, start = struct.unpack_from("<QQQ", record, 32)
        return count, length, start, at

    def _check_same(self, narrow: tuple[int, int, int], wide: tuple[int, int, int]) -> None:
        """A loader that knows no zip64 reads the narrow values: they must say the same or refer to the wide ones."""
        for small, large, limit in zip(narrow, wide, (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF), strict=True):
            if small not in (large, limit):
                raise UnsafeCheckpoint(f"{shown(self.data.path)} has two zip directories that differ")

    def _walk(self, start: int, end: int, count: int) -> dict[str, Member]:
        directory = self.data.read(start, end - start)
        members: dict[str, Member] = {}
        at = 0
        for _ in range(count):
            if directory[at : at + 4] != _CENTRAL or at + 46 > len(directory):
                raise Corrupt(f"{shown(self.data.path)}: entry {len(members)} of the zip directory is broken")
            member, at = self._member(directory, at, start)
            if member.name in members:
                raise UnsafeCheckpoint(f"{self._shown(member.name)} occurs twice; loaders may differ")
            members[member.name] = member
        if at != len(directory):
            raise UnsafeCheckpoint(f"{shown(self.data.path)} has bytes hidden in the zip directory")
        return members

    def _member(self, directory: bytes, at: int, limit: int) -> tuple[Member, int]:
        flags, method, crc32, compressed, size, name_length, extra_length, comment_length, local = _FIELDS.unpack_from(
            directory, at + 8
        )
        behind_name = at + 46 + name_length
        end = behind_name + extra_length + comment_length
        if end > len(directory):
            raise Corrupt(f"{shown(self.data.path)}: the zip directory is cut short")
        raw = directory[at + 46 : behind_name]
        if extra_length:
            extra = directory[behind_name : behind_name + extra_length]
            size, compressed, local = _wide(extra, size, compressed, local)
        name = raw.decode("utf-8", "surrogateescape")
        self._check_entry(name, flags, method, compressed, size)
        offset = self._local(local, raw, flags, method, (crc32, compressed, size))
        if offset + compressed > limit:
            raise Corrupt(f"{self._shown(name)} reaches into the zip directory")
        return Member(name, method, crc32, compressed, size, offset), end

    def _check_entry(self, name: str, flags: int, method: int, compressed: int, size: int) -> None:
        if flags & _ENCRYPTED:
            raise UnsafeCheckpoint(f"{self._shown(name)} is marked as encrypted; some loaders ignore the mark")
        if method not in (_STORED, _DEFLATED):
            raise Unsupported(f"{self._shown(name)} is packed by method {method}, expected stored or deflated")
        climbs = ".." in name and ".." in name.split("/")
        if climbs or name[:1] == "/" or "\\" in name or "\0" in name or name[1:3] == ":/":
            raise UnsafeCheckpoint(f"{self._shown(name)} would be written outside the archive's folder")
        if method == _STORED and compressed != size:
            raise Corrupt(f"{self._shown(name)} is stored with two different sizes")
        if size > _MAX_RATIO * compressed + 1024:
            raise InputLimit(f"{self._shown(name)} states {size} bytes from {compressed}: a decompression bomb")

    def _local(self, at: int, raw: bytes, flags: int, method: int, facts: tuple[int, int, int]) -> int:
        """Return where the data starts, after holding the local header against the central one."""
        header = self.data.up_to(at, 30 + len(raw))
        if header[:4] != _LOCAL or len(header) < 30:
            raise Corrupt(f"{self._shown(raw.decode('utf-8', 'replace'))}: no local header at {at}")
        local_flags, local_method, crc32, compressed, size, name_length, extra_length = struct.unpack_from(
            "<HH4xIIIHH", header, 6
        )
        name = header[30 : 30 + name_length]
        wide = compressed == 0xFFFFFFFF or size == 0xFFFFFFFF
        same = (local_flags, local_method, name_length, name) == (flags, method, len(raw), raw)
        if not flags & _DESCRIPTOR and not wide:
            same = same and (crc32, compressed, size) == facts
        if not same:
            raise UnsafeCheckpoint(
                f"{self._shown(raw.decode('utf-8', 'replace'))}: local and central zip headers differ"
            )
        return int(at + 30 + name_length + extra_length)

    def _check_layout(self, directory: int) -> None:
        end = 0
        for member in sorted(self.members.values(), key=lambda member: (member.offset, member.compressed)):
            if member.offset < end:
                raise UnsafeCheckpoint(f"{self._shown(member.name)} overlaps another member")
            end = member.offset + member.compressed
        if end > directory:
            raise Corrupt(f"{shown(self.data.path)}: members reach into the zip directory")


_FIELDS = struct.Struct("<HH4xIIIHHH8xI")


def _occurrences(text: bytes, what: bytes) -> list[int]:
    found, at = [], text.find(what)
    while at >= 0:
        found.append(at)
        at = text.find(what, at + 1)
    return found


def _directory_error(data: Bytes, in_place: bool) -> Exception:
    if in_place:
        return InputLimit(f"{shown(data.path)} has an impossible or too large zip directory")
    return UnsafeCheckpoint(f"{shown(data.path)}: the zip directory is not where the archive says (bytes in between?)")


def _wide(extra: bytes, size: int, compressed: int, local: int) -> tuple[int, int, int]:
    """Return the three values with those that are all ones taken from the zip64 extra field, in its order."""
    at = 0
    values = [size, compressed, local]
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        field = extra[at + 4 : at + 4 + length]
        if kind == 1:
            for index, value in enumerate(values):
                if value == 0xFFFFFFFF and len(field) >= 8:
                    values[index], field = int.from_bytes(field[:8], "little"), field[8:]
        at += 4 + length
    return values[0], values[1], values[2]
