"""An OpenVINO graph, written by hand, runs with the real OpenVINO and gives the output that arithmetic says."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from dnnbox.harness.arrays import read_npy, write_npy
from tests.conftest import Cli

pytestmark = [pytest.mark.engine, pytest.mark.slow]

DIM = "<dim>{}</dim>"


def port(number: int, sizes: tuple[int, ...], names: str = "") -> str:
    named = f' names="{names}"' if names else ""
    return f'<port id="{number}" precision="FP32"{named}>{"".join(map(DIM.format, sizes))}</port>'


def write_graph(folder: Path) -> Path:
    """Write y = x · W, with x [batch, 3] and W [3, 2]."""
    layers = (
        '<layer id="0" name="x" type="Parameter" version="opset1"><data shape="?,3" element_type="f32"/>'
        f"<output>{port(0, (-1, 3), 'x')}</output></layer>"
        '<layer id="1" name="W" type="Const" version="opset1">'
        '<data element_type="f32" shape="3, 2" offset="0" size="24"/>'
        f"<output>{port(0, (3, 2))}</output></layer>"
        '<layer id="2" name="product" type="MatMul" version="opset1"><data transpose_a="false" transpose_b="false"/>'
        f"<input>{port(0, (-1, 3))}{port(1, (3, 2))}</input><output>{port(2, (-1, 2), 'y')}</output></layer>"
        f'<layer id="3" name="y" type="Result" version="opset1"><input>{port(0, (-1, 2))}</input></layer>'
    )
    edges = "".join(
        f'<edge from-layer="{a}" from-port="{b}" to-layer="{c}" to-port="{d}"/>'
        for a, b, c, d in ((0, 0, 2, 0), (1, 0, 2, 1), (2, 2, 3, 0))
    )
    text = (
        f'<?xml version="1.0"?>\n<net name="tiny" version="11"><layers>{layers}</layers><edges>{edges}</edges></net>\n'
    )
    (folder / "graph.bin").write_bytes(struct.pack("<6f", 1, 2, 3, 4, 5, 6))
    (folder / "graph.xml").write_text(text, encoding="utf-8")
    return folder / "graph.xml"


def test_run__openvino_graph__measured_and_right(
    dnnbox: Cli, workspace: Path, tmp_path: Path, bubblewrap: Path
) -> None:
    graph = write_graph(tmp_path)
    write_npy(tmp_path / "x.npy", "float32", (2, 3), struct.pack("<6f", 1, 0, 0, 0, 1, 1))

    options = ("--box", "venv", "--threads", "1", "--batch", "2", "--yes", "--quick", "--profile", "--json")
    done = dnnbox("run", graph, "--input", f"x=@{tmp_path / 'x.npy'}", *options)

    assert done.code == 0, done.stderr[-2000:]
    experiment = workspace / done.json["experiment"]
    contract = json.loads((experiment / "outputs" / "io_contract.json").read_text(encoding="utf-8"))
    assert [(field["name"], field["dtype"]) for field in contract["outputs"]] == [("y", "float32")]
    stats = json.loads((experiment / "outputs" / "stats.json").read_text(encoding="utf-8"))
    assert (stats["precision"], stats["threads"]) == ("fp32", 1)
    profile = json.loads((experiment / "outputs" / "profile.json").read_text(encoding="utf-8"))
    assert profile["tool"].startswith("performance counters of OpenVINO")
    assert profile["total_flops"] == 2 * (2 * 2) * 3  # two rows, two columns, three products each
    assert profile["operators"][0]["provider"] == "CPU"
    assert profile["trace"]
    arrays = [read_npy(path) for path in (experiment / "outputs").rglob("*.npy")]
    assert [1.0, 2.0, 8.0, 10.0] in [list(data.cast("B").cast("f")) for dtype, shape, data in arrays if shape == (2, 2)]
