"""How long and how much memory inspecting large checkpoints takes, as whole processes, beside torch and others.

The files are sparse: gigabytes by size, kilobytes on disk. ``make bench-inspect`` runs it with all peers; those whose
interpreter is not given are left out. On a shared machine the processor's seconds say more than the wall's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dnnbox.harness.noise import pace_ns

LAYERS = 220
ELEMENTS = 10_000_000  # fp16: 20 MB a tensor, 4.4 GB in all
REPEATS = 11
INSPECT = "dnnbox inspect"

READER = (
    "import sys, time; from pathlib import Path; from dnnbox.checkpoints import inspect; path = Path(sys.argv[1])\n"
    "inspect(path); start, used = time.perf_counter(), time.process_time(); inspect(path)\n"
    "print((time.perf_counter() - start) * 1e3, (time.process_time() - used) * 1e3)"
)
READING = "import sys; from pathlib import Path; from dnnbox.checkpoints import inspect; inspect(Path(sys.argv[1]))"
FRAMEWORKS = {
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
SCANNERS = {
    ".pt": {
        "picklescan": "import sys; from picklescan.scanner import scan_file_path; scan_file_path(sys.argv[1])",
        "modelscan": "import sys; from modelscan.modelscan import ModelScan; ModelScan().scan(sys.argv[1])",
        "fickling": "import sys, fickling; fickling.scan_zip_archive(sys.argv[1])",
    },
    ".safetensors": {
        "modelscan": "import sys; from modelscan.modelscan import ModelScan; ModelScan().scan(sys.argv[1])",
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


WATCH = """
import json, os, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
wall, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, done.returncode, done.stdout[-30:],
                  done.stderr[-300:]]))
"""


def measure(commands: Mapping[str, Sequence[str]]) -> dict[str, dict[str, object]]:
    """Return medians of wall and processor seconds, and the peak MiB, of whole processes; one unmeasured run first.

    The commands take turns, so that a slower minute of the machine costs them all alike. ``against_inspect`` is how
    many times longer a command takes than ``dnnbox inspect`` of the same turn.
    """
    turns: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    errors: dict[str, dict[str, object]] = {}
    for _ in range(REPEATS + 1):
        for name, command in commands.items():
            if name not in errors:
                watched = subprocess.run(
                    [sys.executable, "-c", WATCH, *command], capture_output=True, text=True, check=True
                )
                wall, cpu, mib, status, _, complaint = json.loads(watched.stdout)
                turns[name].append((wall, cpu, mib))
                if status != 0:
                    errors[name] = {"error": (complaint.strip() or f"status {status}").splitlines()[-1][:120]}
    ours = [wall for wall, _, _ in turns[INSPECT]]
    return {name: errors.get(name) or summary(seen[1:], ours[1:]) for name, seen in turns.items()}


def summary(seen: Sequence[tuple[float, float, float]], ours: Sequence[float]) -> dict[str, object]:
    """Return the figures of one command: (wall s, processor s, peak MiB) of each turn."""
    walls, cpus, peaks = zip(*seen, strict=True)
    return {
        "wall_s": round(statistics.median(walls), 3),
        "cpu_s": round(statistics.median(cpus), 3),
        "peak_mib": round(max(peaks)),
        "against_inspect": round(statistics.median(wall / own for wall, own in zip(walls, ours, strict=True)), 2),
    }


def reader_ms(path: Path) -> dict[str, float]:
    """Return medians of one reading in a running process, in milliseconds: wall and processor."""
    command = [sys.executable, "-c", READER, str(path)]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(REPEATS)]
    walls, cpus = zip(*(map(float, text.split()) for text in runs), strict=True)
    return {"wall_ms": round(statistics.median(walls), 1), "cpu_ms": round(statistics.median(cpus), 1)}


def commands(suffix: str, path: Path, python: str, peers: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what is measured for one file: dnnbox's command first."""
    yield "dnnbox, reading without naming", [sys.executable, "-c", READING, str(path)]
    yield INSPECT, [str(Path(sys.executable).with_name("dnnbox")), "inspect", str(path)]
    for interpreter, codes in ((python, FRAMEWORKS), (peers, SCANNERS)):
        for name, code in codes.get(suffix, {}).items() if interpreter else ():
            yield name, [interpreter, "-c", code, str(path)]


def main() -> None:
    """Print one JSON line per case; add them to the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="", help="an interpreter with torch, safetensors and onnx")
    parser.add_argument("--peers", default="", help="an interpreter with picklescan, modelscan and fickling")
    parser.add_argument("--only", default="", help="one suffix")
    parser.add_argument("--record", type=Path, help="a JSON file to write")
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    load, paces = os.getloadavg(), [pace_ns() for _ in range(50)]
    with tempfile.TemporaryDirectory() as folder:
        for suffix, write in WRITERS.items():
            if options.only not in ("", suffix):
                continue
            path = Path(folder) / f"large{suffix}"
            write(path)
            facts = {"file": suffix, "gigabytes": round(path.stat().st_size / 1e9, 2)}
            rows.append({**facts, "what": "dnnbox reader, in a running process", **reader_ms(path)})
            for name, figures in measure(dict(commands(suffix, path, options.python, options.peers))).items():
                rows.append({**facts, "what": name, **figures})
                print(json.dumps(rows[-1]), flush=True)
    about = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_before": [round(value, 1) for value in load],
        "load_after": [round(value, 1) for value in os.getloadavg()],
        "pace_ns": round(statistics.median(paces)),
        "repeats": REPEATS,
    }
    if options.record:
        options.record.parent.mkdir(parents=True, exist_ok=True)
        options.record.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
