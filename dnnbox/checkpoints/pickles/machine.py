"""The opcodes of pickle protocols 0 to 5 over inert values. Source: CPython 3.13 Lib/pickle.py and Modules/_pickle.c.

Refused on purpose: the extension registry, out-of-band buffers, names that are not literal text, calls of anything
but a named global, attributes set on a global, memo numbers beyond the opcodes seen (the C unpickler allocates an
array of that size), and values that straddle a frame.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import prod

from dnnbox.checkpoints.dtypes import BITS, size_bytes
from dnnbox.checkpoints.opening import Bytes, Memory, Part
from dnnbox.checkpoints.pickles.calls import Maker, build, dtype_of, instance, ints, maker_of, persistent, put
from dnnbox.checkpoints.pickles.stream import Stream
from dnnbox.checkpoints.pickles.values import Blob, Call, Dict, Global, Refused, Tensor, Unsure, Value

MAX_OPCODES = 3_000_000
MAX_KEPT_BYTES = 1 << 20  # longer values are passed over
MAX_KEPT_TOTAL = 256 << 20
_MAX_NESTING = 4
_JOBLIB_WRAPPERS = frozenset(
    ("joblib.numpy_pickle.NumpyArrayWrapper", "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper")
)
_LOAD_FROM_BYTES = Global("torch.storage", "_load_from_bytes")
_MAX_DIGITS = 4300  # CPython refuses longer decimal numbers
Refer = Callable[[Value], Value]
"""Returns what a persistent id stands for in a format of its own, None for those of torch."""


class Machine:
    """Runs one pickle. After ``run``: ``globals`` in order of first use, ``called`` those that would be called."""

    def __init__(self, data: Bytes, start: int = 0, opcodes: int = MAX_OPCODES, depth: int = 0) -> None:
        if depth > _MAX_NESTING:
            raise Refused("limit", f"pickles nested more than {_MAX_NESTING} deep", start)
        self._depth = depth
        self.stream = Stream(data, start)
        self.globals: dict[Global, int] = {}
        self.called: set[Global] = set()
        self.sources: dict[str, tuple[str, str]] = {}
        self.protocol = 0
        self.opcodes = 0
        self._budget = opcodes
        self._kept = 0
        self.stack: list[Value] = []
        self._marks: list[list[Value]] = []
        self.memo: dict[int, Value] = {}
        self.refer: Refer | None = None
        self._named: dict[tuple[str, str], Global] = {}  # one object for each name: comparing them costs most
        self._lines: dict[bytes, Global] = {}  # the same by their bytes: they return for each tensor
        self._makers: dict[int, tuple[Global, Maker]] = {}  # by identity, which holds while the object is kept here

    def run(self) -> Value:
        """Return what the pickle would build; raises Refused."""
        from dnnbox.checkpoints.pickles.opcodes import HANDLERS

        stream, handlers = self.stream, [HANDLERS.get(code) for code in range(256)]
        for count in range(1, self._budget + 1):
            at = stream.at
            if at < stream.limit:  # what byte() does, without the call
                code = stream.window[at]
                stream.at = at + 1
            else:
                code = stream.byte()
            self.opcodes = count
            if code == 0x2E:  # STOP
                stream.finish()
                if not self.stack:
                    raise Refused("malformed", "the pickle ends with nothing on its stack", stream.offset)
                return self._pop()
            handler = handlers[code]
            if handler is None:
                raise Refused("malformed", f"byte 0x{code:02x} is no pickle opcode", stream.offset - 1)
            try:
                handler(self)
            except (IndexError, KeyError, UnicodeError, struct.error) as error:
                raise Refused("malformed", f"opcode 0x{code:02x}: {type(error).__name__}", stream.offset) from error
        raise Refused("limit", f"more than {self._budget} opcodes", stream.offset)

    # Stack. A MARK starts a new stack, as in Lib/pickle.py: what lies below cannot be reached.

    def _pop(self) -> Value:
        return self.stack.pop()

    def _pop_mark(self) -> list[Value]:
        items = self.stack
        self.stack = self._marks.pop()
        return items

    def _refuse(self, text: str) -> Refused:
        return Refused("danger", text, self.stream.offset)

    def mark(self) -> None:
        self._marks.append(self.stack)
        self.stack = []

    def pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._pop_mark()

    def pop_mark(self) -> None:
        self._pop_mark()

    def dup(self) -> None:
        self.stack.append(self.stack[-1])

    # Values

    def text(self, length: int) -> Value:
        if length > MAX_KEPT_BYTES:
            return Blob(self.stream.skip(length), length)
        self._keep(length)
        return str(self.stream.take(length), "utf-8", "surrogatepass")

    def raw(self, length: int) -> Value:
        if length < 0:
            raise Refused("malformed", "a negative length", self.stream.offset)
        if length > MAX_KEPT_BYTES:
            return Blob(self.stream.skip(length), length)
        self._keep(length)
        return self.stream.take(length)

    def _keep(self, length: int) -> None:
        self._kept += length
        if self._kept > MAX_KEPT_TOTAL:
            raise Refused("limit", "more than 256 MiB of text and bytes", self.stream.offset)

    def old_string(self, length: int) -> Value:
        raw = self.raw(length)
        return _old_text(raw) if isinstance(raw, bytes) else raw

    def _line_text(self) -> str:
        return str(self.stream.line(), "utf-8")

    def number(self, digits: bytes, base: int = 0) -> int:
        if len(digits) > _MAX_DIGITS:
            raise Refused("limit", "a number of more than 4300 digits", self.stream.offset)
        try:
            return int(digits, base)
        except ValueError as error:
            raise Refused("malformed", "not a number", self.stream.offset) from error

    def int_line(self) -> None:
        line = self.stream.line()
        self.stack.append({b"00": False, b"01": True}[line] if line in (b"00", b"01") else self.number(line))

    def long_line(self) -> None:
        line = self.stream.line()
        self.stack.append(self.number(line[:-1] if line.endswith(b"L") else line))

    def float_line(self) -> None:
        try:
            self.stack.append(float(self.stream.line()))
        except ValueError as error:
            raise Refused("malformed", "not a number", self.stream.offset) from error

    def string_line(self) -> None:
        line = self.stream.line()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise Refused("malformed", "a string without quotes", self.stream.offset)
        self.stack.append(Unsure(line[1:-1].decode("latin-1")) if b"\\" in line else _old_text(line[1:-1]))

    def unicode_line(self) -> None:
        self.stack.append(str(self.stream.line(), "raw-unicode-escape"))

    def long(self, width: int) -> None:
        length = int.from_bytes(self.stream.take(width), "little", signed=width == 4)
        raw = self.raw(length)
        self.stack.append(int.from_bytes(raw, "little", signed=True) if isinstance(raw, bytes) else raw)

    def double(self) -> None:
        self.stack.append(struct.unpack(">d", self.stream.take(8))[0])

    def bytearray8(self) -> None:
        raw = self.raw(self.stream.uint(8))
        self.stack.append(raw)

    # Containers

    def tuple_of_mark(self) -> None:
        items = tuple(self._pop_mark())
        self.stack.append(items)

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def list_of_mark(self) -> None:
        items = self._pop_mark()
        self.stack.append(items)

    def dict_of_mark(self) -> None:
        items = self._pop_mark()
        made = Dict()
        self._check_pairs(items)
        for index in range(0, len(items), 2):
            put(made, items[index], items[index + 1], self.stream.offset)
        self.stack.append(made)

    def append(self) -> None:
        value = self._pop()
        self._extend([value])

    def appends(self) -> None:
        self._extend(self._pop_mark())

    def _extend(self, items: list[Value]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif isinstance(target, Call):
            target.items.extend(items)
        else:
            raise Refused("malformed", "items are added to something that is no list", self.stream.offset)

    def set_item(self) -> None:
        value, key = self._pop(), self._pop()
        put(self.stack[-1], key, value, self.stream.offset)

    def set_items(self) -> None:
        items = self._pop_mark()
        self._check_pairs(items)
        for index in range(0, len(items), 2):
            put(self.stack[-1], items[index], items[index + 1], self.stream.offset)

    def _check_pairs(self, items: list[Value]) -> None:
        if len(items) % 2:
            raise Refused("malformed", "a key without a value", self.stream.offset)

    # Memo

    def memoise(self, key: int) -> None:
        if not 0 <= key <= self.opcodes + 16:
            raise Refused("limit", f"memo number {key} after {self.opcodes} opcodes", self.stream.offset)
        self.memo[key] = self.stack[-1]

    def recall(self, key: int) -> None:
        self.stack.append(self.memo[key])

    # Globals and calls

    def _name(self, module: Value, name: Value) -> Global:
        if type(module) is not str or type(name) is not str:
            raise self._refuse("a global's name is not literal text")
        found = self._named.get((module, name))
        if found is None:
            found = self._named[module, name] = Global(module, name)
            self.globals.setdefault(found, self.stream.offset)
        return found

    def global_line(self) -> None:
        lines = self.stream.two_lines()
        found = self._lines.get(lines)
        if found is None:
            module, _, name = lines.partition(b"\n")
            found = self._lines[lines] = self._name(str(module, "utf-8"), str(name, "utf-8"))
        self.stack.append(found)

    def stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self.stack.append(self._name(module, name))

    def _callee(self, function: Value, arguments: Value) -> tuple[Global, tuple[Value, ...]]:
        if not isinstance(function, Global):
            raise self._refuse("something that is not a named global is called")
        if not isinstance(arguments, tuple):
            raise self._refuse(f"{function.path[:80]} is called with arguments that are no tuple")
        return function, arguments

    def _apply(self, function: Global, arguments: tuple[Value, ...]) -> Value:
        known = self._makers.get(id(function))
        if known is None:
            known = self._makers[id(function)] = (function, self._first_called(function))
        made = known[1](arguments)
        return Call(function, arguments) if made is None else made

    def _first_called(self, function: Global) -> Maker:
        self.called.add(function)
        if function == _LOAD_FROM_BYTES:
            return lambda arguments: self._torch_bytes(arguments[0] if arguments else None)
        return maker_of(function)

    def reduce(self) -> None:
        arguments = self._pop()
        self.stack[-1] = self._apply(*self._callee(self.stack[-1], arguments))

    def new_object(self) -> None:
        arguments = self._pop()
        self.stack[-1] = instance(*self._callee(self.stack[-1], arguments))

    def new_object_with_keywords(self) -> None:
        keywords, arguments = self._pop(), self._pop()
        function, values = self._callee(self.stack[-1], arguments)
        self.stack[-1] = instance(function, (*values, keywords))

    def instance_line(self) -> None:
        module = self._line_text()
        function = self._name(module, self._line_text())
        arguments = tuple(self._pop_mark())
        self.stack.append(self._apply(*self._callee(function, arguments)))

    def object_of_mark(self) -> None:
        items = self._pop_mark()
        self.stack.append(self._apply(*self._callee(items[0], tuple(items[1:]))))

    def build(self) -> None:
        state = self._pop()
        if isinstance(self.stack[-1], Global):
            raise self._refuse("attributes are set on a class or function")
        target = self.stack[-1]
        build(target, state)
        if isinstance(target, Call) and target.function.path in _JOBLIB_WRAPPERS:
            self.stack[-1] = self._inline_array(state)

    def _inline_array(self, state: Value) -> Value:
        """Pass over the raw array that joblib writes after its wrapper; one of objects is a pickle of its own."""
        fields = state if isinstance(state, Dict) else Dict()
        dtype, shape = dtype_of(fields.get("dtype")), ints(fields.get("shape"))
        if shape is None or not (dtype[:1] == "O" or dtype in BITS):
            raise Refused("malformed", "joblib's array wrapper is not understood", self.stream.offset)
        if dtype[:1] == "O":
            return self._nested(self.stream.data, self.stream.offset)
        if "numpy_array_alignment_bytes" in fields:
            self.stream.skip(self.stream.byte())
        self.stream.skip(size_bytes(dtype, prod(shape)))
        return Tensor(dtype, shape)

    def _nested(self, data: Bytes, offset: int) -> Value:
        """Run the pickle that stands inside this one and go on after it."""
        inner = Machine(data, offset, self._budget - self.opcodes, self._depth + 1)
        try:
            value = inner.run()
        finally:
            self.merge(inner)
        self.stream.skip(inner.stream.offset - offset)
        return value

    def merge(self, other: Machine) -> None:
        """Take in what another pickle named."""
        for found, at in other.globals.items():
            self.globals.setdefault(found, at)
        self.called |= other.called
        self.sources.update(other.sources)

    def _torch_bytes(self, raw: Value) -> Value:
        """Return the storage inside bytes that torch wrote: four pickles in a row, the last holds the storage."""
        if isinstance(raw, Blob):
            data: Bytes = Part(self.stream.data, raw.offset, raw.length, "storage")
        elif isinstance(raw, bytes):
            data = Memory(raw, self.stream.data.path, "storage")
        else:
            raise self._refuse("a nested file that is not literal bytes")
        value, offset = None, 0
        for _ in range(4):
            inner = Machine(data, offset, self._budget - self.opcodes, self._depth + 1)
            try:
                value = inner.run()
            finally:
                self.merge(inner)
            offset = inner.stream.offset
        return value

    def _persistent(self, identity: Value) -> Value:
        known = self.refer(identity) if self.refer else None
        return persistent(identity, self.sources) if known is None else known

    def persistent_line(self) -> None:
        self.stack.append(self._persistent(self._line_text()))

    def persistent_stack(self) -> None:
        self.stack.append(self._persistent(self._pop()))

    def extension(self) -> None:
        raise self._refuse("a global from the extension registry")

    def buffer(self) -> None:
        raise self._refuse("an out-of-band buffer, which a file cannot have")

    def proto(self) -> None:
        self.protocol = self.stream.byte()
        if self.protocol > 5:
            raise Refused("malformed", f"pickle protocol {self.protocol}", self.stream.offset)

    def frame(self) -> None:
        self.stream.start_frame(self.stream.uint(8))


def _old_text(raw: bytes) -> str:
    """Return Python 2's str as text; what is not ASCII depends on the loader's ``encoding``."""
    text = raw.decode("latin-1")
    return text if text.isascii() else Unsure(text)
