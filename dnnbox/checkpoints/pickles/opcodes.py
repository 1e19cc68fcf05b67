"""The table of pickle's opcodes, protocols 0 to 5, each with what the inert machine does for it."""

from __future__ import annotations

from collections.abc import Callable

from dnnbox.checkpoints.pickles.machine import Machine
from dnnbox.checkpoints.pickles.values import Dict, Value


def _push(make: Callable[[Machine], Value]) -> Callable[[Machine], None]:
    def handler(machine: Machine) -> None:
        machine.stack.append(make(machine))

    return handler


# What nearly every tensor of a state_dict takes, without a second call.


def _int4(machine: Machine) -> None:
    number = machine.stream.uint4()
    machine.stack.append(number if number < 1 << 31 else number - (1 << 32))


def _int1(machine: Machine) -> None:
    machine.stack.append(machine.stream.byte())


def _text4(machine: Machine) -> None:
    machine.stack.append(machine.text(machine.stream.uint4()))


def _empty_tuple(machine: Machine) -> None:
    machine.stack.append(())


def _tuple1(machine: Machine) -> None:
    machine.stack[-1] = (machine.stack[-1],)


def _true(machine: Machine) -> None:
    machine.stack.append(True)


def _false(machine: Machine) -> None:
    machine.stack.append(False)


def _memoise1(machine: Machine) -> None:
    machine.memoise(machine.stream.byte())


def _recall1(machine: Machine) -> None:
    machine.stack.append(machine.memo[machine.stream.byte()])


HANDLERS: dict[int, Callable[[Machine], None]] = {
    ord("("): Machine.mark,
    ord("0"): Machine.pop,
    ord("1"): Machine.pop_mark,
    ord("2"): Machine.dup,
    ord("F"): Machine.float_line,
    ord("I"): Machine.int_line,
    ord("J"): _int4,
    ord("K"): _int1,
    ord("L"): Machine.long_line,
    ord("M"): _push(lambda m: m.stream.uint(2)),
    ord("N"): _push(lambda _: None),
    ord("P"): Machine.persistent_line,
    ord("Q"): Machine.persistent_stack,
    ord("R"): Machine.reduce,
    ord("S"): Machine.string_line,
    ord("T"): _push(lambda m: m.old_string(int.from_bytes(m.stream.take(4), "little", signed=True))),
    ord("U"): _push(lambda m: m.old_string(m.stream.byte())),
    ord("V"): Machine.unicode_line,
    ord("X"): _text4,
    ord("a"): Machine.append,
    ord("b"): Machine.build,
    ord("c"): Machine.global_line,
    ord("d"): Machine.dict_of_mark,
    ord("}"): _push(lambda _: Dict()),
    ord("e"): Machine.appends,
    ord("g"): lambda m: m.recall(m.number(m.stream.line(), 10)),
    ord("h"): _recall1,
    ord("i"): Machine.instance_line,
    ord("j"): lambda m: m.recall(m.stream.uint(4)),
    ord("l"): Machine.list_of_mark,
    ord("]"): _push(lambda _: []),
    ord("o"): Machine.object_of_mark,
    ord("p"): lambda m: m.memoise(m.number(m.stream.line(), 10)),
    ord("q"): _memoise1,
    ord("r"): lambda m: m.memoise(m.stream.uint(4)),
    ord("s"): Machine.set_item,
    ord("t"): Machine.tuple_of_mark,
    ord(")"): _empty_tuple,
    ord("u"): Machine.set_items,
    ord("G"): Machine.double,
    0x80: Machine.proto,
    0x81: Machine.new_object,
    0x82: Machine.extension,
    0x83: Machine.extension,
    0x84: Machine.extension,
    0x85: _tuple1,
    0x86: lambda m: m.tuple_of(2),
    0x87: lambda m: m.tuple_of(3),
    0x88: _true,
    0x89: _false,
    0x8A: lambda m: m.long(1),
    0x8B: lambda m: m.long(4),
    ord("B"): _push(lambda m: m.raw(m.stream.uint(4))),
    ord("C"): _push(lambda m: m.raw(m.stream.byte())),
    0x8C: _push(lambda m: m.text(m.stream.byte())),
    0x8D: _push(lambda m: m.text(m.stream.uint(8))),
    0x8E: _push(lambda m: m.raw(m.stream.uint(8))),
    0x8F: _push(lambda _: []),  # EMPTY_SET
    0x90: Machine.appends,  # ADDITEMS
    0x91: Machine.list_of_mark,  # FROZENSET
    0x92: Machine.new_object_with_keywords,
    0x93: Machine.stack_global,
    0x94: lambda m: m.memoise(len(m.memo)),
    0x95: Machine.frame,
    0x96: Machine.bytearray8,
    0x97: Machine.buffer,
    0x98: Machine.buffer,
}
