"""torch's files in many layouts: what inspection says equals what torch itself sees; no plain weights are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dnnbox.checkpoints import inspect
from dnnbox.checkpoints.pickles import torch_names
from dnnbox.codec import dumps
from dnnbox.errors import Corrupt, DnnboxError
from tests.unit.checkpoints.conftest import Made

pytestmark = pytest.mark.zoo

WITHOUT_CODE = ("data-only", "inert-known", "no-code")


def test_layouts__all__agree_with_torch(made: Made) -> None:
    wrong = []
    for layout, expected in made.expected.items():
        inspection = inspect(made.path(layout))
        seen = [[tensor.name, tensor.dtype, list(tensor.shape)] for tensor in inspection.tensor_list]
        facts = (inspection.format, inspection.verdict, inspection.entry)
        if facts != (expected["format"], expected["verdict"], expected["entry"]):
            wrong.append((layout, facts, inspection.findings))
        elif sorted(seen) != sorted(expected["tensors"]):
            wrong.append((layout, seen[:5], expected["tensors"][:5]))
    assert wrong == []


def test_layouts__plain_weights__at_least_thirty_and_none_refused(made: Made) -> None:
    plain = [layout for layout, expected in made.expected.items() if expected["verdict"] in WITHOUT_CODE]
    assert len(plain) >= 30
    assert all(inspect(made.path(layout)).verdict in WITHOUT_CODE for layout in plain)


def test_state_dict__tied_weights__are_named_and_counted_once(made: Made) -> None:
    inspection = inspect(made.path("plain"))
    ties = {tensor.name: tensor.tied_to for tensor in inspection.tensor_list if tensor.tied_to}
    assert ties == {"tied.weight": "head.weight"}
    assert inspection.tensors.count == len(inspection.tensor_list)
    expected = 4 * 3 * 3 * 3 + 4 + 4 * 4 + 1 + 5 * 4 + 5 + 2  # conv, batch norm, head, scale
    assert inspection.tensors.parameters == expected
    assert inspection.tensors.bytes == 4 * (expected - 1) + 8


def test_whole_module__names_its_classes(made: Made) -> None:
    inspection = inspect(made.path("whole_module"))
    assert inspection.needs_code == ("__main__.Net",)
    assert inspection.metadata["top_class"] == "__main__.Net"
    assert inspection.metadata["modules"]["body.0"] == "torch.nn.modules.conv.Conv2d"


def test_legacy_module__embedded_source__is_kept(made: Made) -> None:
    sources = inspect(made.path("legacy_module")).metadata["class_sources"]
    assert "class Net(nn.Module)" in sources["__main__.Net"]["source"]


def test_metadata__namespace_and_numpy__are_plain_values(made: Made) -> None:
    assert inspect(made.path("with_namespace")).metadata["args"] == {"lr": 0.1, "arch": "resnet18", "out": "a/b"}
    numpy = inspect(made.path("with_numpy")).metadata
    assert (numpy["loss"], numpy["step"]) == (0.25, 7)


def test_lightning__hyper_parameters__are_kept(made: Made) -> None:
    metadata = inspect(made.path("lightning")).metadata
    assert metadata["hyper_parameters"] == {"lr": 0.1, "layers": [1, 2], "name": "net"}
    assert metadata["state_dict"].endswith("tensors>")


def test_torchscript__forward__gives_inputs_and_outputs(made: Made) -> None:
    inspection = inspect(made.path("scripted"))
    inputs, outputs = inspection.io_hints.inputs, inspection.io_hints.outputs
    assert [(item.name, item.dtype) for item in inputs] == [("image", ""), ("gain", "float64")]
    assert len(outputs) == 2
    assert inspection.metadata["top_class"].endswith("Net")
    assert inspection.metadata["forward"]["arguments"][1] == {"name": "gain", "type": "float", "default": "1."}
    assert inspection.metadata["extra"] == {"config.txt": {"stride": 32}}


def test_torchscript__traced__shows_the_traced_shapes(made: Made) -> None:
    (field,) = inspect(made.path("traced")).io_hints.inputs
    assert (field.name, field.shape, field.dtype, field.status) == ("image", (1, 3, 8, 8), "float32", "observed")


def test_export__signature__has_symbolic_sizes(made: Made) -> None:
    inspection = inspect(made.path("exported"))
    (field,) = inspection.io_hints.inputs
    symbol = field.shape[0]
    assert (field.name, field.shape[1:], field.dtype) == ("image", (3, 8, 8), "float32")
    assert inspection.metadata["range_constraints"] == {symbol: {"min_val": 2, "max_val": 64}}
    assert [item.shape for item in inspection.io_hints.outputs] == [(symbol, 5), (symbol, 4)]


@pytest.mark.parametrize("layout", ["plain", "legacy_plain", "traced", "exported", "plain_pickle", "numpy_pickle"])
def test_truncation__at_every_offset__is_an_error_of_ours(layout: str, made: Made, tmp_path: Path) -> None:
    whole = made.path(layout).read_bytes()
    target = tmp_path / made.path(layout).name
    step = max(1, len(whole) // 400)
    for length in range(0, len(whole) - 1, step):
        target.write_bytes(whole[:length])
        with pytest.raises(DnnboxError):
            _refuse_only_data(target)


def _refuse_only_data(path: Path) -> None:
    """Inspect; a file that is cut inside its last storage may still be whole to a reader without an index."""
    inspection = inspect(path)
    raise AssertionError(f"{path.stat().st_size} bytes were taken for a whole {inspection.format}")


def test_missing_storage__in_a_zip__is_corrupt(made: Made, tmp_path: Path) -> None:
    import zipfile

    target = tmp_path / "model.pth"
    with zipfile.ZipFile(made.path("plain")) as source, zipfile.ZipFile(target, "w") as copy:
        for item in source.infolist():
            if not item.filename.endswith("/data/0"):
                copy.writestr(item.filename, source.read(item))
    with pytest.raises(Corrupt, match="storage 0 is missing"):
        inspect(target)


def test_torch_names__equal_torchs_own_list(made: Made) -> None:
    own = json.loads((made.folder / "torch.json").read_text())
    assert own["version"] == torch_names.TORCH_VERSION
    assert set(own["weights_only"]) == set(torch_names.WEIGHTS_ONLY)


def test_inspection__every_layout__is_stored_as_json(made: Made) -> None:
    for layout in made.expected:
        inspection = inspect(made.path(layout))
        assert json.loads(dumps(inspection))["format"] == inspection.format
