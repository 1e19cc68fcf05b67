"""Real checkpoints, inspected and identified, and real models built with the arguments that were inferred."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dnnbox.checkpoints import inspect
from dnnbox.identify import identify
from tests.zoo import KINDS, Kind, Zoo

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.zoo


@pytest.mark.parametrize("kind", [k for k in KINDS if k.identities], ids=lambda kind: kind.name)
def test_zoo__checkpoint__is_named(zoo: Zoo, kind: Kind) -> None:
    found = identify(inspect(zoo.path(kind.name))).best
    assert found is not None
    assert (found.library, found.architecture) in kind.identities
    assert found.evidence
    if kind.num_classes and kind.num_classes != 1000:
        assert found.arguments["num_classes"] == kind.num_classes


@pytest.mark.parametrize("name", ["silero_onnx", "silero_torchscript"])
def test_zoo__silero__is_known_in_both_forms(zoo: Zoo, name: str) -> None:
    found = identify(inspect(zoo.path(name))).best
    assert found is not None
    assert (found.library, found.arguments["window"]) == ("silero-vad", 512)


@pytest.mark.parametrize("name", ["onnx", "torchscript", "torch_export"])
def test_zoo__self_describing_file_of_no_family__is_unknown(zoo: Zoo, name: str) -> None:
    assert identify(inspect(zoo.path(name))).unknown


@pytest.mark.long
def test_accuracy__small_sample_of_rebuilt_models__is_right(zoo: Zoo) -> None:
    script = ROOT / "benchmarks" / "identify_accuracy.py"
    command = [str(zoo.python), "-B", str(script), "--sample", "6", "--seed", "3", "--only", "none", "num_classes"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "all {'n': 12, 'right': 12, 'in set': 12" in done.stdout
