"""The filter of system calls: what it holds, without a kernel."""

from __future__ import annotations

import struct

import pytest

from dnnbox.boxes import seccomp
from dnnbox.boxes.base import start_argv

ALLOW, PERMISSION, NO_CALL = 0x7FFF0000, 0x00050001, 0x00050026
NATIVE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def judged(program: bytes, number: int, architecture: int, argument: int = 0) -> int:
    """Run the program as the kernel would, on one system call."""
    data = struct.pack("<IIQQ", number, architecture, 0, argument)
    steps = list(struct.iter_unpack("<HBBI", program))
    accumulator = place = 0
    while True:
        code, if_true, if_false, value = steps[place]
        if code == 0x06:
            return int(value)
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
            place += 1
            continue
        met = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
        place += 1 + (if_true if met else if_false)


@pytest.mark.parametrize("machine", NATIVE)
def test_program__listed_calls__are_refused_and_others_allowed(machine: str) -> None:
    program = seccomp.program(machine)
    assert program is not None
    listed = set(seccomp.refused(machine).values())
    for number in range(500):
        answer = judged(program, number, NATIVE[machine])
        assert answer == (PERMISSION if number in listed else NO_CALL if number == 435 else ALLOW), number


@pytest.mark.parametrize(("machine", "clone"), [("x86_64", 56), ("aarch64", 220)])
def test_program__clone__is_allowed_but_for_a_user_namespace(machine: str, clone: int) -> None:
    program = seccomp.program(machine)
    assert program is not None
    assert judged(program, clone, NATIVE[machine], 0x01200011) == ALLOW
    assert judged(program, clone, NATIVE[machine], 0x10000011) == PERMISSION


def test_program__another_numbering__is_refused() -> None:
    program = seccomp.program("x86_64")
    assert program is not None
    assert judged(program, 1, 0x40000003) == PERMISSION  # 32-bit
    assert judged(program, 0x40000001, NATIVE["x86_64"]) == PERMISSION  # x32


def test_program__unknown_machine__is_none() -> None:
    assert seccomp.program("abacus") is None


def test_statement__before_the_harness__compiles() -> None:
    program = seccomp.program("x86_64")
    assert program is not None
    argv = start_argv("/py", "/dnnbox/lib", "/dnnbox/run", first=seccomp.statement(program))
    compile(argv[4], "start", "exec")
