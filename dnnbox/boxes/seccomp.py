"""System calls that no model needs and that kernels have been broken through: refused for every process in a sandbox.

A short list on top of everything else, for bubblewrap, which has none of its own, and for container engines whose list
is older than the trouble with io_uring (Docker before 25). Numbers: the kernel's tables of system calls for x86-64 and
for arm64; both tables number everything since 424 alike. The program is classic BPF, seccomp(2).
"""

from __future__ import annotations

import base64
import errno
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass

_LOAD, _JUMP_EQUAL, _JUMP_SET, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little endian
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_X32 = 0x40000000
_CLONE_NEWUSER = 0x10000000

_ALIKE = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "mount_setattr": 442,
}  # fmt: skip
_REFUSED: Mapping[str, Mapping[str, int]] = {
    "x86_64": {
        **_ALIKE, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "keyctl": 250, "add_key": 248,
        "request_key": 249, "kexec_load": 246, "kexec_file_load": 320, "init_module": 175, "finit_module": 313,
        "delete_module": 176, "mount": 165, "umount2": 166, "pivot_root": 155, "setns": 308, "unshare": 272,
        "open_by_handle_at": 304, "syslog": 103, "acct": 163, "swapon": 167, "swapoff": 168, "reboot": 169,
        "quotactl": 179, "settimeofday": 164, "clock_settime": 227, "iopl": 172, "ioperm": 173,
    },
    "aarch64": {
        **_ALIKE, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "keyctl": 219, "add_key": 217,
        "request_key": 218, "kexec_load": 104, "kexec_file_load": 294, "init_module": 105, "finit_module": 273,
        "delete_module": 106, "mount": 40, "umount2": 39, "pivot_root": 41, "setns": 268, "unshare": 97,
        "open_by_handle_at": 265, "syslog": 116, "acct": 89, "swapon": 224, "swapoff": 225, "reboot": 142,
        "quotactl": 60, "settimeofday": 170, "clock_settime": 112,
    },
}  # fmt: skip
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435


@dataclass(frozen=True)
class _Step:
    code: int
    value: int
    if_true: int = 0
    if_false: int = 0

    def packed(self) -> bytes:
        return struct.pack("<HBBI", self.code, self.if_true, self.if_false, self.value)


def program(machine: str = "") -> bytes | None:
    """Return the filter for a processor, None where the numbers of its system calls are not known here."""
    machine = machine or platform.machine()
    if machine not in _REFUSED:
        return None
    refuse = _Step(_RETURN, _REFUSE | errno.EPERM)
    steps = [
        _Step(_LOAD, _ARCHITECTURE),
        _Step(_JUMP_EQUAL, _AUDIT[machine], 1, 0),
        refuse,  # another numbering: nothing could be said about its calls
        _Step(_LOAD, _NUMBER),
        _Step(_JUMP_AT_LEAST, _X32, 0, 1),
        refuse,
        # glibc then falls back to clone, whose flags can be looked at
        _Step(_JUMP_EQUAL, _CLONE3, 0, 1),
        _Step(_RETURN, _REFUSE | errno.ENOSYS),
    ]
    for number in sorted(_REFUSED[machine].values()):
        steps += [_Step(_JUMP_EQUAL, number, 0, 1), refuse]
    steps += [
        _Step(_JUMP_EQUAL, _CLONE[machine], 0, 3),
        _Step(_LOAD, _FIRST_ARGUMENT),
        _Step(_JUMP_SET, _CLONE_NEWUSER, 0, 1),
        refuse,
        _Step(_RETURN, _ALLOW),
    ]
    return b"".join(step.packed() for step in steps)


def refused(machine: str = "") -> Mapping[str, int]:
    """Return the names and numbers of the calls that are refused."""
    return _REFUSED.get(machine or platform.machine(), {})


def statement(filter_program: bytes) -> str:
    """Return Python code that puts the filter on the process that runs it; ends the process where that fails."""
    text = base64.b64encode(filter_program).decode("ascii")
    return (
        "import base64, ctypes, struct, sys; "
        f"b = ctypes.create_string_buffer(base64.b64decode({text!r})); "
        f"f = ctypes.create_string_buffer(struct.pack('@HP', {len(filter_program) // 8}, ctypes.addressof(b))); "
        "ctypes.CDLL(None).prctl(22, 2, f, 0, 0) and sys.exit('dnnbox: no system call filter'); "
    )
