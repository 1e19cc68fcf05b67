"""A package whose newest version broke the model's code: the versions that the source documents, on an older Python."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import struct
import sys
import zipfile
from pathlib import Path

import pytest

from dnnbox.environments.planning import interpreter
from tests.conftest import Cli

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(600)]

OLD = "3.10"
ADAPTER = """
import tinyupstream


class Adapter:
    def load(self, checkpoint, device, precision):
        self.factor = tinyupstream.factor()

    def example_inputs(self, batch_size):
        return {"x": [[1.0, 2.0]] * batch_size}

    def preprocess(self, paths):
        return self.example_inputs(1)

    def infer(self, inputs):
        return {"y": [[self.factor * value for value in row] for row in inputs["x"]]}

    def postprocess(self, outputs, out_dir):
        return {}
"""


def wheel(folder: Path, version: str, tag: str, code: str) -> None:
    info = f"tinyupstream-{version}.dist-info"
    files = {
        "tinyupstream.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tinyupstream\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    lines = []
    with zipfile.ZipFile(folder / f"tinyupstream-{version}-{tag}.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(text)}\n")
        archive.writestr(f"{info}/RECORD", "".join((*lines, f"{info}/RECORD,,\n")))


def test_run__newest_version_breaks__pins_of_the_source_on_an_older_python(
    dnnbox: Cli, workspace: Path, tmp_path: Path, bubblewrap: Path
) -> None:
    if sys.version_info[:2] <= (3, 10) or interpreter(OLD) is None:
        pytest.skip(f"this needs an interpreter of Python {OLD} beside a newer one")
    wheels, source = tmp_path / "wheels", tmp_path / "source"
    wheels.mkdir()
    source.mkdir()
    wheel(wheels, "2.0", "py3-none-any", "")
    wheel(wheels, "1.0", f"cp310-cp310-manylinux_2_17_{platform.machine()}", "def factor():\n    return 3.0\n")
    (source / "requirements.txt").write_text("tinyupstream==1.0\n")
    (tmp_path / "adapter.py").write_text(ADAPTER)
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "net.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    links = ",".join(filter(None, (os.environ.get("UV_FIND_LINKS", ""), str(wheels))))

    options = ["--adapter", tmp_path / "adapter.py", "--source", source, "--box", "venv", "--threads", "1"]
    done = dnnbox(
        "run", tmp_path / "net.safetensors", *options, "--yes", "--quick", "--json", env={"UV_FIND_LINKS": links}
    )

    assert done.code == 0, done.stderr[-3000:]
    environment = json.loads((workspace / done.json["experiment"] / "outputs" / "environment.json").read_text("utf-8"))
    told = [(attempt["what"], attempt["ok"]) for attempt in environment["attempts"]]
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert told[0] == ("latest", False)
    assert (f"pins, Python {running}", False) in told
    assert told[-1] == (f"pins, Python {OLD}", True)
    assert all(attempt["error"] for attempt in environment["attempts"] if not attempt["ok"])
    assert environment["packages"]["tinyupstream"] == "1.0"
    assert environment["python"].startswith(OLD)
