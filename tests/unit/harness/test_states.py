"""Checkpoints as people save them, written by torch, loaded into the model that they belong to."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dnnbox.harness.states import finding, fitting, inert
from tests.zoo import Zoo

Results = dict[str, Any]
PROBE = Path(__file__).with_name("states_probe.py")

LOADED = {
    "plain": "",
    "legacy": "",
    "state_dict": "state_dict",
    "model": "model",
    "net": "net",
    "generator": "generator",
    "compiled": "",
    "compiled_in_parallel": "",
    "compiled_inside": "",
    "prefix": "state_dict",
    "prefix_among_others": "",
    "profiled": "",
    "no_counters": "",
    "half": "",
    "bfloat16": "",
    "quantised": "",
    "lightning": "state_dict",
    "legacy_lightning": "state_dict",
    "mmengine": "state_dict",
    "old_into_new": "",
    "new_into_old": "",
    "normed_into_plain": "",
    "plain_into_normed": "",
    "sharded": "",
    "sharded_without_index": "",
    "one_of_the_shards": "",
}
REFUSED = {
    "extra": "1 not in the model (extra.weight)",
    "misshapen": "1 of another shape (head.bias)",
    "packed": "the quantised model has to be built",
    "nothing": "no tensors by name",
    "shard_missing": "one of 2 shards, of which 1 are here",
}
NOTED = {
    "half": "weights are stored as float16",
    "quantised": "1 quantised tensors were turned back into floats",
    "prefix": "the names of the tensors begin with 'backbone.', which was cut off",
    "prefix_among_others": "1 tensors outside the prefix 'student.net.' were left out: loss.weight",
    "lightning": "the checkpoint holds more than tensors; its other objects were left out, and none of their code ran",
    "no_counters": "1 buffers or tied weights are the model's own, as the file has none",
    "normed_into_plain": "weight normalisation of 1 layers was folded into their weights",
}


@pytest.fixture(scope="module")
def results(zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What came of every checkpoint, in one process of the frameworks' environment."""
    command = [zoo.python, "-W", "ignore", PROBE, tmp_path_factory.mktemp("states")]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


class TestLoading:
    """All of these share the one process."""

    pytestmark: ClassVar = [pytest.mark.zoo, pytest.mark.slow, pytest.mark.xdist_group("states")]

    @pytest.mark.parametrize("name", LOADED)
    def test_load_into__as_saved__answers_as_the_original(self, name: str, results: Results) -> None:
        assert "error" not in results[name], results[name]
        assert results[name]["same"]
        assert results[name]["entry"] == LOADED[name]

    @pytest.mark.parametrize(("name", "entry"), [("params_ema", "params_ema"), ("ema", "ema.module")])
    def test_load_into__raw_and_averaged__takes_the_average_and_says_so(
        self, name: str, entry: str, results: Results
    ) -> None:
        assert results[name]["entry"] == entry
        assert results[name]["raised"] == 1.0
        assert "these fit as well" in results[name]["notes"][0]

    @pytest.mark.parametrize("name", REFUSED)
    def test_load_into__does_not_fit__names_what(self, name: str, results: Results) -> None:
        assert results[name]["kind"] == "load_failed"
        assert REFUSED[name] in results[name]["error"]

    @pytest.mark.parametrize("name", NOTED)
    def test_load_into__something_changed__says_so(self, name: str, results: Results) -> None:
        assert NOTED[name] in results[name]["notes"]

    def test_cast__complex_weights_among_halves__stay_complex(self, results: Results) -> None:
        assert results["widened"] == ["torch.complex64", "torch.float32"]

    def test_load_into__foreign_objects__imports_none_of_their_code(self, results: Results) -> None:
        assert results["imported"] is False


class Fake:
    """A tensor as far as names and shapes go."""

    is_meta = True

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def data_ptr(self) -> int:
        return 0

    def numel(self) -> int:
        return len(self.shape)


def test_found__optimizer_and_discriminator__are_passed_over() -> None:
    data = {"net_g": {"a.weight": Fake(1)}, "net_d": {"b.weight": Fake(1)}, "optimizer": {"x": Fake(1)}}
    assert [item.entry for item in finding.found(data)] == ["net_g"]


@pytest.mark.parametrize(
    ("names", "first"),
    [(("critic_state_dict", "policy_state_dict"), "policy_state_dict"), (("disGA", "disLA", "genA2B"), "genA2B")],
)
def test_found__networks_that_only_train_another__come_last(names: tuple[str, ...], first: str) -> None:
    data = {name: {f"{n}.weight": Fake(1) for n in range(1 if name == first else 3)} for name in names}

    assert finding.found(data)[0].entry == first


def test_found__figures_beside_the_weights__are_no_part_of_them() -> None:
    weights = {f"{n}.weight": Fake(1) for n in range(4)}

    assert finding.found({"model": weights, "best": Fake(3), "step": 1})[0].entry == "model"
    whole = finding.found({"stem": Fake(3), "encoder": weights})[0]
    assert (whole.entry, len(whole.tensors)) == ("", 5)  # a part that its saver has nested


def test_inert__set_in_a_file_of_an_older_protocol__is_one() -> None:
    held = pickle.dumps({"layers": {"a"}, "where": Fake}, protocol=2)

    read = inert.Unpickler(io.BytesIO(held)).load()

    assert read["layers"] == {"a"}
    assert issubclass(read["where"], inert.Husk)


def test_found__whole_module_read_without_its_class__has_the_names_of_its_state_dict() -> None:
    norm = {"_parameters": {"weight": Fake(1), "bias": None}, "_buffers": {"mean": Fake(1), "grid": Fake(2)}}
    norm |= {"_modules": {}, "_non_persistent_buffers_set": {"grid"}}
    whole = {
        "_parameters": {"scale": Fake(1)},
        "_buffers": {},
        "_modules": {"norm": norm, "none": None},
        "training": True,
    }

    first = finding.found({"ema": whole, "updates": 3, "model": whole})[0]

    assert (first.entry, list(first.tensors)) == ("ema", ["scale", "norm.weight", "norm.mean"])


def test_found__dictionary_without_end__ends() -> None:
    data: dict[str, Any] = {}
    data["self"] = data
    assert finding.found(data) == []


def test_fit__model_has_a_level_that_the_file_lacks__adds_it() -> None:
    own = {"backbone.a.weight": Fake(2), "backbone.b.weight": Fake(3)}
    made = fitting.fit(own, {"a.weight": Fake(2), "b.weight": Fake(3)})
    assert made.strict
    assert sorted(made.tensors) == sorted(own)


def test_fit__layer_that_is_called_module__is_no_wrapper() -> None:
    own = {"module.weight": Fake(2), "weight": Fake(2)}
    made = fitting.fit(own, {"module.weight": Fake(2), "weight": Fake(2)})
    assert made.strict


def test_fit__stated_prefix__goes_before_a_better_known_one() -> None:
    tensors = {"teacher.a.weight": Fake(2), "student.a.weight": Fake(2)}
    for prefix in ("student.", "teacher"):
        made = fitting.fit({"a.weight": Fake(2)}, tensors, prefix)
        assert made.strict
        assert made.tensors["a.weight"] is tensors[f"{prefix.rstrip('.')}.a.weight"]
