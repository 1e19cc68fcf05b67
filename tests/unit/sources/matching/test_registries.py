"""What registries hold, and what a function makes that asks one of them."""

from __future__ import annotations

from pathlib import Path

from dnnbox.records.inspection import Inspection, TensorInfo
from dnnbox.sources.matching import search_plan
from dnnbox.sources.matching.reading import read_tree, walk
from dnnbox.sources.matching.registries import names_of, registries

_FILES = {
    "registry.py": "NETS = Registry('nets')\nLOSSES = Registry('losses')\n",
    "net.py": "from registry import NETS as HELD\nfrom torch import nn\n\n\n@HELD.register_module()\n"
    "class Net(nn.Module):\n    def __init__(self, **settings):\n        super().__init__()\n"
    "        self.stem = nn.Conv2d(3, settings['WIDTH'], 3)\n        self.register_buffer('mean', made)\n",
    "loss.py": "import registry\n\n\ndef loss():\n    pass\n\n\nregistry.LOSSES.register(loss)\n",
    "build.py": "from registry import NETS\n\n\ndef made(settings):\n    return NETS.get(settings.TYPE)(**settings)\n",
    "test.py": "from build import made\n\nmodel = made(cfg.MODEL)\n",
    "configs/wide.yaml": "MODEL: {TYPE: Net, WIDTH: 24}\nSEED: 1\n",
    "configs/other.yaml": "MODEL: {TYPE: Other, WIDTH: 8}\n",
    "configs/flat.yaml": "MODEL: Net\n",
}


def _written(root: Path) -> Path:
    for path, text in _FILES.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
    return root


def test_registries__decorators_and_calls__hold_what_is_registered(tmp_path: Path) -> None:
    tree = read_tree(_written(tmp_path))
    known = registries(tree)
    build = tree.by_path["build.py"]

    assert known == {"NETS": {"Net"}, "LOSSES": {"loss"}}
    assert names_of(build, walk(build.tree), known) == {"Net"}


def test_plan__function_that_asks_a_registry__is_called_with_the_section_of_each_configuration(tmp_path: Path) -> None:
    listed = (TensorInfo("stem.weight", "float32", (24, 3, 3, 3)), TensorInfo("stem.bias", "float32", (24,)))
    inspection = Inspection("w.pth", "file", "torch-zip", "pytorch", 1, "data-only", tensor_list=listed)
    plan = search_plan([_written(tmp_path)], inspection)

    recipes = next(entry for entry in plan["classes"] if entry["name"] == "Net")["recipes"]
    assert [(r["where"], r["args"]) for r in recipes if r["callee"] == "build.py:made" and "yaml" in r["where"]] == [
        ("configs/wide.yaml", [{"$settings": {"TYPE": "Net", "WIDTH": 24}}]),
        ("configs/other.yaml", [{"$settings": {"TYPE": "Other", "WIDTH": 8}}]),
    ]
