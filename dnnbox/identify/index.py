"""The fingerprint index: every architecture of timm, torchvision and transformers, in files that are read when needed.

``hashes.bin`` (set hashes) and ``models.bin`` (names, settings, twins) answer exact and body matches;
``lookup.bin``, ``names.bin`` and ``rows.bin`` hold every name and shape, collapsed over layers, for similarity and for
telling what differs.
Written by tools/build_fingerprints.py; standard library only, because the host has no numpy.
"""

from __future__ import annotations

import json
import mmap
import zlib
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from dnnbox.identify import keys
from dnnbox.identify.tensor_table import Tensors, integers

_DATA = Path(__file__).with_name("data")
LIBRARIES = ("timm", "torchvision", "transformers")


class Model(NamedTuple):
    """One architecture of the index. ``preprocess`` is what the library publishes; ``plainness`` 0 is the plainest."""

    number: int
    library: str
    name: str
    class_path: str
    tensors: int
    plainness: int
    preprocess: Mapping[str, Any]
    model_type: str = ""
    main_input: str = ""
    base_prefix: str = ""


class Table:
    """The columns of the model table, each read when it is asked for.

    Layout: a line of JSON, column → [offset behind the line, length], then each column as zlib's JSON.
    """

    def __init__(self, data: bytes) -> None:
        line, _, self._columns = data.partition(b"\n")
        self._places: dict[str, tuple[int, int]] = json.loads(line)
        self._read: dict[str, Any] = {}

    def __getitem__(self, column: str) -> Any:
        """Return one column."""
        if column not in self._read:
            start, length = self._places[column]
            self._read[column] = json.loads(zlib.decompress(self._columns[start : start + length]))
        return self._read[column]


class Index:
    """The table of models and their set hashes; the tensor table behind ``tensors``."""

    def __init__(self, table: Table, hashes: bytes) -> None:
        if table["scheme"] != keys.SCHEME:
            raise ValueError("the fingerprint index is of another scheme: run tools/build_fingerprints.py")
        self._table = table
        values = integers("Q", memoryview(hashes))
        self.count = len(values) // 2
        self._module_templates: dict[str, frozenset[str]] = {}
        self._exact, self._body = values[: self.count], values[self.count :]
        self.hidden: frozenset[int] = frozenset()
        """Models that are passed over: what the index would answer if it did not know them."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the libraries that were read."""
        versions: Mapping[str, str] = self._table["versions"]
        return versions

    def exact(self, set_hash: int) -> list[int]:
        """Return the models with this set hash of all tensors, the plainest first."""
        return self._with(self._exact, set_hash)

    def body(self, set_hash: int) -> list[int]:
        """Return the models with this set hash of all but the head, the plainest first."""
        return self._with(self._body, set_hash)

    @cached_property
    def by_name(self) -> Mapping[tuple[str, str], int]:
        """(library, architecture) → model number."""
        libraries, names = self._table["library"], self._table["name"]
        return {(LIBRARIES[library], name): i for i, (library, name) in enumerate(zip(libraries, names, strict=True))}

    @cached_property
    def by_flat_name(self) -> Mapping[str, tuple[str, str]]:
        """Architecture in lower case → (library, architecture); the first library of LIBRARIES that has it."""
        rows = zip(self._table["library"], self._table["name"], strict=True)
        return {name.lower(): (LIBRARIES[library], name) for library, name in reversed(list(rows))}

    @cached_property
    def tensors(self) -> Tensors:
        """Names and shapes of all models."""
        return Tensors(*(mapped_file(name) for name in ("lookup.bin", "names.bin", "rows.bin")))

    def _with(self, hashes: Sequence[int], wanted: int) -> list[int]:
        if wanted not in hashes:  # nearly always; no table of 3,000 hashes need be made for that
            return []
        found = [number for number, value in enumerate(hashes) if value == wanted and number not in self.hidden]
        return sorted(found, key=self._table["plainness"].__getitem__)

    def model(self, number: int) -> Model:
        """Return one model."""
        table = self._table
        return Model(
            number=number,
            library=LIBRARIES[table["library"][number]],
            name=table["name"][number],
            class_path=table["classes"][table["class"][number]],
            tensors=table["tensors"][number],
            plainness=table["plainness"][number],
            preprocess=table["preprocesses"][table["preprocess"][number]],
            model_type=table["model_type"][number],
            main_input=table["main_input"][number],
            base_prefix=table["base_prefix"][number],
        )

    def size(self, number: int) -> int:
        """Return how many tensors a model has."""
        size: int = self._table["tensors"][number]
        return size

    def twins(self, number: int) -> list[tuple[int, str]]:
        """Return the models whose weights are interchangeable with this one's, each with what differs."""
        return [(other, self._table["texts"][text]) for other, text in self._table["twins"].get(str(number), ())]

    def templates_of_module(self, number: int) -> frozenset[str]:
        """Return the collapsed names of all architectures that the same Python module defines."""
        modules = [path.rpartition(".")[0] for path in self._table["classes"]]
        wanted = modules[self._table["class"][number]]
        if wanted not in self._module_templates:
            members = [n for n, c in enumerate(self._table["class"]) if modules[c] == wanted]
            self._module_templates[wanted] = self.tensors.templates_of(members)
        return self._module_templates[wanted]

    def same_tensors(self, one: int, other: int) -> bool:
        """Tell whether two models have all names and shapes in common, the head's too."""
        return bool(self._exact[one] == self._exact[other])

    def config(self, number: int) -> dict[str, int]:
        """Return the whole-number fields of the configuration that the model was built with (transformers)."""
        config: dict[str, int] = json.loads(self._table["configs"][self._table["config"][number]])
        return config


def data_file(name: str) -> bytes:
    """Return one file of the index."""
    return (_DATA / name).read_bytes()


def mapped_file(name: str) -> mmap.mmap:
    """Return one file of the index, of which only the pages that are looked at are read."""
    with (_DATA / name).open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


@cache
def load() -> Index:
    """Return the index that ships with the package; the same object for the whole process."""
    return Index(Table(data_file("models.bin")), data_file("hashes.bin"))
