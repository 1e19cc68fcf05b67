"""The fingerprint index: every architecture of timm, torchvision and transformers, in three files read when needed.

``hashes.bin`` (set hashes) and ``models.json.z`` (names, settings, twins) answer exact and body matches;
``tensors.z`` holds every name and shape, collapsed over layers, for similarity and for telling what differs.
Written by tools/build_fingerprints.py; standard library only, because the host has no numpy.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from array import array
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import compress, pairwise
from pathlib import Path
from typing import Any

from dnnbox.identify import keys
from dnnbox.identify.keys import Pair, Shape

_DATA = Path(__file__).with_name("data")
LIBRARIES = ("timm", "torchvision", "transformers")


@dataclass(frozen=True)
class Model:
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


class Index:
    """The table of models and their set hashes; the tensor table behind ``tensors``."""

    def __init__(self, table: Mapping[str, Any], hashes: bytes) -> None:
        if table["scheme"] != keys.SCHEME:
            raise ValueError("the fingerprint index is of another scheme: run tools/build_fingerprints.py")
        self._table = table
        self.count: int = len(table["name"])
        values = struct.unpack(f"<{2 * self.count}Q", hashes)
        self._module_templates: dict[str, frozenset[str]] = {}
        self._exact, self._body = values[: self.count], values[self.count :]

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the libraries that were read."""
        versions: Mapping[str, str] = self._table["versions"]
        return versions

    @cached_property
    def exact(self) -> Mapping[int, list[int]]:
        """Set hash of all tensors → model numbers, the plainest first."""
        return self._by_hash(self._exact)

    @cached_property
    def body(self) -> Mapping[int, list[int]]:
        """Set hash of all but the head → model numbers, the plainest first."""
        return self._by_hash(self._body)

    @cached_property
    def by_name(self) -> Mapping[tuple[str, str], int]:
        """(library, architecture) → model number."""
        libraries, names = self._table["library"], self._table["name"]
        return {(LIBRARIES[library], name): i for i, (library, name) in enumerate(zip(libraries, names, strict=True))}

    @cached_property
    def tensors(self) -> Tensors:
        """Names and shapes of all models."""
        return Tensors.load()

    def _by_hash(self, hashes: tuple[int, ...]) -> Mapping[int, list[int]]:
        found: dict[int, list[int]] = {}
        for number, value in enumerate(hashes):
            found.setdefault(value, []).append(number)
        rank = self._table["plainness"]
        for members in found.values():
            members.sort(key=rank.__getitem__)
        return found

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


class Tensors:
    """The names and shapes of every model.

    Layout: eight uint32 lengths, then eight parts: templates, shapes and spans of layer numbers (text, one a line);
    features = (template, shape) as uint32 and uint16 columns; rows = (feature, span) as uint32 and uint16 columns;
    the first row of each model (uint32). All little-endian.
    """

    def __init__(self, data: bytes) -> None:
        self._pairs: dict[int, list[Pair]] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        lengths = struct.unpack_from("<8I", data)
        ends = [32]
        for length in lengths:
            ends.append(ends[-1] + length)
        part = [data[a:b] for a, b in pairwise(ends)]
        self.templates = part[0].decode().split("\n")
        self.shapes = part[1].decode().split("\n")
        self.spans = part[2].decode().split("\n")
        self.feature_template, self.feature_shape = integers("I", part[3]), integers("H", part[4])
        self.row_feature, self.row_span = integers("I", part[5]), integers("H", part[6])
        self.first_row = integers("I", part[7])

    @classmethod
    def load(cls) -> Tensors:
        """Read the table that ships with the package."""
        return cls(zlib.decompress(data_file("tensors.z")))  # lzma would halve the file and double the time

    @cached_property
    def template_number(self) -> Mapping[str, int]:
        """Template → number."""
        return dict(zip(self.templates, range(len(self.templates)), strict=True))

    @cached_property
    def span_length(self) -> list[int]:
        """Number of tensors in each span."""
        return [int(span.split(" ", 1)[0]) for span in self.spans]

    def size(self, model: int) -> tuple[int, int]:
        """Return (number of tensors, number of different templates) of one model."""
        if model not in self._sizes:
            start, end = self.first_row[model], self.first_row[model + 1]
            tensors = sum(map(self.span_length.__getitem__, self.row_span[start:end]))
            templates = set(map(self.feature_template.__getitem__, self.row_feature[start:end]))
            self._sizes[model] = tensors, len(templates)
        return self._sizes[model]

    def pairs(self, model: int) -> list[Pair]:
        """Return the names and shapes of one model, without the derived buffers; do not change the list."""
        if model in self._pairs:
            return self._pairs[model]
        found = self._pairs[model] = []
        for row in range(self.first_row[model], self.first_row[model + 1]):
            feature = self.row_feature[row]
            pattern = self.templates[self.feature_template[feature]]
            shape = shape_of(self.shapes[self.feature_shape[feature]])
            found.extend((keys.fill(pattern, n), shape) for n in span_numbers(self.spans[self.row_span[row]]))
        return found

    def templates_of(self, models: list[int]) -> frozenset[str]:
        """Return the templates that any of these models has."""
        numbers: set[int] = set()
        for model in models:
            rows = self.row_feature[self.first_row[model] : self.first_row[model + 1]]
            numbers.update(map(self.feature_template.__getitem__, rows))
        return frozenset(self.templates[number] for number in numbers)

    def rows_with(self, names: set[str]) -> list[int]:
        """Return the rows, in order, whose template is that of a name; the one pass over all of the table."""
        wanted = bytearray(len(self.templates))
        for template in {keys.template(name) for name in names} & self.template_number.keys():
            wanted[self.template_number[template]] = 1
        if not any(wanted):
            return []
        by_feature = bytes(map(wanted.__getitem__, self.feature_template))
        return list(compress(range(len(self.row_feature)), map(by_feature.__getitem__, self.row_feature)))

    def models_of(self, rows: list[int]) -> dict[int, list[int]]:
        """Group rows, given in order, by model."""
        grouped: dict[int, list[int]] = defaultdict(list)
        model, end = 0, self.first_row[1]
        for row in rows:
            while row >= end:
                model += 1
                end = self.first_row[model + 1]
            grouped[model].append(row)
        return grouped


def integers(code: str, data: bytes) -> array[int]:
    """Return little-endian unsigned integers."""
    values = array(code)
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def shape_of(text: str) -> Shape:
    """Return ``64x3x7x7`` as a tuple; a scalar is the empty text."""
    return tuple(map(int, text.split("x"))) if text else ()


def span_numbers(span: str) -> list[tuple[int, ...]]:
    """Return the layer numbers of ``COUNT TEXT``, where TEXT is ``0-11``, ``0.1,0.2`` or empty."""
    text = span.split(" ", 1)[1]
    if "-" in text:
        first, last = text.split("-")
        return [(n,) for n in range(int(first), int(last) + 1)]
    return [tuple(map(int, one.split("."))) if one else () for one in text.split(",")]


def data_file(name: str) -> bytes:
    """Return one file of the index."""
    return (_DATA / name).read_bytes()


@cache
def load() -> Index:
    """Return the index that ships with the package; the same object for the whole process."""
    return Index(json.loads(zlib.decompress(data_file("models.json.z"))), data_file("hashes.bin"))
