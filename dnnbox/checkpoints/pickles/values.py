"""What the inert machine puts on its stack instead of live objects.

Scalars, tuples and lists are Python's own. Everything else is one of the classes here, written out because
making dataclasses takes ten times longer at import.
"""

from __future__ import annotations


class Refused(Exception):
    """The stream is not understood, too large or cut short. ``kind`` decides which error the user sees."""

    def __init__(self, kind: str, text: str, offset: int) -> None:
        super().__init__(text)
        self.kind = kind  # truncated | malformed | limit | danger
        self.text = text
        self.offset = offset


class Global:
    """A class or function that the pickle names; never looked up."""

    __slots__ = ("module", "name", "path")

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name
        self.path = f"{module}.{name}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Global) and (self.module, self.name) == (other.module, other.name)

    def __hash__(self) -> int:
        return hash((self.module, self.name))

    def __repr__(self) -> str:
        return f"<{self.path}>"


class Call:
    """What calling ``function`` (or making an instance of it) would have given."""

    __slots__ = ("arguments", "function", "items", "pairs", "state")

    def __init__(self, function: Global, arguments: tuple[object, ...]) -> None:
        self.function = function
        self.arguments = arguments
        self.state: object = None
        self.items: list[object] = []  # APPEND, ADDITEMS
        self.pairs: dict[object, object] = {}  # SETITEM


class Dict(dict[object, object]):
    """A dict, OrderedDict or defaultdict; ``state`` is what BUILD would have set (torch keeps _metadata there)."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        super().__init__()
        self.state: object = None


class Blob:
    """Bytes or text too large to keep: where they are and how many."""

    __slots__ = ("length", "offset")

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length


class Unsure(str):
    """Text whose decoding depends on the loader; never good enough to name a global."""

    __slots__ = ()


class Word:
    """A value that only matters as text: a device, a path, a data type."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Storage:
    """torch's persistent id ``('storage', class, key, device, elements)``."""

    __slots__ = ("device", "dtype", "elements", "is_untyped", "key")

    def __init__(self, dtype: str, key: str, device: str, elements: int, is_untyped: bool = False) -> None:
        self.dtype = dtype
        self.key = key
        self.device = device
        self.elements = elements
        self.is_untyped = is_untyped


class Tensor:
    """A tensor or array: everything but its numbers. ``storage`` None: the numbers are inline or nowhere (meta)."""

    __slots__ = ("device", "dtype", "is_parameter", "layout", "offset", "shape", "storage", "stride")

    def __init__(
        self,
        dtype: str,
        shape: tuple[int, ...],
        stride: tuple[int, ...] = (),
        offset: int = 0,
        storage: Storage | None = None,
        *,
        layout: str = "strided",
        device: str = "",
    ) -> None:
        self.dtype = dtype
        self.shape = shape
        self.stride = stride
        self.offset = offset
        self.storage = storage
        self.is_parameter = False
        self.layout = layout
        self.device = device


Value = object
"""None, bool, int, float, str, bytes, bytearray, tuple, list, or a class of this module."""
