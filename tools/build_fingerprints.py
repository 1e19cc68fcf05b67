"""Builds the fingerprint index in dnnbox/identify/data from every architecture of the three libraries.

    python tools/build_fingerprints.py --raw DIR [--python .venv-zoo/bin/python]

Missing records in DIR are made first with ``--python`` (tools/fingerprint_zoo.py, about six minutes); packing takes
seconds and needs only the standard library. The versions that were read stand in the index and in docs/identify.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import struct
import subprocess
import sys
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from fingerprint_twins import plain_first, twins  # noqa: E402

from dnnbox.identify import keys  # noqa: E402

LIBRARIES = ("timm", "torchvision", "transformers")
DATA = ROOT / "dnnbox" / "identify" / "data"
Record = dict[str, Any]


class Interned:
    """Numbers for values in the order of their first use."""

    def __init__(self) -> None:
        self.ids: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        return self.ids.setdefault(value, len(self.ids))

    def values(self) -> list[Any]:
        """Return the values by number."""
        return list(self.ids)


def read(raw: Path) -> tuple[dict[str, str], list[Record], dict[str, int]]:
    """Return (versions, records, number of failures per library)."""
    versions: dict[str, str] = {}
    failed: dict[str, int] = {}
    records: list[Record] = []
    for library in LIBRARIES:
        for line in lines(raw / f"{library}.jsonl.gz"):
            if "versions" in line:
                versions.update(line["versions"])
            elif "failed" in line:
                failed[library] = len(line["failed"])
            else:
                line["pairs"] = [(n, tuple(s)) for n, s, _ in line["tensors"] if keys.counts(n)]
                records.append(line)
    return versions, [r for r in records if r["pairs"]], failed


def lines(path: Path) -> Iterator[Record]:
    """Yield the JSON objects of a file with one on each line."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def text_of(layer_numbers: tuple[tuple[int, ...], ...]) -> str:
    """Return the layer numbers of one row: ``0-11`` for a run of single ones, else ``0.1,0.2``."""
    if all(len(n) == 1 for n in layer_numbers) and len(layer_numbers) > 2:
        first = [n[0] for n in layer_numbers]
        if first == list(range(first[0], first[0] + len(first))):
            return f"{first[0]}-{first[-1]}"
    return ",".join(".".join(map(str, n)) for n in layer_numbers)


def pack_tensors(records: list[Record]) -> dict[str, bytes]:
    """Return the files of the tensor table: see dnnbox.identify.tensor_table.Tensors for the layout."""
    templates, shapes, spans = Interned(), Interned(), Interned()
    columns, first_row = (array("H"), array("H"), array("H")), array("I", [0])
    models_of: dict[int, dict[int, None]] = defaultdict(dict)
    for model, record in enumerate(records):
        groups: dict[tuple[str, tuple[int, ...]], list[tuple[int, ...]]] = defaultdict(list)
        for name, shape in record["pairs"]:
            groups[keys.template(name), shape].append(keys.numbers(name))
        for (pattern, shape), layer_numbers in groups.items():
            template = templates(pattern)
            models_of[template][model] = None
            columns[0].append(template)
            columns[1].append(shapes("x".join(map(str, shape))))
            columns[2].append(spans((len(layer_numbers), text_of(tuple(layer_numbers)))))
        first_row.append(len(columns[0]))
    texts = [text.encode() for text in templates.values()]
    hashed = sorted((keys.text_hash(text), number) for text, number in templates.ids.items())
    by_template = [list(models_of[number]) for number in range(len(texts))]
    print(f"{len(records)} models, {len(texts)} templates, {len(shapes.ids)} shapes, {len(spans.ids)} spans, "
          f"{len(columns[0])} rows", file=sys.stderr)  # fmt: skip
    return {
        "lookup.bin": joined(
            little_endian(array("Q", [value for value, _ in hashed])),
            little_endian(array("H", [number for _, number in hashed])),
            little_endian(array("I", accumulate(map(len, by_template), initial=0))),
            little_endian(array("H", chain.from_iterable(by_template))),
        ),
        "names.bin": joined(little_endian(array("I", accumulate(map(len, texts), initial=0))), b"".join(texts)),
        "rows.bin": joined(
            "\n".join(shapes.values()).encode(),
            "\n".join(f"{n} {text}" for n, text in spans.values()).encode(),
            little_endian(first_row),
            *map(little_endian, columns),
        ),
    }


def joined(*parts: bytes) -> bytes:
    """Return the parts with their number and lengths in front."""
    return struct.pack(f"<{1 + len(parts)}I", len(parts), *map(len, parts)) + b"".join(parts)


def little_endian(values: array[int]) -> bytes:
    """Return the bytes of the integers."""
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def pack_models(versions: dict[str, str], failed: dict[str, int], records: list[Record]) -> bytes:
    """Return the model table, interned values where they repeat: see dnnbox.identify.index.Table for the layout."""
    classes, preprocess, configs, texts = Interned(), Interned(), Interned(), Interned()
    pairs = twins(records)
    table: dict[str, Any] = {
        "scheme": keys.SCHEME,
        "versions": versions,
        "failed": failed,
        "library": [LIBRARIES.index(r["library"]) for r in records],
        "name": [r["name"] for r in records],
        "tensors": [len(r["pairs"]) for r in records],
        "class": [classes(r["class"]) for r in records],
        "model_type": [r.get("model_type", "") for r in records],
        "main_input": [r.get("main_input", "") for r in records],
        "base_prefix": [r.get("base_prefix", "") for r in records],
        "preprocess": [preprocess(json.dumps(r.get("preprocess", {}), sort_keys=True)) for r in records],
        "config": [configs(json.dumps(r.get("config", {}), sort_keys=True)) for r in records],
        "plainness": plain_first(records),
        "twins": {str(a): [[b, texts(text)] for b, text in others] for a, others in sorted(pairs.items())},
    }
    table["classes"], table["texts"] = classes.values(), texts.values()
    table["preprocesses"] = [json.loads(v) for v in preprocess.values()]
    table["configs"] = configs.values()  # JSON in JSON: parsed only for the model that matched
    return pack_columns(table)


def pack_columns(table: dict[str, Any]) -> bytes:
    """Return a line that says where each column is, and the columns."""
    columns = [zlib.compress(json.dumps(column, separators=(",", ":")).encode(), 9) for column in table.values()]
    starts = accumulate(map(len, columns), initial=0)
    places = {name: [start, len(column)] for name, start, column in zip(table, starts, columns, strict=False)}
    return json.dumps(places).encode() + b"\n" + b"".join(columns)


def pack_hashes(records: list[Record]) -> bytes:
    """Return the exact hashes of all models, then the body hashes, uint64 little-endian."""
    both = [keys.set_hashes(r["pairs"]) for r in records]
    return struct.pack(f"<{2 * len(both)}Q", *(b[0] for b in both), *(b[1] for b in both))


def main() -> None:
    """Collect what is missing, pack, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--raw", type=Path, required=True, help="folder for the records of the libraries")
    parser.add_argument("--python", default=str(ROOT / ".venv-zoo" / "bin" / "python"))
    parser.add_argument("--out", type=Path, default=DATA)
    options = parser.parse_args()
    options.raw.mkdir(parents=True, exist_ok=True)
    for library in LIBRARIES:
        if not (options.raw / f"{library}.jsonl.gz").exists():
            command = [options.python, str(ROOT / "tools" / "fingerprint_zoo.py"), library, str(options.raw)]
            subprocess.run(command, check=True)
    versions, records, failed = read(options.raw)
    options.out.mkdir(parents=True, exist_ok=True)
    files = {
        "models.bin": pack_models(versions, failed, records),
        "hashes.bin": pack_hashes(records),
        **pack_tensors(records),
    }
    for name, data in files.items():
        (options.out / name).write_bytes(data)
        print(f"{name}: {len(data)} bytes, {len(zlib.compress(data))} in a wheel", file=sys.stderr)


if __name__ == "__main__":
    main()
