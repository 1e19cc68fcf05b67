"""Mutate pickles, zips and headers, and hold the answers against CPython's own unpicklers.

``make fuzz N=200000`` runs ``python -m tests.unit.checkpoints.fuzzing --mutants N``: a line of figures for each part,
and status 1 on any crash, hang, gigabyte, or harmless verdict that an unpickler contradicts. The
unpicklers' ``find_class`` only records; nothing that a mutant names is imported.
"""

from __future__ import annotations

import argparse
import collections
import copyreg
import functools
import io
import json
import os
import pickle
import random
import resource
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self

from dnnbox.checkpoints import read_file
from dnnbox.checkpoints.opening import Memory
from dnnbox.checkpoints.pickles import risk
from dnnbox.checkpoints.pickles.machine import Machine
from dnnbox.checkpoints.pickles.values import Global, Refused
from dnnbox.errors import DnnboxError
from tests.unit.checkpoints import hostile

HANG_SECONDS = 2.0
MOST_MIB = 1024
_WORDS = (
    b"os",
    b"system",
    b"builtins",
    b"eval",
    b"collections",
    b"OrderedDict",
    b"torch",
    b"FloatStorage",
    b"__main__",
)


class Stub:
    """Stands for whatever a mutant names: takes any call, state or item and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Stub:
        return self

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, *_: Any) -> None:
        pass

    def append(self, _: Any) -> None:
        pass

    extend = add = append


def _small(make: Callable[..., Any]) -> Callable[..., Any]:
    """Call a constructor unless a number could make it allocate without end."""

    def call(*arguments: Any) -> Any:
        if any(isinstance(argument, int) and argument > 10_000 for argument in arguments):
            raise ValueError("too large for the oracle")
        return make(*arguments)

    return call


def _encode(text: str, encoding: str = "utf-8") -> bytes:
    return text.encode(encoding) if encoding in ("latin1", "utf-8", "ascii") else b""


LIVE: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "Counter"): collections.Counter,
    ("collections", "defaultdict"): collections.defaultdict,
    ("builtins", "set"): set,
    ("builtins", "list"): list,
    ("builtins", "dict"): dict,
    ("builtins", "str"): str,
    ("builtins", "bytes"): _small(bytes),
    ("builtins", "bytearray"): _small(bytearray),
    ("_codecs", "encode"): _encode,
    ("functools", "partial"): functools.partial,
    ("copyreg", "_reconstructor"): copyreg._reconstructor,  # type: ignore[attr-defined]
}


def _oracle(base: Any, seen: set[tuple[str, str]]) -> Any:
    class Oracle(base):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            seen.add((str(module), str(name)))
            return LIVE.get((module, name), Stub)

        def persistent_load(self, _: Any) -> Any:
            return Stub()

    return Oracle


class Slow(io.RawIOBase):
    """A file that gives seven bytes at a time, so that the C unpickler takes its other paths."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)

    def readline(self, size: int | None = -1) -> bytes:
        return self._data.readline(-1 if size is None else size)

    def readinto(self, buffer: Any) -> int:
        return self._data.readinto(memoryview(buffer)[:7])


def named_by_cpython(data: bytes) -> set[tuple[str, str]]:
    """Return every global that four ways of unpickling look up."""
    seen: set[tuple[str, str]] = set()
    for base, file in (
        (pickle._Unpickler, io.BytesIO(data)),  # type: ignore[attr-defined]
        (pickle.Unpickler, io.BytesIO(data)),
        (pickle.Unpickler, io.BufferedReader(io.BytesIO(data))),  # type: ignore[type-var]
        (pickle.Unpickler, Slow(data)),
    ):
        try:
            _oracle(base, seen)(file).load()
        except Exception:  # noqa: BLE001  whatever a mutant provokes; what was looked up counts
            continue
    return seen


def verdict(data: bytes) -> str:
    """Return the worst level that the inert machine finds, or "refused"."""
    machine = Machine(Memory(data, Path("mutant"), "mutant"), 0, 100_000)
    try:
        machine.run()
    except Refused:
        return "refused"
    levels = {risk.level(found, found in machine.called) for found in machine.globals}
    return next((level for level in ("dangerous", "code", "inert") if level in levels), "data")


def contradictions(data: bytes) -> set[tuple[str, str]]:
    """Return the globals that CPython reaches although the verdict is harmless."""
    return {
        (module, name)
        for module, name in named_by_cpython(data)
        if risk.level(Global(module, name), False) in ("dangerous", "code")
    }


def mutate(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return a changed copy: bytes flipped, opcodes put in, parts cut out, doubled or taken from another."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(out) + 1)
        kind = chance.randrange(8)
        if kind == 0 and at < len(out):
            out[at] = chance.randrange(256)
        elif kind == 1 and at < len(out):
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            out[at:at] = bytes(
                [chance.choice(b"(.0129FIJKLMNPQRSTUVXabcdeghijloprstu}])q\x80\x81\x85\x86\x87\x8c\x93\x94\x95")]
            )
        elif kind == 3:
            del out[at : at + chance.randrange(1, 20)]
        elif kind == 4:
            start = chance.randrange(len(other) + 1)
            out[at:at] = other[start : start + chance.randrange(1, 60)]
        elif kind == 5:
            out[at:at] = out[at : at + chance.randrange(1, 40)]
        elif kind == 6:
            word = chance.choice(_WORDS)
            out[at:at] = b"\x8c" + bytes([len(word)]) + word
        else:
            out[at:at] = b"\x95" + chance.randrange(1, 300).to_bytes(8, "little")
    return bytes(out)


_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 62, (1 << 64) - 1)


def mutate_numbers(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return a copy with lengths and offsets changed: edge values, the file's own size, small steps; or cut short."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        width = chance.choice((1, 2, 4, 8))
        at = chance.randrange(max(1, len(out) - width + 1))
        old = int.from_bytes(out[at : at + width], "little")
        value = chance.choice((*_EDGES, len(out), old + chance.randrange(-9, 10), old * 2))
        out[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, chance.choice(("little", "little", "big")))
    return bytes(out[: chance.randrange(len(out) + 1)] if chance.randrange(8) == 0 else out)


@dataclass
class Figures:
    """What a run of the fuzzer saw."""

    mutants: int = 0
    harmless: int = 0
    slowest_seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def check(self, what: str, data: bytes, work: Callable[[], object]) -> object:
        """Run ``work`` and note a crash or a hang."""
        start = time.perf_counter()
        try:
            return work()
        except Exception as error:  # noqa: BLE001  any escaping exception is what is looked for
            self.faults.append(f"{what}: {type(error).__name__}: {error}: {data[:200].hex()}")
            return None
        finally:
            took = time.perf_counter() - start
            self.slowest_seconds = max(self.slowest_seconds, took)
            if took > HANG_SECONDS:
                self.faults.append(f"{what}: {took:.1f} s: {data[:200].hex()}")


def pickles() -> list[bytes]:
    """Return the seeds: hostile streams and pickles of plain values in every protocol."""
    value = {
        "a": [1, 2.5, "x", None, True],
        "b": collections.OrderedDict(c=(1, 2)),
        "d": {1, 2},
        "e": b"xyz",
        "f": 2**70,
    }
    made = [pickle.dumps(value, protocol=protocol) for protocol in range(6)]
    made.append(pickle.dumps([str(n) * 40 for n in range(60)], protocol=4))
    return made + [data for data in hostile.DANGEROUS.values() if data[:2] != b"PK"]


def fuzz_pickles(mutants: int, seed: int, seconds: float) -> Figures:
    """Hold the machine's verdict on mutated pickles against CPython."""
    chance, seeds, figures = random.Random(seed), pickles(), Figures()
    end = time.monotonic() + seconds
    while figures.mutants < mutants and time.monotonic() < end:
        data = mutate(chance.choice(seeds), chance.choice(seeds), chance)
        figures.mutants += 1
        answer = figures.check("pickle", data, functools.partial(verdict, data))
        if answer in ("data", "inert"):
            figures.harmless += 1
            if wrong := contradictions(data):
                figures.faults.append(f"called {answer}, but CPython reaches {sorted(wrong)}: {data.hex()}")
    return figures


def fuzz_files(seeds: list[bytes], mutants: int, seed: int, seconds: float) -> Figures:
    """Give mutated files to the readers: only errors of ours may come back, and soon."""
    chance, figures = random.Random(seed), Figures()
    end = time.monotonic() + seconds
    while figures.mutants < mutants and time.monotonic() < end:
        change = chance.choice((mutate, mutate_numbers))
        data = change(chance.choice(seeds), chance.choice(seeds), chance)
        figures.mutants += 1
        figures.check("file", data, functools.partial(_read, data))
    return figures


def _read(data: bytes) -> str:
    if not data:
        return "empty"
    try:
        return read_file(Memory(data, Path("mutant.onnx"), "mutant.onnx")).verdict
    except DnnboxError as error:
        return error.name


def run(part: str, mutants: int, seed: int, seconds: float) -> Figures:
    """Fuzz one part, all in one process: ``pickle``, or a format of the seeds."""
    from tests.unit.checkpoints.fuzz_seeds import by_format

    if part == "pickle":
        return fuzz_pickles(mutants, seed, seconds)
    return fuzz_files(by_format()[part], mutants, seed, seconds)


SLICE = 25_000
"""Mutants that are made in one go, so that all processes are busy to the end."""
MAIN_PARTS = ("pickle", "zip", "safetensors", "gguf", "onnx")
"""Those with the full number of mutants; the other formats get ``--others`` each."""


def run_slice(part: str, mutants: int, seed: int, seconds: float) -> tuple[Figures, float, int]:
    """Return the figures of a slice with the seconds that it took and the peak MiB of its process."""
    warnings.simplefilter("ignore", DeprecationWarning)  # CPython's, about escapes that mutants made up
    start = time.monotonic()
    figures = run(part, mutants, seed, seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    if peak > MOST_MIB:
        figures.faults.append(f"{part}: {peak} MiB")
    return figures, time.monotonic() - start, peak


def slices(part: str, mutants: int, seed: int) -> list[tuple[str, int, int]]:
    """Return (part, mutants, seed) of each slice; every slice has a seed of its own, the same in every run."""
    sizes = [min(SLICE, mutants - start) for start in range(0, mutants, SLICE)]
    return [(part, size, seed * 100_003 + number) for number, size in enumerate(sizes)]


def merged(results: list[tuple[Figures, float, int]]) -> tuple[Figures, float, int]:
    """Return the figures of all slices of a part: sums, the slowest and the largest."""
    whole = Figures()
    for figures, _, _ in results:
        whole.mutants += figures.mutants
        whole.harmless += figures.harmless
        whole.slowest_seconds = max(whole.slowest_seconds, figures.slowest_seconds)
        whole.faults += figures.faults
    return whole, sum(took for _, took, _ in results), max(peak for _, _, peak in results)


def main() -> int:
    """Run from the command line."""
    from tests.unit.checkpoints.fuzz_seeds import by_format

    parts = ("pickle", *by_format())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=200_000, help=f"of each of {', '.join(MAIN_PARTS)}")
    parser.add_argument("--others", type=int, help="of each other part; as many as --mutants without it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600.0, help="of processor time at most, for each part")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--only", choices=parts, action="append", help="this part; may be given again")
    parser.add_argument("--record", type=Path, help="a file to which the lines are added")
    options = parser.parse_args()
    others = options.mutants if options.others is None else options.others
    failed = False
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        waiting = {}
        for part in options.only or parts:
            pieces = slices(part, options.mutants if part in MAIN_PARTS else others, options.seed)
            share = options.seconds / max(1, len(pieces))
            waiting[part] = [pool.submit(run_slice, *piece, share) for piece in pieces]
        for part, futures in waiting.items():
            if futures:
                failed |= _report(part, merged([future.result() for future in futures]), options)
    return 1 if failed else 0


def _report(part: str, result: tuple[Figures, float, int], options: argparse.Namespace) -> bool:
    """Print and record one line; return whether there were faults."""
    figures, took, peak = result
    line = json.dumps({
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "seed": options.seed, "part": part,
        "mutants": figures.mutants, "harmless": figures.harmless, "seconds": round(took, 1),
        "slowest_s": round(figures.slowest_seconds, 3), "peak_mib": peak, "faults": len(figures.faults),
    })  # fmt: skip
    print(line, flush=True)
    print("\n".join(figures.faults[:20]), file=sys.stderr, end="\n" if figures.faults else "")
    if options.record:
        with options.record.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    return bool(figures.faults)


if __name__ == "__main__":
    sys.exit(main())
