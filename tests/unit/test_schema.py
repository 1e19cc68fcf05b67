"""JSON Schemas come from the records and describe what the codec writes."""

import jsonschema
import pytest

from dnnbox import codec, schema
from dnnbox.errors import Usage
from dnnbox.records.experiment import ExperimentIndex, StageRecord
from dnnbox.records.inspection import Inspection, IoField, IoHints
from dnnbox.records.measurements import Cold, Statistics, Stats, Target, Verdict


@pytest.mark.parametrize("name", schema.names())
def test_schema__each_name__is_a_valid_schema(name):
    jsonschema.Draft202012Validator.check_schema(schema.schema(name))


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("experiment", ExperimentIndex(stages=(StageRecord("inspect", "ok", 0.1),), identities={"lock": None})),
        ("stats", Stats(cold=Cold(1, {"spawn": Statistics(1.0, (0.5, 1.5), n=3)}), quality="quiet")),
        ("verdict", Verdict(targets=(Target("a<=1", "a", None, 1.0, None, "unknown", "m"),))),
        (
            "inspection",
            Inspection("m", "file", "onnx", "onnx", 1, "no-code", io_hints=IoHints(inputs=(IoField("x", ("N", 3)),))),
        ),
    ],
)
def test_schema__written_record__validates(name, record):
    jsonschema.validate(codec.to_json(record), schema.schema(name))


def test_schema__wrong_value__is_found():
    broken = codec.to_json(Verdict()) | {"decision": "perhaps"}

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema.schema("verdict"))


def test_schema__unknown_name__lists_the_known():
    with pytest.raises(Usage) as caught:
        schema.schema("nothing")

    assert "stats" in caught.value.hint
