"""Names and shapes of every architecture of the index, laid out so that one file's question touches little of it.

The three files are not compressed: what is asked for is read in place, where decompressing all of it would take longer
than everything else that ``dnnbox inspect`` does. Written by tools/build_fingerprints.py.
"""

from __future__ import annotations

import mmap
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate, pairwise

from dnnbox.identify import keys
from dnnbox.identify.keys import Pair, Shape

Buffer = bytes | mmap.mmap


class Tensors:
    """The names and shapes of every model; a row is (template, shape, span of layer numbers), all by number.

    Each file is the number of its parts and their lengths (uint32), then the parts, integers little-endian:

    * ``lookup.bin``: hashes of the templates, sorted (uint64); the template of each hash (uint16); the first entry of
      each template in what follows (uint32, one more than there are templates); the models that have it (uint16).
    * ``names.bin``: where each template's text starts (uint32, one more than there are templates); the texts.
    * ``rows.bin``: shapes, spans, one a line; the first row of each model (uint32, one more than there are models);
      the rows in the order of construction, by column: template, shape, span (uint16).
    """

    def __init__(self, lookup: Buffer, names: Buffer, rows: Buffer) -> None:
        self._pairs: dict[int, list[Pair]] = {}
        hashes, of_hash, first_entry, models = parts(lookup)
        self._hashes, self._of_hash = integers("Q", hashes), integers("H", of_hash)
        self._first_entry, self._models = integers("I", first_entry), integers("H", models)
        starts, self._texts = parts(names)
        self._starts = integers("I", starts)
        self._shapes, self._spans, first_row, *columns = parts(rows)
        self._first_row = integers("I", first_row)
        templates, self._row_shape, self._row_span = (integers("H", column) for column in columns)
        self._templates = array("H", templates.tobytes())  # copied, because it is searched

    @cached_property
    def shapes(self) -> list[str]:
        """The shapes as text, ``64x3x7x7``, by number."""
        return bytes(self._shapes).decode().split("\n")

    @cached_property
    def spans(self) -> list[str]:
        """The spans of layer numbers, ``COUNT TEXT``, by number."""
        return bytes(self._spans).decode().split("\n")

    @cached_property
    def span_length(self) -> list[int]:
        """The number of tensors in each span."""
        return [int(span.split(" ", 1)[0]) for span in self.spans]

    def template(self, number: int) -> str:
        """Return the text of a template."""
        return bytes(self._texts[self._starts[number] : self._starts[number + 1]]).decode()

    def number_of(self, template: str) -> int | None:
        """Return the number of a template, None where no model has it."""
        wanted = keys.text_hash(template)
        place = bisect_left(self._hashes, wanted)
        found = place < len(self._hashes) and self._hashes[place] == wanted
        return self._of_hash[place] if found else None

    def models_with(self, template: int) -> Sequence[int]:
        """Return the models that have a template, in order."""
        return self._models[self._first_entry[template] : self._first_entry[template + 1]]

    def rows(self, model: int, template: int) -> Iterator[tuple[str, int]]:
        """Yield (shape, number of tensors) of each of a model's rows with one template."""
        row, end = self._first_row[model], self._first_row[model + 1]
        try:
            while row < end:
                row = self._templates.index(template, row, end)
                yield self.shapes[self._row_shape[row]], self.span_length[self._row_span[row]]
                row += 1
        except ValueError:  # no more of them
            return

    def templates_in(self, model: int) -> int:
        """Return how many different templates a model has."""
        return len(set(self._templates[self._first_row[model] : self._first_row[model + 1]]))

    def pairs(self, model: int) -> list[Pair]:
        """Return the names and shapes of one model, without the derived buffers; do not change the list."""
        if model in self._pairs:
            return self._pairs[model]
        found = self._pairs[model] = []
        for row in range(self._first_row[model], self._first_row[model + 1]):
            pattern, shape = self.template(self._templates[row]), shape_of(self.shapes[self._row_shape[row]])
            found.extend((keys.fill(pattern, n), shape) for n in span_numbers(self.spans[self._row_span[row]]))
        return found

    def templates_of(self, models: list[int]) -> frozenset[str]:
        """Return the templates that any of these models has."""
        numbers: set[int] = set()
        for model in models:
            numbers.update(self._templates[self._first_row[model] : self._first_row[model + 1]])
        return frozenset(self.template(number) for number in numbers)


def parts(data: Buffer) -> list[memoryview]:
    """Return the parts of a file."""
    (count,) = struct.unpack_from("<I", data)
    lengths = struct.unpack_from(f"<{count}I", data, 4)
    ends = accumulate(lengths, initial=4 + 4 * count)
    return [memoryview(data)[start:end] for start, end in pairwise(ends)]


def integers(code: str, data: memoryview) -> memoryview:
    """Return little-endian unsigned integers, in place where the machine has them so too."""
    if sys.byteorder == "little":
        return data.cast(code)  # type: ignore[call-overload, no-any-return]  # the code is one of array's
    values = array(code, data.tobytes())
    values.byteswap()
    return memoryview(values)


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
