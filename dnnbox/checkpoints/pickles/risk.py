"""What a pickle's globals mean: exact names only, in four levels.

An allowlist by prefix lets ``torch.serialization.load`` through, a denylist lets through what nobody listed; so the
harmless are listed by exact name, and everything else is either named as code that is needed or as dangerous.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Literal

from dnnbox.checkpoints.pickles.torch_names import CLASSES, FUNCTIONS, WEIGHTS_ONLY
from dnnbox.checkpoints.pickles.values import Global

Level = Literal["data", "inert", "code", "dangerous"]

_BUILTINS = (
    "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "range",
    "set", "slice", "str", "tuple",
)  # fmt: skip
_NUMPY_SCALARS = (
    "bool", "bool_", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16",
    "uint32", "uint64", "complex64", "complex128", "str_",
)  # fmt: skip
_EXCEPTIONS = (
    "ArithmeticError", "AssertionError", "AttributeError", "Exception", "FloatingPointError", "IndexError", "KeyError",
    "KeyboardInterrupt", "LookupError", "MemoryError", "NotImplementedError", "OSError", "OverflowError",
    "RuntimeError", "StopIteration", "TypeError", "ValueError", "ZeroDivisionError",
)  # fmt: skip
_REFERRED = frozenset(
    f"{module}.{name}"
    for module in ("builtins", "__builtin__")
    for name in ("abs", "all", "any", "len", "max", "min", "round", "sorted", "sum")
)
_INERT = frozenset(
    (
        *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in (*_BUILTINS, "xrange", "unicode")),
        "collections.OrderedDict",
        "collections.Counter",
        "collections.defaultdict",
        "collections.deque",
        "argparse.Namespace",
        "types.SimpleNamespace",
        "functools.partial",
        "copyreg._reconstructor",
        "copy_reg._reconstructor",
        "copyreg.__newobj__",
        "datetime.datetime",
        "datetime.date",
        "datetime.time",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "fractions.Fraction",
        "uuid.UUID",
        "typing.Any",
        *(f"pathlib.{name}" for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
        *(f"pathlib._local.{name}" for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath")),
        "numpy.dtype",
        "numpy.ndarray",
        *(f"numpy.{name}" for name in _NUMPY_SCALARS),
        *(
            f"numpy.{package}.{name}"
            for package in ("core", "_core")
            for name in ("multiarray._reconstruct", "multiarray.scalar", "numeric._frombuffer")
        ),
        *(f"numpy.dtypes.{name}DType" for name in ("Float16", "Float32", "Float64", "Int32", "Int64", "UInt8", "Bool")),
        "numpy.random._pickle.__randomstate_ctor",
        "numpy.random._pickle.__generator_ctor",
        "numpy.random._pickle.__bit_generator_ctor",
        "numpy.random._mt19937.MT19937",
        "numpy.random._pcg64.PCG64",
        *(f"numpy.random.bit_generator.{name}" for name in ("SeedSequence", "__pyx_unpickle_SeedSequence")),
        "numpy.random._generator.Generator",
        "logging.getLogger",
        *(f"{module}.{name}" for module in ("builtins", "exceptions") for name in _EXCEPTIONS),
        "torch._tensor._rebuild_from_type",
        "torch.storage._load_from_bytes",  # its bytes are read by the same machine
        "torch.Generator",
        "torch.strided",
        "torch.sparse_coo",
        "torch.contiguous_format",
        "torch.preserve_format",
        "torch.channels_last",
    )
)
_ACTING_PACKAGES = frozenset((
    "IPython", "aiohttp", "cloudpickle", "dill", "distutils", "fabric", "fsspec", "httpx", "invoke", "ipykernel",
    "jupyter", "keyring", "numba", "paramiko", "pexpect", "pip", "pkg_resources", "plumbum", "psutil",
    "ptpython", "pty", "pytest", "requests", "setuptools", "sh", "smbus", "twisted", "urllib2", "urllib3",
    "wheel", "commands", "__builtin__", "httplib", "urlparse", "cPickle", "thread", "Queue", "Tkinter",
    "copy_reg", "anydbm", "whichdb", "dumbdbm", "dbhash", "UserDict", "UserList", "UserString", "SocketServer",
    "BaseHTTPServer", "SimpleHTTPServer", "CGIHTTPServer", "xmlrpclib", "ConfigParser", "exceptions", "StringIO",
))  # fmt: skip
_ACTING_NAMES = frozenset((
    "__import__", "apply", "call", "check_call", "check_output", "compile", "eval", "exec", "execfile",
    "execute", "exec_module", "getattr", "getoutput", "getstatusoutput", "import_module", "load", "load_module",
    "loads", "load_library", "open", "Popen", "popen", "read_pickle", "run", "run_module", "run_path", "runcode",
    "runsource", "runstring", "setattr", "spawn", "system", "unpickle", "load_state_dict_from_url", "load_url",
    "download", "urlopen", "urlretrieve",
))  # fmt: skip
_OWN_PACKAGES = frozenset(("torch", "numpy", "torchvision", "scipy", "pandas"))
"""Packages whose functions (not classes) are judged by the allowlist alone: many of them read files or run code."""

_TORCHSCRIPT_HELPERS = frozenset(
    f"torch.jit._pickle.{name}"
    for name in (
        "build_intlist",
        "build_tensorlist",
        "build_doublelist",
        "build_boollist",
        "build_tensor_from_id",
        "restore_type_tag",
    )
)


def level(found: Global, is_called: bool) -> Level:
    """Return what it means that a pickle names ``found``, and whether it calls it (REDUCE, not BUILD)."""
    path = found.path
    if path in WEIGHTS_ONLY or path in _TORCHSCRIPT_HELPERS:
        return "data"
    if path in _INERT or (not is_called and (path in CLASSES or path in FUNCTIONS or path in _REFERRED)):
        return "inert"  # a class of modules that is called, not only made and filled, could allocate without end
    if _acts(found, is_called):
        return "dangerous"
    return "code"


def _acts(found: Global, is_called: bool) -> bool:
    package = found.module.partition(".")[0]
    if not package or "." in found.name or not _is_identifier_path(found):
        return True  # dotted names walk attributes: os can be reached through any module
    if found.module == "__main__":
        return False
    if package in sys.stdlib_module_names or package in _ACTING_PACKAGES or found.name in _ACTING_NAMES:
        return True
    return is_called and package in _OWN_PACKAGES and not _looks_like_class(found.name)


def _is_identifier_path(found: Global) -> bool:
    return found.name.isidentifier() and all(part.isidentifier() for part in found.module.split("."))


def _looks_like_class(name: str) -> bool:
    return name.lstrip("_")[:1].isupper()


def needed(names: Iterable[Global], called: set[Global]) -> list[str]:
    """Return the sorted dotted paths that need code which torch and Python do not bring."""
    return sorted({found.path for found in names if level(found, found in called) == "code"})
