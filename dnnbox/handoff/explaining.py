"""What differs between two runs, the likeliest cause of other outputs first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dnnbox.text import visible


@dataclass(frozen=True)
class Cause:
    """One thing that differs. ``affects`` says what it can change: outputs, timings, or both."""

    what: str
    before: str
    now: str
    affects: str
    because: str


@dataclass(frozen=True)
class Facts:
    """What is known of a run: packages, machine, what was effective, and where it ran."""

    packages: Mapping[str, str]
    machine: Mapping[str, Any]
    effective: Mapping[str, Any]
    python: str
    box: str
    sandbox: str
    dnnbox: str


_MACHINE = (
    ("gpu", "GPU", "both", "another GPU has other kernels, which sum in another order"),
    ("driver", "driver", "both", "the driver brings the compiler of the kernels"),
    ("cpu", "processor", "both", "libraries choose other kernels for another processor"),
    ("cpu_flags", "processor features", "both", "libraries choose kernels by what the processor can"),
    ("cores_available", "cores", "both", "sums are split among threads in another way"),
    ("governor", "clock governor", "timings", "it decides how fast the processor runs"),
    ("memory_bytes", "memory", "timings", "less memory can mean paging"),
    ("libc", "C library", "outputs", "it brings the mathematical functions"),
    ("kernel", "kernel", "timings", "it schedules the process"),
    ("os", "system", "timings", "it schedules the process"),
)
_EFFECTIVE = (
    ("device", "device", "both", "it ran elsewhere"),
    ("precision", "precision", "outputs", "fewer bits round earlier"),
    ("threads", "threads", "both", "sums are split among threads in another way"),
    ("providers", "execution providers", "both", "another provider has other kernels"),
)


def causes(before: Facts, now: Facts) -> tuple[Cause, ...]:
    """Return everything that differs, packages first: they are what a lock promises to keep."""
    return (*_packages(before, now), *_python(before, now), *_fields(before, now), *_around(before, now))


def _packages(before: Facts, now: Facts) -> Iterator[Cause]:
    names = sorted({*before.packages, *now.packages})
    for name in names:
        old, new = before.packages.get(name, "not there"), now.packages.get(name, "not there")
        if old != new:
            yield Cause(
                f"package {visible(name, 60)}", visible(old, 60), visible(new, 60), "both",
                "another version computes in another way",
            )  # fmt: skip


def _python(before: Facts, now: Facts) -> Iterator[Cause]:
    if before.python != now.python:
        minor = before.python.split(".")[:2] == now.python.split(".")[:2]
        because = "the same minor version: unlikely to matter" if minor else "another Python has other libraries"
        yield Cause(
            "Python", visible(before.python, 20), visible(now.python, 20), "timings" if minor else "both", because
        )


def _fields(before: Facts, now: Facts) -> Iterator[Cause]:
    groups = ((_EFFECTIVE, before.effective, now.effective), (_MACHINE, before.machine, now.machine))
    for table, old, new in groups:
        for key, words, affects, because in table:
            one, other = old.get(key), new.get(key)
            if key == "memory_bytes" and _close(one, other):
                continue
            if one != other and not (not one and not other):
                yield Cause(words, _shown(one), _shown(other), affects, because)


def _close(one: object, other: object) -> bool:
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        return False
    return abs(one - other) <= 0.1 * max(one, other)


def _around(before: Facts, now: Facts) -> Iterator[Cause]:
    for words, old, new, because in (
        ("box", before.box, now.box, "the start differs, the model does not"),
        ("sandbox", before.sandbox, now.sandbox, "the start differs, the model does not"),
        ("dnnbox", before.dnnbox, now.dnnbox, "another version may measure in another way"),
    ):
        if old != new:
            yield Cause(words, visible(old, 80) or "unknown", visible(new, 80) or "unknown", "timings", because)


def _shown(value: object) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, list):
        parts = [str(each.get("name", each)) if isinstance(each, Mapping) else str(each) for each in value]
        return visible(", ".join(parts), 120)
    return visible(str(value), 120)
