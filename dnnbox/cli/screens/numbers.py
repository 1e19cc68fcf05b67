"""How numbers are written on the terminal: rounded to what they support, with their unit."""

from __future__ import annotations

import math

NBSP = "\u00a0"
MISSING = "–"


def _decimals(value: float, digits: int = 3) -> int:
    """Return how many decimals show ``digits`` significant digits; three at most."""
    if not value:
        return 0
    return max(0, min(3, digits - 1 - math.floor(math.log10(abs(value)))))


def milliseconds(value: float | None) -> str:
    """Return a latency with three significant digits."""
    return MISSING if value is None else f"{value:.{_decimals(value)}f}{NBSP}ms"


def interval(bounds: tuple[float, float], value: float) -> str:
    """Return the bounds with as many decimals as ``value`` is shown with."""
    decimals = _decimals(value)
    return f"{bounds[0]:.{decimals}f}–{bounds[1]:.{decimals}f}"


def seconds_text(value: float | None) -> str:
    """Return a duration: 7.84 s, 84.1 s, 6 min 12 s."""
    if value is None:
        return MISSING
    if value < 100:
        return f"{value:.{2 if value < 9.995 else 1}f}{NBSP}s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{NBSP}h {minutes}{NBSP}min" if hours else f"{minutes}{NBSP}min {seconds}{NBSP}s"


def file_size(size_bytes: int | None) -> str:
    """Return a file or download size in decimal units."""
    if size_bytes is None:
        return MISSING
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= factor:
            value = size_bytes / factor
            return f"{value:.{1 if value < 100 else 0}f}{NBSP}{unit}"
    return f"{size_bytes}{NBSP}bytes"


def memory(mib: float | None) -> str:
    """Return memory in GiB, small amounts in MiB."""
    if mib is None:
        return MISSING
    return f"{mib / 1024:.2f}{NBSP}GiB" if mib >= 100 else f"{mib:.0f}{NBSP}MiB"


def count(value: int) -> str:
    """Return a count; large ones in millions or billions."""
    if value >= 10**9:
        return f"{value / 10**9:.2f}{NBSP}G"
    if value >= 10**6:
        return f"{value / 10**6:.1f}{NBSP}M"
    return f"{value:,}".replace(",", "\u202f")


def share_text(value: float) -> str:
    """Return a share in whole percent; only all of it is 100 %."""
    percent = 99 if 0.99 <= value < 1 else round(100 * value)
    return f"{percent}{NBSP}%"


def rate(value: float | None, unit: str) -> str:
    """Return a rate with three significant digits at most."""
    return MISSING if value is None else f"{value:.{_decimals(value)}f}{NBSP}{unit}"


def figure(value: float) -> str:
    """Return a bare number with three significant digits at least, never in exponent form."""
    return f"{value:.{_decimals(value)}f}"
