"""Is every number of a report in ``outputs/``? Finds those that are not, with unit and rounding taken into account."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NUMBER = re.compile(
    r"(?<![\w.#])([−-]?\d+(?:[\u00a0\u202f]\d{3})*(?:\.\d+)*(?:e[−+-]?\d+)?)(?![_\d])"
    r"(?:[\u00a0 ]?(ms|µs|s|GFLOP/s|TFLOP|GFLOP|MFLOP|kFLOP|GB/s|GiB|MiB|GB|MB|kB|mJ|J|W|bytes|%|M|B)(?![\w/]))?"
)
_UNITS: Mapping[str, tuple[tuple[str, float], ...]] = {
    # unit in the report -> (unit in a JSON name, factor)
    "ms": (("ms", 1.0), ("ns", 1e-6), ("s", 1e3)),
    "µs": (("ms", 1e3), ("ns", 1e-3)),
    "s": (("ms", 1e-3), ("ns", 1e-9), ("s", 1.0)),
    "GiB": (("mib", 1 / 1024), ("bytes", 2.0**-30)),
    "MiB": (("mib", 1.0), ("bytes", 2.0**-20)),
    "GB": (("bytes", 1e-9),),
    "MB": (("bytes", 1e-6),),
    "kB": (("bytes", 1e-3),),
    "GB/s": (("bytes", 1e-9),),
    "GFLOP/s": (("flops", 1e-9),),
    "TFLOP": (("flops", 1e-12),),
    "GFLOP": (("flops", 1e-9),),
    "MFLOP": (("flops", 1e-6),),
    "kFLOP": (("flops", 1e-3),),
    "J": (("joules", 1.0),),
    "mJ": (("joules", 1e3),),
    "W": (("watts", 1.0),),
    "bytes": (("bytes", 1.0),),
    "%": (("share", 100.0),),
    "M": (("parameters", 1e-6),),
    "B": (("parameters", 1e-9),),
}
_SHARES = ("share", "score", "shares", "value", "limit")
# Numbers of the reports' own words, never results: 95 % CI, 19 of 20, 1 in 100, ± 0.1 % as the floor of an interval.
_OWN = (
    "95 % CI",
    "95 % of the best throughput",
    "gains less than 5 %",
    "19 of 20",
    "19 in 20",
    "9 of 10",
    "9 in 10",
    "99 of 100",
    "99 in 100",
    "1 in 100",
    "within ± 0.1 %",
    "latency_p50_ms<=10",
)
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_PERCENTILE = re.compile(r"\bp(?:50|90|95|99)\b")


@dataclass
class _Known:
    """Numbers by unit, all plain numbers, counts of things, and the texts that hold digits."""

    by_unit: dict[str, list[float]] = field(default_factory=dict)
    plain: list[float] = field(default_factory=list)
    counts: set[int] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)


def unmatched(report: str, experiment: Path) -> tuple[str, ...]:
    """Return the numbers of a Markdown report, with their words, that no file of ``outputs/`` holds."""
    known = _known(experiment)
    plain = _dates_removed(_own_words_removed(report), known)
    return tuple(
        f"{match[0].strip()} in “{_around(plain, match)}”"
        for match in _NUMBER.finditer(plain)
        if not _is_known(match, plain, known)
    )


def _own_words_removed(report: str) -> str:
    text = re.sub(
        r"`[^`\n]*`|\]\([^)]*\)|<a id=\"[^\"]*\"></a>|^#+ |^\d+\. |\\",
        " ",
        report.replace("\u00a0", " "),
        flags=re.MULTILINE,
    )
    # Thousands are apart by a space that is now an ordinary one: join them again.
    text = re.sub(r"(?<=\d) (?=\d{3}\b)", "", text)
    for words in _OWN:  # not within a number: 319 of 20 382
        text = re.sub(rf"(?<![\d.]){re.escape(words)}(?!\d)", " ", text)
    return _PERCENTILE.sub(" ", text)


def _dates_removed(text: str, known: _Known) -> str:
    """Remove the dates that stand in the outputs: 12 Mar 2026, 14:08 UTC is 2026-03-12T14:08 there."""

    def replaced(match: re.Match[str]) -> str:
        day, month, year, clock = match.groups()
        stamp = f"{year}-{_MONTHS.index(month) // 3 + 1:02}-{int(day):02}T{clock}"
        return " " if any(stamp in words for words in known.texts) else match[0]

    return re.sub(r"\b(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}), (\d\d:\d\d) UTC", replaced, text)


def _around(text: str, match: re.Match[str]) -> str:
    return " ".join(text[max(0, match.start() - 30) : match.end() + 20].split())


def _known(experiment: Path) -> _Known:
    known = _Known()
    places = (experiment / "experiment.json", *sorted((experiment / "outputs").glob("*.json")))
    for place in places:
        if place.is_file():
            document = json.loads(place.read_text(encoding="utf-8"))
            _collect(_without_series(document) if place.name == "samples.json" else document, ("",), known)
    return known


def _without_series(value: Any) -> Any:
    """Leave the raw samples out: thousands of values would vouch for any number."""
    if isinstance(value, Mapping):
        return {
            key: _without_series(item) for key, item in value.items() if key not in ("latency_ms", "counts", "points")
        }
    return [_without_series(item) for item in value] if isinstance(value, list) else value


def _collect(value: Any, path: tuple[str, ...], known: _Known) -> None:
    if isinstance(value, Mapping):
        known.counts.add(len(value))
        known.texts += [str(key) for key in value]
        for key, item in value.items():
            _collect(item, (*path, str(key)), known)
    elif isinstance(value, list):
        known.counts.update(_list_counts(value))
        for item in value:
            _collect(item, path, known)
    elif isinstance(value, str):
        known.texts.append(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        known.plain.append(float(value))
        for unit in _units_of(path):
            known.by_unit.setdefault(unit, []).append(float(value))


def _list_counts(value: list[Any]) -> Iterator[int]:
    """Yield how many items there are, and how many share one value of a short field (3 met, 4 passed)."""
    yield len(value)
    fields = {key for item in value if isinstance(item, Mapping) for key in item}
    for key in fields:
        values = [str(item.get(key)) for item in value if isinstance(item, Mapping)]
        yield from (values.count(v) for v in set(values))
    required = [item for item in value if isinstance(item, Mapping) and "required" in item]
    for flag in (True, False):
        group = [str(item.get("status")) for item in required if item["required"] is flag]
        yield len(group)
        yield from (group.count(v) for v in set(group))


def _units_of(path: tuple[str, ...]) -> Iterator[str]:
    """Yield the units that the names on the way say, the innermost first; targets carry them in their metric's name."""
    joined = "_".join(path).lower()
    pieces = set(re.split(r"[_.]", joined))
    yield from (unit for unit in ("ms", "ns", "mib", "bytes", "flops", "parameters", "s") if unit in pieces)
    if pieces & {"seconds"}:
        yield "s"
    if pieces & {"measured", "target", "delta", "interval"}:
        yield from ("ms", "mib", "share")
    if pieces & set(_SHARES):
        yield "share"


def _is_known(match: re.Match[str], text: str, known: _Known) -> bool:
    digits, unit = match[1].replace("−", "-").replace("\u00a0", "").replace(" ", ""), match[2]
    token = digits.lstrip("-")
    if any(re.search(rf"(?<![\w.]){re.escape(token)}(?!\w|\.\d)", words.replace("−", "-")) for words in known.texts):
        return True
    if digits.count(".") > 1:  # a version
        return False
    mantissa, _, exponent = digits.partition("e")
    value, decimals = float(digits), len(mantissa.partition(".")[2]) - int(exponent or 0)
    if unit is None and not decimals and not exponent and abs(value) in known.counts:
        return True
    candidates = _candidates(unit or _unit_after(text, match), known)
    tolerance = 0.5 * 10.0**-decimals * 1.000001 + (0.0 if exponent else 1e-12)
    return any(abs(abs(candidate) - abs(value)) <= tolerance for candidate in candidates)


def _unit_after(text: str, match: re.Match[str]) -> str | None:
    """Return the unit of the other end for the first number of an interval, 14.5–14.7 ms, and of one in bold."""
    following = re.match(r"(?:–[−-]?[\d.]+|\*\*) ?(ms|µs|s|GiB|MiB|%)", text[match.end() :])
    return following[1] if following else None


def _candidates(unit: str | None, known: _Known) -> Iterator[float]:
    if unit is None:
        yield from known.plain
        return
    for stored, factor in _UNITS.get(unit, ()):
        yield from (number * factor for number in known.by_unit.get(stored, ()))
