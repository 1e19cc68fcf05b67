"""How long and how much memory inspecting large checkpoints takes, as whole processes, beside torch and others.

The files are sparse: gigabytes by size, kilobytes on disk. ``python benchmarks/inspect_large.py [--python PYTHON]``;
PYTHON is an interpreter with torch, safetensors and onnx for the peers, which are left out where it is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

LAYERS = 220
ELEMENTS = 10_000_000  # fp16: 20 MB a tensor, 4.4 GB in all
REPEATS = 5

OURS = "import sys; from pathlib import Path; from dnnbox.checkpoints import inspect; inspect(Path(sys.argv[1]))"
PEERS = {
    ".pt": {
        "torch.load mmap weights_only": "import sys, torch; torch.load(sys.argv[1], mmap=True, weights_only=True)",
    },
    ".safetensors": {
        "safetensors.safe_open": "import sys, safetensors as s\n"
        "with s.safe_open(sys.argv[1], 'numpy') as f: [f.get_slice(k).get_shape() for k in f.keys()]",
    },
    ".onnx": {
        "onnx.load": "import sys, onnx; onnx.load(sys.argv[1])",
    },
}


def state_dict_pickle() -> bytes:
    """Return data.pkl of LAYERS fp16 tensors, as torch.save writes it."""
    out = bytearray(b"\x80\x02}(")
    for n in range(LAYERS):
        name = f"layers.{n}.weight".encode()
        key = str(n).encode()
        out += b"X" + struct.pack("<I", len(name)) + name
        out += b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nHalfStorage\n"
        out += b"X" + struct.pack("<I", len(key)) + key + b"X\x03\x00\x00\x00cpu"
        out += (
            b"J" + struct.pack("<i", ELEMENTS) + b"tQK\x00" + b"J" + struct.pack("<i", ELEMENTS) + b"\x85K\x01\x85\x89"
        )
        out += b"ccollections\nOrderedDict\n)RtR"
    return bytes(out + b"u.")


def write_zip(path: Path) -> None:
    """Write a sparse torch zip; members beyond 4 GiB need zip64 fields."""
    import zlib

    pickle = state_dict_pickle()
    small = {"m/data.pkl": pickle, "m/version": b"3\n", "m/byteorder": b"little"}
    members = [(name, content, len(content)) for name, content in small.items()] + [
        (f"m/data/{n}", b"", 2 * ELEMENTS) for n in range(LAYERS)
    ]
    directory = bytearray()
    with path.open("wb") as file:
        for name, content, size in members:
            at, raw, crc = file.tell(), name.encode(), zlib.crc32(content)
            file.write(struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 45, 0, 0, 0, 0, crc, size, size, len(raw), 0) + raw)
            file.write(content)
            file.seek(size - len(content), os.SEEK_CUR)
            wide = struct.pack("<HHQ", 1, 8, at)
            head = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 45, 45, 0, 0, 0, 0, crc, size, size, len(raw),
                               len(wide), 0, 0, 0, 0, 0xFFFFFFFF)  # fmt: skip
            directory += head + raw + wide
        start = file.tell()
        file.write(directory)
        end = file.tell()
        count = len(members)
        file.write(struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), start))
        file.write(struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1))
        file.write(struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(directory), 0xFFFFFFFF, 0))


def write_safetensors(path: Path) -> None:
    """Write a sparse safetensors file."""
    size = 2 * ELEMENTS
    header = {
        f"layers.{n}.weight": {"dtype": "F16", "shape": [ELEMENTS], "data_offsets": [n * size, (n + 1) * size]}
        for n in range(LAYERS)
    }
    raw = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + LAYERS * size)


def varint(value: int) -> bytes:
    """Return a protobuf varint."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def write_onnx(path: Path) -> None:
    """Write a sparse ONNX file of 1.9 GB with 95 initialisers."""
    heads = []
    for n in range(95):
        name = f"w{n}".encode()
        facts = b"\x08" + varint(ELEMENTS) + b"\x10\x0a" + b"\x42" + varint(len(name)) + name
        raw = b"\x4a" + varint(2 * ELEMENTS)
        heads.append(b"\x2a" + varint(len(facts) + len(raw) + 2 * ELEMENTS) + facts + raw)
    graph = sum(len(head) for head in heads) + 95 * 2 * ELEMENTS
    with path.open("wb") as file:
        file.write(b"\x08\x09\x42\x02\x10\x11\x3a" + varint(graph))
        for head in heads:
            file.write(head)
            file.seek(2 * ELEMENTS, os.SEEK_CUR)
        file.truncate()


WRITERS = {".pt": write_zip, ".safetensors": write_safetensors, ".onnx": write_onnx}


def measure(python: str, code: str, path: Path) -> dict[str, float | str]:
    """Return median wall seconds and peak MiB of whole processes."""
    watch = (
        "import os, subprocess, sys, time, resource\nt = time.perf_counter()\n"
        "c = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
        "print(time.perf_counter() - t, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, c.returncode)\n"
        "sys.stderr.write(c.stderr[-300:])"
    )
    seconds, peak = [], 0.0
    for _ in range(REPEATS):
        command = [sys.executable, "-c", watch, python, "-c", code, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        wall, mib, returned = done.stdout.split()
        if returned != "0":
            return {"error": done.stderr.strip().splitlines()[-1][:120]}
        seconds.append(float(wall))
        peak = max(peak, float(mib))
    return {"wall_s": round(statistics.median(seconds), 3), "peak_mib": round(peak)}


def main() -> None:
    """Print one JSON line per case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="", help="an interpreter with torch, safetensors and onnx")
    parser.add_argument("--only", default="", help="one suffix")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for suffix, write in WRITERS.items():
            if options.only not in ("", suffix):
                continue
            path = Path(folder) / f"large{suffix}"
            write(path)
            facts = {"file": suffix, "gigabytes": round(path.stat().st_size / 1e9, 2)}
            print(json.dumps({**facts, "what": "dnnbox", **measure(sys.executable, OURS, path)}), flush=True)
            for name, code in PEERS[suffix].items() if options.python else ():
                print(json.dumps({**facts, "what": name, **measure(options.python, code, path)}), flush=True)


if __name__ == "__main__":
    main()
