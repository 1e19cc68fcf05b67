"""A reader of HDF5 structure: groups, datasets' types and shapes, attributes. The numbers are passed over.

Superblocks 0 to 3, object headers 1 and 2, symbol tables, compact links, and links and attributes in fractal heaps.
Source: HDF5 File Format Specification 3.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

from dnnbox.checkpoints.cursor import Cursor
from dnnbox.checkpoints.opening import Bytes, Memory, shown
from dnnbox.errors import Corrupt, InputLimit, Unsupported
from dnnbox.text import visible

MAGIC = b"\x89HDF\r\n\x1a\n"
_MAX_OBJECTS = 500_000
_MAX_DEPTH = 64
_MAX_HEADER_BYTES = 4 << 20
_MAX_HEADERS_BYTES = 256 << 20  # of all objects: many links can lead to one large header
_MAX_TEXT = 16 << 20
_DATASPACE, _LINK_INFO, _DATATYPE, _LINK, _EXTERNAL, _LAYOUT = 1, 2, 3, 6, 7, 8
_ATTRIBUTE, _CONTINUATION, _SYMBOLS, _ATTRIBUTE_INFO = 12, 16, 17, 21
_INTEGER, _FLOAT, _STRING, _ENUM, _VARIABLE = 0, 1, 3, 8, 9
_SHARED = 2
_FLOATS = {2: "float16", 4: "float32", 8: "float64"}
Text = str | list[str]


@dataclass(frozen=True)
class Kind:
    """An element type: torch's name for it, its bytes, and whether it is text (fixed or of variable length)."""

    dtype: str
    size: int
    text: str = ""  # "" | "fixed" | "variable"


@dataclass(frozen=True)
class Dataset:
    """One array: ``end`` is where its numbers end in the file, 0 where that is not one range."""

    path: str
    kind: Kind
    shape: tuple[int, ...]
    address: int
    end: int = 0
    external: bool = False


@dataclass
class Node:
    """An object by the messages of its header: a group, a dataset, or neither."""

    address: int
    messages: list[tuple[int, int, Bytes]] = field(default_factory=list)

    def first(self, kind: int) -> Bytes | None:
        """Return the first message of a kind."""
        return next((content for found, flags, content in self.messages if found == kind and not flags & _SHARED), None)


class File:
    """An HDF5 file, perhaps inside a zip member."""

    def __init__(self, data: Bytes) -> None:
        self.data = data
        self.notes: list[str] = []
        self._left, self._bytes_left = _MAX_OBJECTS, _MAX_HEADERS_BYTES
        head = data.read(0, 16)
        if not head.startswith(MAGIC):
            raise Corrupt(f"{shown(data.path)} is no HDF5 file")
        version = head[8]
        self.wide, self.long = (head[13], head[14]) if version < 2 else (head[9], head[10])
        if version > 3 or self.wide not in (4, 8) or self.long not in (4, 8):
            raise Unsupported(f"{shown(data.path)}: HDF5 superblock {version} with {self.wide}-byte offsets")
        cursor = Cursor(data, 12 if version >= 2 else 24 if version == 0 else 28)
        self.base = self.offset(cursor)
        self.offset(cursor)
        self.end = self.base + self.offset(cursor)
        if version >= 2:
            self.root = self.offset(cursor)
        else:
            cursor.skip(2 * self.wide)  # driver information and the name of the root
            self.root = self.offset(cursor)
        if self.end > data.size:
            raise Corrupt(f"{shown(data.path)} is cut short: HDF5 states {self.end} bytes, it has {data.size}")

    def offset(self, cursor: Cursor) -> int:
        """Return the next address."""
        return int.from_bytes(cursor.take(self.wide), "little")

    def length(self, cursor: Cursor) -> int:
        """Return the next length."""
        return int.from_bytes(cursor.take(self.long), "little")

    @cached_property
    def nowhere(self) -> int:
        """The address that stands for none."""
        return (1 << 8 * self.wide) - 1

    def cursor(self, address: int, magic: bytes = b"") -> Cursor:
        """Return a cursor behind the magic number that must stand at the address."""
        cursor = Cursor(self.data, self.base + address)
        if cursor.offset > self.data.size:
            raise cursor.corrupt("an address beyond the end of the file")
        if cursor.take(len(magic)) != magic:
            raise cursor.corrupt(f"no {magic.decode()} where HDF5 refers to one")
        return cursor

    def spend(self, count: int = 1) -> None:
        """Count what was read against the limit of the file."""
        self._left -= count
        if self._left < 0:
            raise InputLimit(f"{shown(self.data.path)} has more HDF5 objects than are read")

    def node(self, address: int) -> Node:
        """Return an object by its header, continuations included."""
        self.spend()
        node = Node(address)
        cursor = self.cursor(address)
        second = self.data.up_to(cursor.offset, 4) == b"OHDR"
        blocks = [self._second(cursor) if second else self._first(cursor)]
        seen = {address}
        while blocks:
            start, length, ordered = blocks.pop()
            for kind, flags, content in self._messages(start, length, second, ordered):
                if kind == _CONTINUATION:
                    at = Cursor(content)
                    address, length = self.offset(at), self.length(at)
                    if address in seen:
                        raise cursor.corrupt("an object header that continues in itself")
                    seen.add(address)
                    blocks.append(self._more(address, length, second, ordered))
                else:
                    node.messages.append((kind, flags, content))
        return node

    def _first(self, cursor: Cursor) -> tuple[int, int, bool]:
        """Return where the messages of a version 1 header lie."""
        if cursor.u8() != 1:
            raise cursor.corrupt("no object header where HDF5 refers to one")
        cursor.skip(7)
        length = cursor.u32()
        cursor.skip(4)
        return cursor.offset, length, False

    def _second(self, cursor: Cursor) -> tuple[int, int, bool]:
        cursor.skip(4)
        if cursor.u8() != 2:
            raise cursor.corrupt("an object header of an unknown version")
        flags = cursor.u8()
        cursor.skip((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
        length = int.from_bytes(cursor.take(1 << (flags & 3)), "little")
        return cursor.offset, length, bool(flags & 4)

    def _more(self, address: int, length: int, second: bool, ordered: bool) -> tuple[int, int, bool]:
        if not second:
            return self.cursor(address).offset, length, ordered
        return self.cursor(address, b"OCHK").offset, length - 8, ordered

    def _messages(self, start: int, length: int, second: bool, ordered: bool) -> Iterator[tuple[int, int, Bytes]]:
        self._bytes_left -= length
        if length > _MAX_HEADER_BYTES or self._bytes_left < 0:
            raise InputLimit(f"{shown(self.data.path)}: an HDF5 object header of {length} bytes")
        block = self.data.read(start, max(0, length))
        head = (4 + 2 * ordered) if second else 8
        at = 0
        while at + head <= len(block):
            self.spend()
            if second:
                kind, size, flags = block[at], int.from_bytes(block[at + 1 : at + 3], "little"), block[at + 3]
            else:
                kind = int.from_bytes(block[at : at + 2], "little")
                size, flags = int.from_bytes(block[at + 2 : at + 4], "little"), block[at + 4]
            at += head
            if at + size > len(block):
                raise Corrupt(f"{shown(self.data.path)} byte {start + at}: an HDF5 message reaches beyond its header")
            yield kind, flags, Memory(block[at : at + size], self.data.path, self.data.name)
            at += size

    def links(self, node: Node) -> Iterator[tuple[str, int]]:
        """Yield names and addresses of what a group holds; soft and external links are noted only."""
        table = node.first(_SYMBOLS)
        if table is not None:
            cursor = Cursor(table)
            tree, heap = self.offset(cursor), self.offset(cursor)
            yield from self._tree(tree, self._names(heap), 0)
        compact = [content for kind, _, content in node.messages if kind == _LINK]
        for content in (*compact, *self._dense(node.first(_LINK_INFO), 8)):
            name, address = self._link(content)
            if address is not None:
                yield name, address

    def _dense(self, info: Bytes | None, index_bytes: int) -> Iterator[Bytes]:
        """Yield the messages that an info message keeps in a fractal heap; ``index_bytes``: of its creation index."""
        if info is None:
            return
        cursor = Cursor(info, 1)
        cursor.skip(index_bytes if cursor.u8() & 1 else 0)
        heap, tree = self.offset(cursor), self.offset(cursor)
        if self.nowhere not in (heap, tree):
            from dnnbox.checkpoints.hdf5_heap import objects

            yield from objects(self, heap, tree)

    def is_group(self, node: Node) -> bool:
        """Whether the object can hold others."""
        return any(kind in (_SYMBOLS, _LINK, _LINK_INFO) for kind, _, _ in node.messages)

    def _names(self, heap: int) -> tuple[int, int]:
        cursor = self.cursor(heap, b"HEAP")
        cursor.skip(4)
        size = self.length(cursor)
        self.length(cursor)
        start = self.cursor(self.offset(cursor)).offset
        if start + size > self.data.size:
            raise cursor.corrupt("a heap of names reaches beyond the end of the file")
        return start, start + size

    def _tree(self, address: int, names: tuple[int, int], depth: int) -> Iterator[tuple[str, int]]:
        self.spend()
        cursor = self.cursor(address, b"TREE")
        kind, level, count = cursor.u8(), cursor.u8(), int.from_bytes(cursor.take(2), "little")
        if kind != 0 or depth > 16 or level > 16:
            raise cursor.corrupt("a group's tree of an impossible kind or depth")
        cursor.skip(2 * self.wide)
        for _ in range(count):
            self.length(cursor)
            child = self.offset(cursor)
            yield from self._symbols(child, names) if level == 0 else self._tree(child, names, depth + 1)

    def _symbols(self, address: int, names: tuple[int, int]) -> Iterator[tuple[str, int]]:
        cursor = self.cursor(address, b"SNOD")
        cursor.skip(2)
        for _ in range(int.from_bytes(cursor.take(2), "little")):
            self.spend()
            offset, target = self.offset(cursor), self.offset(cursor)
            is_soft = cursor.u32() == 2
            cursor.skip(20)
            start = names[0] + offset
            if offset > names[1] - names[0]:
                raise cursor.corrupt("a name outside its heap")
            raw = self.data.up_to(start, min(1024, names[1] - start))
            name = raw.partition(b"\0")[0].decode("utf-8", "replace")
            if is_soft:
                self.notes.append(f"the soft link {visible(name, 80)}")
            else:
                yield name, target

    def _link(self, content: Bytes) -> tuple[str, int | None]:
        cursor = Cursor(content, 1)
        flags = cursor.u8()
        kind = cursor.u8() if flags & 8 else 0
        cursor.skip((8 if flags & 4 else 0) + (1 if flags & 0x10 else 0))
        name = cursor.text(int.from_bytes(cursor.take(1 << (flags & 3)), "little"), 1024)
        if kind != 0:
            what = "external" if kind == 64 else "soft"
            self.notes.append(f"the {what} link {visible(name, 80)}")
            return name, None
        return name, self.offset(cursor)

    def datasets(self) -> Iterator[Dataset]:
        """Yield every dataset by path, each group once, in the order of the file."""
        seen: set[int] = set()
        waiting = [("", self.root)]
        while waiting:
            path, address = waiting.pop()
            node = self.node(address)
            if self.is_group(node):
                if address in seen or path.count("/") > _MAX_DEPTH:
                    continue
                seen.add(address)
                children = [(f"{path}/{name}" if path else name, target) for name, target in self.links(node)]
                waiting.extend(reversed(children))
            elif (found := self._dataset(path, node)) is not None:
                yield found

    def _dataset(self, path: str, node: Node) -> Dataset | None:
        space, kind = node.first(_DATASPACE), node.first(_DATATYPE)
        if space is None:
            return None
        found = self.kind(kind) if kind is not None else Kind("named type", 0)
        end = self._data_end(node)
        return Dataset(path, found, self.shape(space), node.address, end, node.first(_EXTERNAL) is not None)

    def _data_end(self, node: Node) -> int:
        """Return where contiguous numbers end; raises Corrupt where that is beyond the file."""
        layout = node.first(_LAYOUT)
        if layout is None or layout.head[:1] not in (b"\x03", b"\x04") or layout.head[1:2] != b"\x01":
            return 0
        cursor = Cursor(layout, 2)
        start, length = self.offset(cursor), self.length(cursor)
        if start == self.nowhere:
            return 0
        end = self.base + start + length
        if end > self.data.size:
            raise Corrupt(f"{shown(self.data.path)} is cut short: an array ends at {end}")
        return end

    def shape(self, content: Bytes) -> tuple[int, ...]:
        """Return the extents of a dataspace message."""
        cursor = Cursor(content)
        version, rank = cursor.u8(), cursor.u8()
        if version not in (1, 2) or rank > 32:
            raise cursor.corrupt("a dataspace of an unknown version or rank")
        cursor.skip(6 if version == 1 else 2)
        return tuple(self.length(cursor) for _ in range(rank))

    def kind(self, content: Bytes, depth: int = 0) -> Kind:
        """Return the element type of a datatype message."""
        cursor = Cursor(content)
        group, bits, size = cursor.u8() & 15, cursor.take(3), cursor.u32()
        if group == _INTEGER:
            return Kind(f"{'int' if bits[0] & 8 else 'uint'}{size * 8}", size)
        if group == _FLOAT:
            cursor.skip(5)
            return Kind("bfloat16" if size == 2 and cursor.u8() == 8 else _FLOATS.get(size, f"float{size * 8}"), size)
        if group == _STRING:
            return Kind("string", size, "fixed")
        if group == _ENUM and depth == 0:  # h5py keeps truth values as an enumeration of one byte
            return Kind("bool" if size == 1 else f"int{size * 8}", size)
        if group == _VARIABLE:
            return Kind("string" if bits[0] & 15 == 1 else "sequence", size, "variable" if bits[0] & 15 == 1 else "")
        return Kind({6: "compound", 4: f"uint{size * 8}", 5: "opaque"}.get(group, f"class {group}"), size)

    def attributes(self, node: Node) -> dict[str, Text]:
        """Return the attributes that are text; a broken one is left out by raising Corrupt as a whole."""
        found: dict[str, Text] = {}
        compact = [content for kind, flags, content in node.messages if kind == _ATTRIBUTE and not flags & _SHARED]
        for content in (*compact, *self._dense(node.first(_ATTRIBUTE_INFO), 2)):
            name, value = self._attribute(content)
            if value is not None:
                found[name] = value
        return found

    def _attribute(self, content: Bytes) -> tuple[str, Text | None]:
        cursor = Cursor(content)
        version = cursor.u8()
        if version not in (1, 2, 3):
            raise cursor.corrupt("an attribute of an unknown version")
        cursor.skip(1)
        sizes = [int.from_bytes(cursor.take(2), "little") for _ in range(3)]
        cursor.skip(1 if version == 3 else 0)
        parts = []
        for size in sizes:
            parts.append(cursor.take(size))
            cursor.skip(-size % 8 if version == 1 else 0)
        name = parts[0].rstrip(b"\0").decode("utf-8", "replace")[:200]
        if len(parts[1]) < 8 or len(parts[2]) < 2:
            return name, None
        kind = self.kind(Memory(parts[1], content.path, content.name))
        shape = self.shape(Memory(parts[2], content.path, content.name))
        return name, self._texts(cursor, kind, shape) if kind.text else None

    def _texts(self, cursor: Cursor, kind: Kind, shape: tuple[int, ...]) -> Text:
        count = prod(shape)
        if count * max(kind.size, 1) > cursor.left:
            raise cursor.corrupt(f"an attribute of {count} texts, {cursor.left} bytes are left")
        self.spend(count)
        texts = [self._variable(cursor) if kind.text == "variable" else cursor.take(kind.size) for _ in range(count)]
        decoded = [text.rstrip(b"\0").decode("utf-8", "replace") for text in texts]
        return decoded if shape else decoded[0]

    def _variable(self, cursor: Cursor) -> bytes:
        """Return a text of the global heap."""
        length, address, index = cursor.u32(), self.offset(cursor), cursor.u32()
        if not length or address in (0, self.nowhere):
            return b""
        if length > _MAX_TEXT:
            raise InputLimit(f"{shown(self.data.path)}: an attribute of {length} bytes")
        heap = self.cursor(address, b"GCOL")
        heap.skip(4)
        end = self.base + address + self.length(heap)
        while heap.offset + 16 <= min(end, self.data.size):
            self.spend()
            found = int.from_bytes(heap.take(2), "little")
            heap.skip(6)
            size = self.length(heap)
            if found == index:
                return heap.take(min(size, length))
            if not found:
                break
            heap.skip(size + -size % 8)
        raise heap.corrupt(f"item {index} is not in its heap")
