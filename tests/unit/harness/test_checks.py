"""The output gate."""

from __future__ import annotations

from array import array

import pytest

from dnnbox.harness import checks
from dnnbox.harness.arrays import Array
from dnnbox.harness.failures import Failure


def named(*values: float, name: str = "y") -> checks.Named:
    return [(name, Array("float32", (len(values),), array("f", values).tobytes()))]


def failed(first: checks.Named, second: checks.Named, precision: str = "fp32") -> list[str]:
    return [check.name for check in checks.gate(first, second, precision) if not check.passed]


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (named(1, 2), named(1, 2), []),
        (named(1, 2), named(1, 2.00001), []),
        (named(1, 2), named(1, 2.1), ["repeatable"]),
        (named(1, 2), named(1, 2, 3), ["shape"]),
        (named(1, 2), named(1, 2, name="z"), ["shape"]),
        (named(1, float("nan")), named(1, 2), ["finite"]),
        (named(1, float("-inf")), named(1, 2), ["finite"]),
        (named(), named(), []),
        ([], [], ["output"]),
    ],
)
def test_gate__two_outputs__names_what_failed(first: checks.Named, second: checks.Named, names: list[str]) -> None:
    assert failed(first, second) == names


def test_gate__half_precision__is_more_patient() -> None:
    assert failed(named(1, 2), named(1, 2.01), "fp16") == []
    assert failed(named(1, 2), named(1, 2.01), "fp32") == ["repeatable"]


def test_require__failed_check__is_bad_output() -> None:
    with pytest.raises(Failure, match="NaN") as caught:
        checks.require(checks.gate(named(float("nan")), named(1), "fp32"))
    assert caught.value.kind == "bad_output"


def test_summarise__values__figures() -> None:
    assert checks.summarise(named(1, 2, 3)[0][1]) == (True, 1.0, 3.0, 2.0, pytest.approx(0.8164965809))
    assert checks.summarise(named(1, float("nan"))[0][1]) == (False, None, None, None, None)
    assert checks.summarise(named()[0][1]) == (None, None, None, None, None)


def test_digest__name_shape_or_value_changes__digest_changes() -> None:
    digests = {checks.digest(output) for output in (named(1, 2), named(1, 3), named(1, 2, name="z"), named(1))}
    assert len(digests) == 4
