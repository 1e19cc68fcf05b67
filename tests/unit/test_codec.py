"""Records to JSON and back: total when writing, strict when reading."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnnbox import codec
from dnnbox.records.evidence import Evidence
from dnnbox.records.identity import Candidate, Identity, SameWeights
from dnnbox.records.inspection import Inspection, IoField, IoHints, TensorSummary
from dnnbox.records.measurements import Cold, Statistics, Stats, Throughput, Warm

texts = st.text(st.characters(codec="utf-8"), max_size=20)


def inspection() -> Inspection:
    candidate = Candidate(
        "timm",
        "resnet50",
        "exact",
        1.0,
        {"num_classes": 10},
        (SameWeights("resnetaa50", "pooling"),),
        (Evidence("a", "b"),),
    )
    return Inspection(
        path="m.pth", kind="file", format="torch-zip", framework="pytorch", size_bytes=12, verdict="data-only",
        identity=Identity(False, (candidate,)), tensors=TensorSummary(2, 30, 120, {"float32": 2}),
        io_hints=IoHints(inputs=(IoField("x", ("N", 3, 224, 224), "float32"),)),
    )  # fmt: skip


@pytest.mark.parametrize(
    "record",
    [
        inspection(),
        Stats(
            cold=Cold(2, {"spawn": Statistics(p50=1.5, ci95=(1.0, 2.0), n=2)}),
            warm=Warm(per_process_p50_ms=(1.0, 1.1), modes_ms=()),
            throughput=(Throughput(1, 10.0),),
            reasons={"energy": "no counter"},
        ),
    ],
    ids=["inspection", "stats"],
)
def test_round_trip__nested_record__is_equal(record):
    assert codec.loads(type(record), codec.dumps(record)) == record


@given(texts, texts, st.floats(allow_nan=False, allow_infinity=False))
def test_round_trip__any_evidence__is_equal(claim, source, weight):
    evidence = Evidence(claim, source, weight=weight)

    assert codec.loads(Evidence, codec.dumps(evidence)) == evidence


def test_dumps__same_record_twice__same_bytes():
    assert codec.dumps(inspection()) == codec.dumps(inspection())


def test_to_json__nan_and_infinity__are_null():
    assert codec.to_json({"a": float("nan"), "b": float("inf")}) == {"a": None, "b": None}


def test_dumps__lone_surrogate_of_an_odd_path__is_valid_utf8():
    text = codec.dumps({"path": "caf\udce9"})

    assert json.loads(text.encode("utf-8"))["path"] == "caf\\udce9"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "expected an object"),
        ({"claim": "a", "source": "b", "colour": 1}, "no field colour"),
        ({"claim": "a"}, "field source is missing"),
        ({"claim": 1, "source": "b"}, "expected str"),
        ({"claim": None, "source": "b"}, "null is not allowed"),
        ({"claim": "a", "source": "b", "weight": True}, "expected float"),
    ],
)
def test_from_json__wrong_data__says_which_field(data, complaint):
    with pytest.raises(codec.CodecError, match=complaint):
        codec.from_json(Evidence, data)


def test_from_json__unknown_literal__is_refused():
    data = codec.to_json(inspection()) | {"verdict": "safe"}

    with pytest.raises(codec.CodecError, match="is not one of"):
        codec.from_json(Inspection, data)
