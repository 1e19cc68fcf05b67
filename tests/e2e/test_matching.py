"""Bare state dicts and small upstream repositories of every layout: found in real boxes, or said not to be found."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dnnbox import boxes, checkpoints
from dnnbox.harness.protocol import RunRequest
from dnnbox.records.environment import Limits, Mount
from dnnbox.sources.matching import search_plan
from tests.conftest import Cli
from tests.e2e.upstreams import NET, UPSTREAMS, Upstream
from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.slow, pytest.mark.long]

_MAKE = """
import json, sys, torch
for name, code in json.load(open(sys.argv[1])).items():
    torch.manual_seed(0)
    scope = {}
    exec(code, scope)
    torch.save(scope["saved"], f"{sys.argv[2]}/{name}.pt")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, zoo: Zoo) -> Path:
    """The checkpoints of all upstreams, made by one process, and their repositories."""
    root = tmp_path_factory.mktemp("upstreams")
    codes = root / "codes.json"
    codes.write_text(json.dumps({upstream.name: upstream.make for upstream in UPSTREAMS}))
    subprocess.run([zoo.python, "-B", "-c", _MAKE, codes, root], check=True, stdin=subprocess.DEVNULL, timeout=300)
    for upstream in UPSTREAMS:
        upstream.write(root / "repositories")
    return root


def _searched(root: Path, checkpoint: Path, zoo: Zoo, job_dir: Path, seconds: float = 280.0) -> Mapping[str, Any]:
    inspection = checkpoints.inspect(checkpoint)
    mounts = [Mount(str(root), "/dnnbox/source"), Mount(str(checkpoint), "/dnnbox/checkpoint/x.pt")]
    request = RunRequest(
        job="match",
        runtime="adapter",
        checkpoint="/dnnbox/checkpoint/x.pt",
        threads=1,
        sys_path=["/dnnbox/source"],
        work={"plan": search_plan([root], inspection), "entry": inspection.entry, "seconds": seconds},
    )
    job_dir.mkdir()
    limits = Limits(memory_bytes=4 << 30, shm_bytes=1 << 28)
    with boxes.open_venv(Path(zoo.python), mounts, limits) as box:
        outcome = box.run(request, job_dir, timeout_s=300)
    assert outcome.result is not None, outcome.stderr_tail
    assert outcome.result.error is None, outcome.result.error
    answer: Mapping[str, Any] = outcome.result.findings["match"]
    return answer


@pytest.mark.parametrize("upstream", UPSTREAMS, ids=lambda upstream: upstream.name)
def test_match__upstream_of_every_layout__finds_the_class_or_says_so(
    upstream: Upstream, made: Path, zoo: Zoo, bubblewrap: Path, tmp_path: Path
) -> None:
    root, checkpoint = made / "repositories" / upstream.name, made / f"{upstream.name}.pt"
    answer = _searched(root, checkpoint, zoo, tmp_path / "job")

    if not upstream.cls:
        assert answer["matches"] == []
        return
    assert answer["matches"], (answer["best"], answer["errors"], answer["import_errors"])
    found = answer["matches"][0]
    assert upstream.cls.endswith(found["class"]), found
    assert {name: found["arguments"][name] for name in upstream.arguments} == upstream.arguments
    assert found["finite"] is True, found["tried"]
    assert upstream.origin in found["origin"]
    assert set(answer["stand_ins"]) == set(upstream.stand_ins)
    assert not (made / "repositories" / upstream.name / "owned").exists()


_COMPUTED = """
import numpy, torch
from dnnbox.harness.matching import building
from dnnbox.harness.matching.importing import Source

class Window(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.conv = torch.nn.Conv1d(1, 4, size)
        self.conv.weight.data = torch.from_numpy(numpy.hanning(size).reshape(1, 1, size))

source = Source([], {})
source.resolve = lambda ref: Window
made = building.Builder(source, {}).build("Window", {"size": 9})
print(made.conv.weight.device.type, list(made.conv.weight.shape), torch.zeros(1).data.tolist())
"""


_MERGED = """
import json, pathlib, sys
from dnnbox.harness.matching import building, merging
from dnnbox.harness.matching.importing import Source

folder = pathlib.Path(sys.argv[1])
(folder / "wide.json").write_text('{"NET": {"WIDTH": 24}}')
(folder / "merged_cfg.py").write_text(
    "class Node(dict):\\n    __getattr__ = dict.__getitem__\\n\\n"
    "cfg = Node(NET=Node(WIDTH=8, CLASSES=0))\\n\\n\\ndef make():\\n    import torch\\n"
    "    return torch.nn.Linear(cfg.NET.WIDTH, cfg.NET.CLASSES)\\n"
)
before = {"of": {"$ref": "merged_cfg.py:cfg"}, "file": {"$path": "wide.json"}, "set": {"NET.CLASSES": 7}}
builder = building.Builder(Source([str(folder)], {}), {})
made = [builder.build("merged_cfg.py:make", given) for given in ({merging.BEFORE: before}, {})]
print([list(each.weight.shape) for each in made])
"""


def test_build__file_over_an_object_of_the_source__is_read_for_that_build_alone(zoo: Zoo, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    command = [zoo.python, "-B", "-c", _MERGED, tmp_path]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[[7, 24], [0, 8]]"


def test_build__weights_that_are_computed__take_no_storage(zoo: Zoo) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([zoo.python, "-B", "-c", _COMPUTED], cwd=root, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "meta [1, 1, 9] [0.0]"


def test_match__source_that_hangs__answers_within_its_time(
    made: Path, zoo: Zoo, bubblewrap: Path, tmp_path: Path
) -> None:
    hanging = Upstream("hanging", {"net.py": f"import time\n{NET}\ntime.sleep(3600)\n"}, "", "net.Net")

    answer = _searched(hanging.write(tmp_path), made / "flat_script.pt", zoo, tmp_path / "job", seconds=30.0)

    assert answer["matches"] == []
    assert answer["complete"] is False


def test_run__bare_weights_and_their_source_in_the_workspace__measures_without_help(
    dnnbox: Cli, made: Path, workspace: Path, bubblewrap: Path
) -> None:
    shutil.copytree(made / "repositories" / "compiled_extension", workspace / "upstream")
    shutil.copy(made / "compiled_extension.pt", workspace / "weights.pt")

    done = dnnbox("run", "weights.pt", "--box", "venv", "--yes", "--quick", "--json")

    assert done.code == 0, done.stderr[-3000:]
    experiment = workspace / done.json["experiment"]
    adapter = (experiment / "scripts" / "adapter.py").read_text()
    assert "return Net(width=24, depth=5, classes=7)" in adapter
    assert "standins.stand_in(['fused_ops_cuda'" in adapter
    contract = json.loads((experiment / "outputs" / "io_contract.json").read_text())
    assert contract["outputs"][0]["shape"][-1] == 7
    assert len(json.loads((experiment / "outputs" / "decisions.json").read_text())["decisions"]) == 1
    stages = [stage["name"] for stage in json.loads((experiment / "experiment.json").read_text())["stages"]]
    assert len(stages) == len(set(stages))


def test_run__weights_of_another_model__leaves_a_skeleton_with_the_evidence(
    dnnbox: Cli, made: Path, workspace: Path, bubblewrap: Path
) -> None:
    checkpoint, source = made / "flat_script.pt", made / "repositories" / "third_party_base"

    done = dnnbox("run", checkpoint, "--source", source, "--box", "venv", "--yes", "--quick", "--json")

    assert done.code == 60, done.stderr[-3000:]
    skeleton = next(workspace.glob("tmp/*/scripts/adapter.py")).read_text()
    compile(skeleton, "adapter.py", "exec")
