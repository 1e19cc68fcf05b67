# ruff: noqa: E501
"""Hand-made hostile pickles and archives: one function per trick, bytes only, nothing is ever loaded.

Every one is a known way to reach a call that acts, to hide it from a scanner, or to exhaust the reader.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

STOP = b"."
MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
PROTOCOL = b"\x80\x02M\xe9\x03."
SYSTEM = b"\x80\x02}."


def text(value: str) -> bytes:
    """BINUNICODE."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def call(module: str, name: str, *arguments: bytes) -> bytes:
    """GLOBAL, arguments, REDUCE."""
    return f"c{module}\n{name}\n".encode() + b"(" + b"".join(arguments) + b"tR"


def stack_call(module: bytes, name: bytes) -> bytes:
    """STACK_GLOBAL of what the two pieces push, then REDUCE with one text."""
    return b"\x80\x04" + module + name + b"\x93(" + text("id") + b"tR."


def short(value: str) -> bytes:
    """SHORT_BINUNICODE."""
    return b"\x8c" + bytes([len(value)]) + value.encode()


def frame(body: bytes, length: int | None = None) -> bytes:
    """A frame around ``body``; ``length`` lies about its size."""
    return b"\x95" + struct.pack("<Q", len(body) if length is None else length) + body


def zipped(data: bytes, name: str = "archive/data.pkl", others: dict[str, bytes] | None = None) -> bytes:
    """A torch-like zip around a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, data)
        archive.writestr("archive/version", b"3\n")
        for path, content in (others or {}).items():
            archive.writestr(path, content)
    return buffer.getvalue()


SYSTEM_CALL = call("os", "system", text("id"))


def _dangerous_globals() -> dict[str, bytes]:
    names = (
        ("os", "system"), ("posix", "system"), ("nt", "system"), ("subprocess", "Popen"), ("builtins", "eval"),
        ("builtins", "exec"), ("builtins", "__import__"), ("builtins", "getattr"), ("builtins", "compile"),
        ("__builtin__", "eval"), ("__builtin__", "apply"), ("runpy", "_run_code"), ("pty", "spawn"),
        ("socket", "create_connection"), ("importlib", "import_module"), ("ctypes", "CDLL"), ("shutil", "rmtree"),
        ("webbrowser", "open"), ("timeit", "timeit"), ("cProfile", "run"), ("pdb", "run"), ("bdb", "Bdb"),
        ("pip", "main"), ("ensurepip", "_run_pip"), ("idlelib.pyshell", "ModifiedInterpreter"),
        ("lib2to3.pgen2.grammar", "Grammar.loads"), ("numpy.testing._private.utils", "runstring"),
        ("numpy.f2py.crackfortran", "param_eval"), ("numpy", "load"), ("torch", "load"), ("torch.hub", "load"),
        ("torch.serialization", "load"), ("torch.utils.collect_env", "run"), ("torch.jit", "load"),
        ("pickle", "loads"), ("_pickle", "loads"), ("joblib", "load"), ("dill", "loads"), ("cloudpickle.cloudpickle", "loads"),
        ("operator", "attrgetter"), ("operator", "methodcaller"), ("types", "CodeType"), ("types", "FunctionType"),
        ("logging", "FileHandler"), ("logging.config", "dictConfig"), ("asyncio", "create_subprocess_shell"),
        ("multiprocessing.util", "spawnv_passfds"), ("code", "InteractiveInterpreter"), ("codeop", "compile_command"),
        ("urllib.request", "urlopen"), ("urllib", "urlopen"), ("requests", "get"), ("commands", "getoutput"),
        ("smtplib", "SMTP"), ("sqlite3", "connect"), ("linecache", "getlines"), ("tempfile", "mkstemp"),
        ("pandas", "read_pickle"), ("setuptools", "setup"), ("distutils.spawn", "spawn"), ("copy_reg", "add_extension"),
    )  # fmt: skip
    return {f"global {module}.{name}": call(module, name, text("x")) + STOP for module, name in names}


def _hiding() -> dict[str, bytes]:
    inner = text("x" * 20)
    long_value = b"B" + struct.pack("<I", 300) + b"\x00" * 300
    return {
        "stack global": stack_call(short("os"), short("system")),
        "stack global through the memo": b"\x80\x04" + short("os") + b"\x94" + short("system") + b"\x94"
        b"00h\x00h\x01\x93(" + text("id") + b"tR.",
        "stack global of a computed name": b"\x80\x04"
        + call("_codecs", "encode", text("bf"), text("rot13"))
        + short("system") + b"\x93(" + text("id") + b"tR.",
        "stack global of str(bytes)": b"\x80\x04" + call("builtins", "str", b"C\x02os", text("ascii"))
        + short("system") + b"\x93(" + text("id") + b"tR.",
        "stack global of an escaped string": b"S'o\\x73'\n" + short("system") + b"\x93(" + text("id") + b"tR.",
        "raw unicode escape": b"Vo\\u0073\n" + b"Vsystem\n" + b"\x93(" + text("id") + b"tR.",
        "dotted name": b"\x80\x04" + short("torch.serialization") + short("os.system") + b"\x93(" + text("id") + b"tR.",
        "INST": b"(" + text("id") + b"ios\nsystem\n.",
        "OBJ": b"(cos\nsystem\n" + text("id") + b"o.",
        "NEWOBJ": b"\x80\x02csubprocess\nPopen\n" + text("id") + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04csubprocess\nPopen\n" + text("id") + b"\x85}\x92.",
        "call of a call": call("functools", "partial", b"cos\nsystem\n") + b"(" + text("id") + b"tR.",
        "named, not called": b"cos\nsystem\n.",
        "BUILD on a class": b"ccollections\nOrderedDict\n}" + text("a") + b"K\x01sb.",
        "as a dict key": b"}cos\nsystem\nK\x01s.",
        "in a popped value": SYSTEM_CALL + b"0N.",
        "popped with a mark": b"(" + SYSTEM_CALL + b"1N.",
        "extension registry": b"\x80\x02\x82\x01)R.",
        "extension registry, 4 bytes": b"\x80\x02\x84\x01\x00\x00\x00)R.",
        "before a break": SYSTEM_CALL + b"\xff\xff",
        "before the end is cut": SYSTEM_CALL,
        "frame that ends inside a value": b"\x80\x04" + frame(long_value[:2], 2) + long_value[2:] + b"0" + SYSTEM_CALL + STOP,
        "frame in a frame": b"\x80\x04" + frame(frame(inner) + b"0" + SYSTEM_CALL + STOP),
        "stop inside a frame": b"\x80\x04" + frame(b"N." + SYSTEM_CALL + STOP),
        "persistent id": b"(" + text("storage") + SYSTEM_CALL + text("0") + text("cpu") + b"K\x01tQ.",
        "protocol 0": b"cos\nsystem\n(S'id'\ntR.",
        "nested in torch's bytes": call("torch.storage", "_load_from_bytes", b"B" + struct.pack("<I", 40 + len(SYSTEM_CALL))
        + (MAGIC + PROTOCOL + SYSTEM + SYSTEM_CALL + STOP).ljust(40 + len(SYSTEM_CALL), b".")) + STOP,
        "rebuild with a foreign function": call("torch._tensor", "_rebuild_from_type_v2", b"cos\nsystem\n", b"N",
                                                b"(" + text("id") + b"t", b"N") + STOP,
        "reconstructor": call("copyreg", "_reconstructor", b"csubprocess\nPopen\n", b"csubprocess\nPopen\n", text("x")) + STOP,
        "codec with effects": call("_codecs", "encode", text("x"), text("idna")) + STOP,
        "name with a newline": b"\x80\x04" + short("o\ns") + short("system") + b"\x93(" + text("id") + b"tR.",
    }  # fmt: skip


def _containers() -> dict[str, bytes]:
    return {
        "zip": zipped(SYSTEM_CALL + STOP),
        "zip, another member": zipped(b"\x80\x02}.", others={"archive/extra.bin": b"\x80\x02" + SYSTEM_CALL + STOP}),
        "zip with native code": zipped(b"\x80\x02}.", others={"archive/lib/payload.so": b"\x7fELF" + b"\0" * 60}),
        "legacy, object": MAGIC + PROTOCOL + SYSTEM + SYSTEM_CALL + STOP + b"\x80\x02].",
        "legacy, storage keys": MAGIC + PROTOCOL + SYSTEM + b"\x80\x02}." + SYSTEM_CALL + STOP,
        "legacy, system facts": MAGIC + PROTOCOL + b"\x80\x02" + SYSTEM_CALL + STOP + b"\x80\x02}.\x80\x02].",
        "two pickles": b"\x80\x02}." + b"\x80\x02" + SYSTEM_CALL + STOP,
    }


def _exhausting() -> dict[str, bytes]:
    laughs = b"\x80\x02]q\x00" + b"".join(
        b"]q" + bytes([n + 1]) + b"(" + b"h" + bytes([n]) + (b"h" + bytes([n])) * 9 + b"e" for n in range(20)
    )
    return {
        "memo number 2^31": b"\x80\x02Nr\xff\xff\xff\x7f.",
        "memo number as text": b"Np999999999999\n.",
        "bytes of 2^60": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"x.",
        "text of 4 GiB": b"\x80\x02X\xff\xff\xff\xff.",
        "frame of 2^63": b"\x80\x04\x95" + struct.pack("<Q", 1 << 63) + b"N.",
        "negative length": b"\x80\x02T\xff\xff\xff\xff.",
        "endless duplicates": b"\x80\x02N" + b"2" * 4_000_000 + b".",
        "huge decimal number": b"L" + b"9" * 60_000 + b"L\n.",
        "endless line": b"V" + b"a" * 200_000,
        "a billion laughs": laughs + b".",
        "a large list met again and again": b"\x80\x02]("
        + b"N" * 9_000
        + b"eq\x00]("
        + b"h\x00" * 9_000
        + b"eq\x01]("
        + b"h\x01" * 9_000
        + b"e.",
        "a million nested tuples": b"\x80\x02)" + b"\x85" * 1_000_000 + b".",
        "a deep tuple as a key": b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.",
        "numbers that collide": b"\x80\x02}("
        + b"".join(b"\x8a\x0a" + (n * ((1 << 61) - 1)).to_bytes(10, "little") + b"N" for n in range(1, 20_000))
        + b"u.",
    }


DANGEROUS: dict[str, bytes] = {**_dangerous_globals(), **_hiding(), **_containers()}
"""Must be called dangerous or be refused."""

EXHAUSTING: dict[str, bytes] = _exhausting()
"""Must end quickly with little memory, whatever the answer."""

Maker = Callable[[], bytes]
