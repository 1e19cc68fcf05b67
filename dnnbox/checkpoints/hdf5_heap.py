"""HDF5's dense storage: the messages that a fractal heap holds, in the order of their version 2 B-tree.

Groups of many links, and objects of many or large attributes, keep them there. Every object must lie in a block that
the heap's own table leads to. Source: HDF5 File Format Specification 3.0, version 2 B-trees and fractal heaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dnnbox.checkpoints.cursor import Cursor
from dnnbox.checkpoints.opening import Bytes, Memory, Part
from dnnbox.errors import Unsupported

if TYPE_CHECKING:
    from dnnbox.checkpoints.hdf5 import File

_MAX_DEPTH = 16
_NODE_OVERHEAD = 10  # signature, version, kind, checksum
_MAX_NODE_BYTES = 1 << 20
_MANAGED, _HUGE, _TINY = 0, 1, 2
_HUGE_RECORDS, _LINK_NAMES, _ATTRIBUTE_NAMES = 1, 5, 8
_HEAP_ID_AT = {_LINK_NAMES: 4, _ATTRIBUTE_NAMES: 0}  # behind a hash, or before it


def objects(file: File, heap: int, tree: int) -> Iterator[Bytes]:
    """Yield the objects of the heap that the tree of link or attribute names refers to."""
    found = _Heap(file, heap)
    names = _Tree(file, tree)
    if names.kind not in _HEAP_ID_AT:
        raise file.cursor(tree).corrupt(f"a B-tree of kind {names.kind} where one of names is expected")
    at = _HEAP_ID_AT[names.kind]
    for record in names.records():
        yield found.object(record[at : at + found.id_bytes])


class _Tree:
    """A version 2 B-tree: records of one size, in order."""

    def __init__(self, file: File, address: int) -> None:
        self._file = file
        cursor = file.cursor(address, b"BTHD")
        cursor.skip(1)
        self.kind = cursor.u8()
        self._node_bytes = cursor.u32()
        self._record_bytes = _u16(cursor)
        self._depth = _u16(cursor)
        cursor.skip(2)
        self._root = file.offset(cursor), _u16(cursor)
        possible = 0 < self._record_bytes <= self._node_bytes <= _MAX_NODE_BYTES
        if not possible or self._depth > _MAX_DEPTH:
            raise cursor.corrupt("a B-tree of an impossible node size or depth")

    def records(self) -> Iterator[bytes]:
        """Yield every record."""
        address, count = self._root
        if address != self._file.nowhere:
            yield from self._node(address, count, self._depth, self._pointer_bytes())

    def _pointer_bytes(self) -> list[tuple[int, int]]:
        """Return for each level, leaves first, how many bytes its children's counts take: own records, all below."""
        most = (self._node_bytes - _NODE_OVERHEAD) // self._record_bytes
        own, below, widths = _width(most), most, [(0, 0)]
        total = 0  # a leaf's total is not stored
        for _ in range(self._depth):
            widths.append((own, total))
            pointer = self._file.wide + own + total
            here = max(0, self._node_bytes - _NODE_OVERHEAD - pointer) // (self._record_bytes + pointer)
            below = (here + 1) * below + here
            total = _width(below)
        return widths

    def _node(self, address: int, count: int, level: int, widths: list[tuple[int, int]]) -> Iterator[bytes]:
        file = self._file
        file.spend(1 + count)
        cursor = file.cursor(address, b"BTIN" if level else b"BTLF")
        cursor.skip(2)
        if count * self._record_bytes > self._node_bytes:
            raise cursor.corrupt(f"a B-tree node of {count} records")
        records = [cursor.take(self._record_bytes) for _ in range(count)]
        if not level:
            yield from records
            return
        own, total = widths[level]
        for number in range(count + 1):
            child = file.offset(cursor)
            held = int.from_bytes(cursor.take(own), "little")
            cursor.skip(total)
            yield from self._node(child, held, level - 1, widths)
            if number < count:
                yield records[number]


class _Heap:
    """A fractal heap without filters."""

    def __init__(self, file: File, address: int) -> None:
        self._file = file
        cursor = file.cursor(address, b"FRHP")
        cursor.skip(1)
        self.id_bytes = _u16(cursor)
        if _u16(cursor):
            raise Unsupported("an HDF5 group whose list of members is compressed")
        cursor.skip(1)
        largest_object = cursor.u32()
        file.length(cursor)
        self._huge_tree = file.offset(cursor)
        cursor.skip(9 * file.long + file.wide)
        self._width, self._start, largest_block = _u16(cursor), file.length(cursor), file.length(cursor)
        bits = _u16(cursor)
        cursor.skip(2)
        self._root, self._rows = file.offset(cursor), _u16(cursor)
        if not self._width or not _is_power(self._start) or not _is_power(largest_block) or not 0 < bits <= 64:
            raise cursor.corrupt("a fractal heap of impossible block sizes")
        self._direct_rows = largest_block.bit_length() - self._start.bit_length() + 2
        self._offset_bytes = (bits + 7) // 8
        self._length_bytes = min((largest_block.bit_length() + 6) // 8, _width(largest_object))
        self._huge: dict[int, tuple[int, int]] | None = None

    def object(self, identity: bytes) -> Bytes:
        """Return what a heap ID stands for."""
        cursor = Cursor(Memory(identity, self._file.data.path, "heap ID"))
        kind = cursor.u8() >> 4 & 3
        if kind == _TINY:
            content = cursor.take((identity[0] & 15) + 1)
            return Memory(content, self._file.data.path, self._file.data.name)
        if kind == _HUGE:
            return self._huge_object(int.from_bytes(cursor.take(cursor.left), "little"))
        if kind != _MANAGED:
            raise cursor.corrupt("an object of an unknown kind in a fractal heap")
        offset = int.from_bytes(cursor.take(self._offset_bytes), "little")
        length = int.from_bytes(cursor.take(self._length_bytes), "little")
        return self._part(*self._managed(offset, length))

    def _part(self, address: int, length: int) -> Bytes:
        return Part(self._file.data, self._file.base + address, length, "an object of a heap")

    def _huge_object(self, identity: int) -> Bytes:
        file = self._file
        if self._huge is None:
            self._huge = {}
            tree = _Tree(file, self._huge_tree)
            if tree.kind != _HUGE_RECORDS:
                raise Unsupported("an HDF5 heap whose large objects are compressed")
            for record in tree.records():
                cursor = Cursor(Memory(record, file.data.path, "record"))
                address, length = file.offset(cursor), file.length(cursor)
                self._huge[file.length(cursor)] = address, length
        if identity not in self._huge:
            raise file.cursor(self._huge_tree).corrupt(f"no large object {identity} in the heap")
        return self._part(*self._huge[identity])

    def _managed(self, offset: int, length: int) -> tuple[int, int]:
        """Return where an object at an offset of the heap's own space lies, by way of its table of blocks."""
        file = self._file
        address, rows, base = self._root, self._rows, 0
        size = self._start
        for _ in range(_MAX_DEPTH):
            file.spend()
            if not rows:
                block = file.cursor(address, b"FHDB")
                if offset + length > base + size:
                    raise block.corrupt("an object reaches beyond its block of the heap")
                return address + offset - base, length
            block = file.cursor(address, b"FHIB")
            row, column, size, base = self._place(block, offset, rows, base)
            block.skip(1 + file.wide + self._offset_bytes + (row * self._width + column) * file.wide)
            address = file.offset(block)
            rows = 0 if row < self._direct_rows else (size // self._start // self._width).bit_length()
        raise file.cursor(self._root, b"").corrupt("a fractal heap that is nested too deeply")

    def _place(self, block: Cursor, offset: int, rows: int, base: int) -> tuple[int, int, int, int]:
        """Return row, column, size and start of the child block that holds an offset."""
        for row in range(rows):
            size = self._start << max(0, row - 1)
            if offset < base + size * self._width:
                column = (offset - base) // size
                return row, column, size, base + column * size
            base += size * self._width
        raise block.corrupt("an object beyond the blocks of its heap")


def _u16(cursor: Cursor) -> int:
    return int.from_bytes(cursor.take(2), "little")


def _width(most: int) -> int:
    """Return how many bytes HDF5 takes for numbers up to ``most``."""
    return max(0, most.bit_length() - 1) // 8 + 1


def _is_power(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0
