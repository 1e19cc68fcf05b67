"""How a figure is written: digits, units, intervals. Used by every report and screen; depends on nothing.

Latency has three significant digits, at most what its interval supports; an interval has the decimals of its value; a
missing figure is an en dash. Units and percent signs follow a non-breaking space.
"""

from __future__ import annotations

import math

NBSP = "\u00a0"
MISSING = "–"
_MIB_PER_GIB = 1024.0


def count(value: float) -> str:
    """Return a whole number, thousands apart: 1 000."""
    return signed(f"{value:,.0f}".replace(",", NBSP))


def signed(text: str) -> str:
    """Return a number's text with a true minus."""
    return text.replace("-", "−")


def decimals_for(value: float, digits: int = 3) -> int:
    """Return the decimals that show ``digits`` significant digits of ``value``."""
    if value == 0 or not math.isfinite(value):
        return digits - 1
    return max(0, digits - 1 - math.floor(math.log10(abs(value))))


def fixed(value: float, decimals: int) -> str:
    """Return a number with this many decimals, thousands apart, a true minus."""
    return signed(f"{value:,.{decimals}f}".replace(",", NBSP))


def significant(value: float, digits: int = 3) -> str:
    """Return a number with significant digits: 14.6, 293, 0.0712."""
    return fixed(value, decimals_for(value, digits))


def _time_scale(milliseconds: float) -> tuple[float, str]:
    size = abs(milliseconds)
    if size >= 1000:
        return 1e-3, "s"
    return (1.0, "ms") if size >= 0.1 or size == 0 else (1e3, "µs")


def _time_decimals(value: float, unit: str, interval: tuple[float, float] | None) -> int:
    if unit == "s":
        return 2 if value < 10 else 1 if value < 100 else 0
    decimals = decimals_for(value)
    if interval is None or interval[1] <= interval[0]:
        return decimals
    half = (interval[1] - interval[0]) / 2
    return min(decimals, max(0, 1 - math.floor(math.log10(half))))


def duration_parts(milliseconds: float, interval: tuple[float, float] | None = None) -> tuple[str, str]:
    """Return (number, unit) of a time: ("14.6", "ms"), ("7.84", "s"), ("42.1", "µs")."""
    scale, unit = _time_scale(milliseconds)
    scaled = None if interval is None else (interval[0] * scale, interval[1] * scale)
    return fixed(milliseconds * scale, _time_decimals(abs(milliseconds) * scale, unit, scaled)), unit


def duration(milliseconds: float | None, interval: tuple[float, float] | None = None) -> str:
    """Return a time: 14.6 ms, 7.84 s, 42.1 µs."""
    return MISSING if milliseconds is None else NBSP.join(duration_parts(milliseconds, interval))


def duration_interval(milliseconds: float | None, interval: tuple[float, float] | None) -> str:
    """Return the interval of a time with the value's unit and decimals: 14.5–14.7 ms."""
    if milliseconds is None or interval is None:
        return MISSING
    scale, unit = _time_scale(milliseconds)
    scaled = (interval[0] * scale, interval[1] * scale)
    decimals = _time_decimals(abs(milliseconds) * scale, unit, scaled)
    return f"{fixed(scaled[0], decimals)}–{fixed(scaled[1], decimals)}{NBSP}{unit}"


def duration_like(milliseconds: float, model: float, interval: tuple[float, float] | None = None) -> str:
    """Return a difference with the unit of the time that it was taken from, and at most its decimals."""
    scale, unit = _time_scale(model)
    scaled = None if interval is None else (interval[0] * scale, interval[1] * scale)
    decimals = min(_time_decimals(abs(model) * scale, unit, scaled), decimals_for(milliseconds * scale))
    return f"{fixed(milliseconds * scale, decimals)}{NBSP}{unit}"


def seconds(value: float | None) -> str:
    """Return seconds: 0.71 s, 7.84 s, 84.1 s, 252 s."""
    return MISSING if value is None else f"{fixed(value, 2 if value < 10 else 1 if value < 100 else 0)}{NBSP}s"


def memory(mib: float | None) -> str:
    """Return memory: 1.31 GiB, 24.0 GiB; whole MiB below 0.1 GiB."""
    if mib is None:
        return MISSING
    if abs(mib) < 0.1 * _MIB_PER_GIB:
        return f"{fixed(mib, 0)}{NBSP}MiB"
    gib = mib / _MIB_PER_GIB
    return f"{fixed(gib, 2 if abs(gib) < 10 else 1)}{NBSP}GiB"


def size(byte_count: float | None) -> str:
    """Return a file's size in decimal units: 168 MB, 86.4 MB, 412 bytes."""
    if byte_count is None:
        return MISSING
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if byte_count >= factor:
            return f"{significant(byte_count / factor)}{NBSP}{unit}"
    return f"{count(byte_count)}{NBSP}bytes"


def half_width(share: float) -> str:
    """Return half an interval as a share: ± 0.7 %, or within ± 0.1 % where it is smaller."""
    return f"within ±{NBSP}0.1{NBSP}%" if share < 0.001 else f"±{NBSP}{percent(share)}"


def work(flops: float | None) -> str:
    """Return floating-point operations: 3.63 GFLOP, 812 kFLOP."""
    if flops is None:
        return MISSING
    for factor, unit in ((1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP")):
        if flops >= factor:
            return f"{significant(flops / factor)}{NBSP}{unit}"
    return f"{significant(flops / 1e3)}{NBSP}kFLOP"


def work_rate(flops_per_s: float | None) -> str:
    """Return floating-point operations per second: 342 GFLOP/s."""
    return MISSING if flops_per_s is None else f"{significant(flops_per_s / 1e9)}{NBSP}GFLOP/s"


def byte_rate(bytes_per_s: float | None) -> str:
    """Return bytes per second in decimal units: 31.1 GB/s."""
    return MISSING if bytes_per_s is None else f"{significant(bytes_per_s / 1e9)}{NBSP}GB/s"


def energy(joules: float | None) -> str:
    """Return energy: 1.24 J, 38.1 mJ."""
    if joules is None:
        return MISSING
    return f"{significant(joules)}{NBSP}J" if joules >= 1 else f"{significant(1e3 * joules)}{NBSP}mJ"


def power(watts: float | None) -> str:
    """Return power: 312 W."""
    return MISSING if watts is None else f"{significant(watts)}{NBSP}W"


def parameters(value: float) -> str:
    """Return a parameter count: 42.0 M, 1.31 B, 7 412."""
    for factor, unit in ((1e9, "B"), (1e6, "M")):
        if value >= factor:
            return f"{significant(value / factor)}{NBSP}{unit}"
    return count(value)


def rate(per_second: float | None) -> str:
    """Return items per second without a unit, three digits."""
    return MISSING if per_second is None else significant(per_second)


def percent(share: float | None) -> str:
    """Return a share for prose: 78 %; shares under one percent keep a digit."""
    if share is None:
        return MISSING
    if share != 0 and abs(share) < 0.0095:
        return f"{fixed(100 * share, 1)}{NBSP}%"
    return f"{fixed(100 * share, 0)}{NBSP}%"


def percent_cell(share: float | None) -> str:
    """Return a share for a table: 41.2 %."""
    return MISSING if share is None else f"{fixed(100 * share, 1)}{NBSP}%"


def plain(value: float) -> str:
    """Return a number of unknown kind, four significant digits, no trailing zeros."""
    if value == int(value) and abs(value) < 1e15:
        return count(value)
    text = f"{value:.4g}"
    return signed(text)


def counted(value: int, singular: str, plural: str = "") -> str:
    """Return ``1 process`` or ``3 processes``."""
    return f"{count(value)}{NBSP}{singular if value == 1 else plural or singular + 's'}"
