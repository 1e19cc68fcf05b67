"""Are the files of a real experiment what the published schemas say, and does every null have its reason?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from dnnbox.schema import schema

NAMES = ("stats", "profile", "verdict", "io_contract", "environment", "inspection", "identity", "dependencies")
_TAILS = {"p90": 44, "p95": 90, "p99": 460, "ci95": 6}
_OWN_REASON = ("noise", "definitions", "reasons", "variants", "energy", "roofline", "peaks", "nodes", "operators")
"""Parts whose entries say themselves why something is missing, or that hold what others said."""

TRACE = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Trace Event Format, the JSON object form, as far as Perfetto reads it",
    "type": "object",
    "required": ["traceEvents"],
    "properties": {
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "traceEvents": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["ph"],
                "properties": {
                    "ph": {"enum": list("BEXiICnbePNODSTpFsftMVvRac(),")},
                    "name": {"type": "string"},
                    "cat": {"type": "string"},
                    "pid": {"type": ["integer", "string"]},
                    "tid": {"type": ["integer", "string"]},
                    "ts": {"type": "number"},
                    "args": {"type": "object"},
                },
                "allOf": [
                    {
                        "if": {"properties": {"ph": {"const": "X"}}},
                        "then": {"required": ["name", "pid", "tid", "ts", "dur"],
                                 "properties": {"dur": {"type": "number", "minimum": 0}}},
                    },
                    {"if": {"properties": {"ph": {"const": "M"}}}, "then": {"required": ["name", "args"]}},
                    {"if": {"properties": {"ph": {"enum": ["s", "t", "f"]}}}, "then": {"required": ["id", "ts"]}},
                ],
            },
        },
    },
}  # fmt: skip


def check_outputs(experiment: Path) -> None:
    """Hold the files of ``outputs/`` against their schemas; those that a run has no reason to write may be missing."""
    for name in NAMES:
        place = experiment / "outputs" / f"{name}.json"
        if place.is_file():
            document = json.loads(place.read_text(encoding="utf-8"))
            problems = [f"{name}.{error.json_path}: {error.message}" for error in errors(schema(name), document)]
            assert problems == []
    index = json.loads((experiment / "experiment.json").read_text(encoding="utf-8"))
    assert [error.message for error in errors(schema("experiment"), index)] == []
    stats = json.loads((experiment / "outputs" / "stats.json").read_text(encoding="utf-8"))
    assert list(unexplained(stats)) == []


def check_trace(path: Path) -> None:
    """Hold a trace against the format that viewers read."""
    document = json.loads(path.read_text(encoding="utf-8"))
    assert [error.message[:200] for error in errors(TRACE, document)][:3] == []


def errors(wanted: Any, document: Any) -> Iterator[Any]:
    Draft202012Validator.check_schema(wanted)
    yield from Draft202012Validator(wanted).iter_errors(document)


def unexplained(stats: Any) -> Iterator[str]:
    """Yield the dotted names of figures that are null without a reason for them or for what they belong to."""
    reasons = stats["reasons"]
    for name in _nulls(stats, ""):
        parts = name.split(".")
        names = {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
        if parts[0] not in _OWN_REASON and not names & set(reasons):
            yield name


def _nulls(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, dict):
        few = value.get("n") if isinstance(value.get("n"), int) else None
        for key, item in value.items():
            is_tail = few is not None and key in _TAILS and few < _TAILS[key]  # n stands beside it
            if not is_tail:
                yield from _nulls(item, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list):
        for item in value:
            yield from _nulls(item, place)
    elif value is None:
        yield place
