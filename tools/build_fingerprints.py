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


def pack_tensors(records: list[Record]) -> bytes:
    """Return the tensor table: see dnnbox.identify.index.Tensors for the layout."""
    templates, shapes, spans = Interned(), Interned(), Interned()
    features = Interned()
    feature_column, span_column, offsets = array("I"), array("H"), array("I", [0])
    for record in records:
        groups: dict[tuple[str, tuple[int, ...]], list[tuple[int, ...]]] = defaultdict(list)
        for name, shape in record["pairs"]:
            groups[keys.template(name), shape].append(keys.numbers(name))
        for (pattern, shape), layer_numbers in groups.items():
            feature_column.append(features((templates(pattern), shapes("x".join(map(str, shape))))))
            span_column.append(spans((len(layer_numbers), text_of(tuple(layer_numbers)))))
        offsets.append(len(feature_column))
    parts = [
        "\n".join(templates.values()).encode(),
        "\n".join(shapes.values()).encode(),
        "\n".join(f"{n} {text}" for n, text in spans.values()).encode(),
        little_endian(array("I", [t for t, _ in features.values()])),
        little_endian(array("H", [s for _, s in features.values()])),
        little_endian(feature_column),
        little_endian(span_column),
        little_endian(offsets),
    ]
    head = struct.pack("<8I", *map(len, parts))
    print(f"{len(records)} models, {len(templates.ids)} templates, {len(shapes.ids)} shapes, {len(spans.ids)} spans, "
          f"{len(features.ids)} features, {len(feature_column)} rows", file=sys.stderr)  # fmt: skip
    return head + b"".join(parts)


def little_endian(values: array[int]) -> bytes:
    """Return the bytes of the integers."""
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def pack_models(versions: dict[str, str], failed: dict[str, int], records: list[Record]) -> bytes:
    """Return the model table as JSON: columns, and interned values where they repeat."""
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
    return json.dumps(table, separators=(",", ":")).encode()


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
        "models.json.z": zlib.compress(pack_models(versions, failed, records), 9),
        "hashes.bin": pack_hashes(records),
        "tensors.z": zlib.compress(pack_tensors(records), 9),
    }
    for name, data in files.items():
        (options.out / name).write_bytes(data)
        print(f"{name}: {len(data)} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
