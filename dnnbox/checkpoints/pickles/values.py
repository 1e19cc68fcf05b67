"""What the inert machine puts on its stack instead of live objects.

Scalars, tuples and lists are Python's own. Everything else is one of the classes here.
"""

from __future__ import annotations

from dataclasses import dataclass, field


class Refused(Exception):
    """The stream is not understood, too large or cut short. ``kind`` decides which error the user sees."""

    def __init__(self, kind: str, text: str, offset: int) -> None:
        super().__init__(text)
        self.kind = kind  # truncated | malformed | limit | danger
        self.text = text
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Global:
    """A class or function that the pickle names; never looked up."""

    module: str
    name: str

    @property
    def path(self) -> str:
        """The dotted path."""
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Call:
    """What calling ``function`` (or making an instance of it) would have given."""

    function: Global
    arguments: tuple[object, ...]
    state: object = None
    items: list[object] = field(default_factory=list)  # APPEND, ADDITEMS
    pairs: dict[object, object] = field(default_factory=dict)  # SETITEM


class Dict(dict[object, object]):
    """A dict, OrderedDict or defaultdict; ``state`` is what BUILD would have set (torch keeps _metadata there)."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        super().__init__()
        self.state: object = None


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes or text too large to keep: where they are and how many."""

    offset: int
    length: int


class Unsure(str):
    """Text whose decoding depends on the loader; never good enough to name a global."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Word:
    """A value that only matters as text: a device, a path, a data type."""

    text: str


@dataclass(frozen=True, slots=True)
class Storage:
    """torch's persistent id ``('storage', class, key, device, elements)``."""

    dtype: str
    key: str
    device: str
    elements: int
    is_untyped: bool = False


@dataclass(slots=True, eq=False)
class Tensor:
    """A tensor or array: everything but its numbers. ``storage`` None: the numbers are inline or nowhere (meta)."""

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...] = ()
    offset: int = 0
    storage: Storage | None = None
    is_parameter: bool = False
    layout: str = "strided"
    device: str = ""


Value = object
"""None, bool, int, float, str, bytes, bytearray, tuple, list, or a class of this module."""
