"""JSON Schemas of the files that other programs rely on, derived from the records: they cannot drift apart."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from dnnbox.errors import Usage

_PLACES: Mapping[str, str] = {
    "inspection": "dnnbox.records.inspection:Inspection",
    "identity": "dnnbox.records.identity:Identity",
    "dependencies": "dnnbox.records.dependencies:Dependencies",
    "plan": "dnnbox.records.plan:Plan",
    "experiment": "dnnbox.records.experiment:ExperimentIndex",
    "environment": "dnnbox.records.environment:EnvironmentRecord",
    "stats": "dnnbox.records.measurements:Stats",
    "profile": "dnnbox.records.measurements:Profile",
    "io_contract": "dnnbox.records.measurements:Contract",
    "metrics": "dnnbox.records.evaluation:Quality",
    "published": "dnnbox.records.published:Published",
    "training": "dnnbox.records.evaluation:TrainingCheck",
    "verdict": "dnnbox.records.measurements:Verdict",
    "verify": "dnnbox.records.verification:Verification",
}


def names() -> tuple[str, ...]:
    """Return the names that ``dnnbox schema`` knows."""
    return tuple(_PLACES)


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``outputs/<name>.json``, or of what a command answers with ``--json``.

    More fields may be added within a schema number, so unknown ones are allowed to readers.
    """
    place = _PLACES.get(name)
    if place is None:
        raise Usage(f"no schema `{name}`", hint=f"known: {', '.join(_PLACES)}")
    module, _, attribute = place.partition(":")
    record = getattr(__import__(module, fromlist=[attribute]), attribute)
    definitions: dict[str, Any] = {}
    body = _object(record, definitions)
    if name == "inspection":
        body["properties"] = {"schema": {"const": "dnnbox.inspection/1"}, **body["properties"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"dnnbox {name}",
        **body,
        "$defs": dict(sorted(definitions.items())),
    }


def _object(record: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(record)
    members = fields(record)
    required = [f.name for f in members if f.default is MISSING and f.default_factory is MISSING]
    return {
        "type": "object",
        "description": (record.__doc__ or "").strip().splitlines()[0],
        "properties": {f.name: _value(hints[f.name], definitions) for f in members},
        **({"required": required} if required else {}),
    }


def _value(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        return _reference(hint, definitions)
    if origin is typing.Literal:
        return {"enum": list(args)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_value(arg, definitions) for arg in args]}
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return {"type": "array", "items": _value(args[0], definitions)}
        return {"type": "array", "prefixItems": [_value(arg, definitions) for arg in args], "minItems": len(args)}
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _value(args[1], definitions)}
    return _scalar(hint)


def _scalar(hint: Any) -> dict[str, Any]:
    simple = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    return {"type": simple[hint]} if hint in simple else {}


def _reference(record: type, definitions: dict[str, Any]) -> dict[str, Any]:
    if record.__name__ not in definitions:
        definitions[record.__name__] = {}  # claimed before it is built, so that a cycle would end
        definitions[record.__name__] = _object(record, definitions)
    return {"$ref": f"#/$defs/{record.__name__}"}
