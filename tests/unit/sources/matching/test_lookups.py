"""What is looked up by a text, what a name is worth where it is used, and what a file of settings gives an object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dnnbox.records.inspection import Inspection, TensorInfo
from dnnbox.sources.matching import search_plan
from dnnbox.sources.matching.classes import Classes
from dnnbox.sources.matching.homes import Homes
from dnnbox.sources.matching.reading import read_tree
from dnnbox.sources.matching.recipes import Recipes
from dnnbox.sources.matching.settings import tables
from dnnbox.sources.matching.values import Evaluator

_NET = "from torch import nn\nclass Net(nn.Module):\n    pass\nclass Head(nn.Module):\n    pass\n"
_ZOO = "from blocks import *\ndef small(width=3):\n    pass\n"


def _calls(tmp_path: Path, use: str, **files: str) -> list[tuple[Any, ...]]:
    for name, text in {"net": _NET, "zoo": _ZOO, "blocks": "def wide():\n    pass\n", "use": use, **files}.items():
        (tmp_path / f"{name}.py").write_text(text)
    tree = read_tree(tmp_path)
    classes = Classes(tree)
    recipes = Recipes(tree, classes, Evaluator(Homes(tree), tables(tree)))
    return [recipe.args for recipe in recipes.calls(classes.by_name["Net"][0])]


def _call(place: str, *args: Any, **named: Any) -> dict[str, Any]:
    return {"$call": [{"$ref": place}, list(args), named]}


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        ("zoo.__dict__['small'](width=4)", _call("zoo.py:small", width=4)),
        ("vars(zoo)['wide']()", _call("zoo.py:wide")),
        ("getattr(zoo, kind)()", _call("zoo.py:wide")),
        ("globals()['local']()", _call("use.py:local")),
        ("library.__dict__[kind]()", _call("torchvision.models:wide")),
        ("getattr(tv.models, kind)()", _call("torchvision.models:wide")),
        ("getattr(args, 'depth', 2)", 9),
        ("getattr(args, 'unheard_of', 2)", 2),
        ("zoo.__dict__['absent']()", {"$unknown": "zoo.__dict__['absent']()"}),
        ("one.other.__dict__[kind]()", {"$unknown": "one.other.__dict__[kind]()"}),
    ],
)
def test_calls__what_a_text_names__is_that_of_the_module(made: str, wanted: Any, tmp_path: Path) -> None:
    use = f"""
import zoo
import torchvision as tv
import torchvision.models as library
from net import Net
parser.add_argument("--depth", default=9)
kind = "wide"
def local():
    pass
model = Net({made})
"""
    assert _calls(tmp_path, use)[0] == (wanted,)


def test_calls__name_that_is_given_its_own_wrapper__is_what_it_was_above(tmp_path: Path) -> None:
    use = """
import zoo
from net import Net, Head
def build(args):
    net = zoo.small(width=2)
    net = Net(net, Head())
    net = zoo.wide(net)
    return net
later = Net(unheard_of)
unheard_of = 3
"""
    # Where nothing was given above, what comes below may be meant: functions are read out of their order.
    assert _calls(tmp_path, use) == [(3,), (_call("zoo.py:small", width=2), _call("net.py:Head"))]


def test_calls__attribute_of_an_object_of_another_file__is_what_a_file_of_settings_sets(tmp_path: Path) -> None:
    hold = "class Params:\n    def read(self, path):\n        pass\n\nparams = Params()\n"
    settings = "seed = 1\nrate = 0.1\nhop = 5\nwidth = hop * 8\nname = 'x'\n"
    use = "from hold import params as p\nfrom net import Net\np.read('settings.py')\nmodel = Net(p.width, p.other)\n"

    assert _calls(tmp_path, use, hold=hold, settings=settings) == [(40, {"$ref": "hold.py:params.other"})]


def test_calls__attribute_that_refers_to_itself__ends(tmp_path: Path) -> None:
    use = "from net import Net\nclass A:\n    def f(self):\n        self.a = b.a\nmodel = Net(c.a)\n"

    assert _calls(tmp_path, use) == [({"$unknown": "c.a"},)]


def test_calls__option_of_which_nothing_is_known__is_unknown_inside_a_call_too(tmp_path: Path) -> None:
    use = "import zoo\nfrom net import Net\np.add_argument('--w', default=read())\nmodel = Net(zoo.small(args.w))\n"

    assert _calls(tmp_path, use) == [({"$unknown": "zoo.small(args.w)"},)]


def test_calls__items_that_a_mapping_is_given_before_its_use__belong_to_it(tmp_path: Path) -> None:
    use = """
from net import Net
def build(args):
    params = {"scales": [4, 4]}
    params["pad"] = 2
    net = Net(params)
    params["later"] = 3
    return net
"""
    assert ({"scales": [4, 4], "pad": 2},) in _calls(tmp_path, use)


def test_calls__attributes_that_an_object_is_given_before_its_use__belong_to_it(tmp_path: Path) -> None:
    use = """
import argparse
from net import Net
from zoo import small
parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, default=None)
args = parser.parse_args()
kinds = {"small": small()}
config = kinds["small"]
config.classes = 9
config.patch.grid = (int(224 / 16), int(224 / 16))
config.unknown = len(data)
config.depth = None
if args.width is not None:
    config.width = args.width
net = Net(config)
config.later = 1
"""
    wanted = {"classes": 9, "patch.grid": {"$tuple": [14, 14]}, "depth": None}
    assert _calls(tmp_path, use) == [({"$with": [_call("zoo.py:small"), wanted]},)]


def test_calls__class_of_a_module_that_is_imported_by_a_text__may_be_of_any_file(tmp_path: Path) -> None:
    use = "import importlib\nMODEL = importlib.import_module(args.model)\nnet = MODEL.Net(6)\nother = args.Net(7)\n"
    for name, text in {"one": _NET, "two": _NET, "use": use}.items():
        (tmp_path / f"{name}.py").write_text(text)
    tree = read_tree(tmp_path)
    classes = Classes(tree)
    recipes = Recipes(tree, classes, Evaluator(Homes(tree), {}))

    found = [[recipe.args for recipe in recipes.calls(info)] for info in classes.by_name["Net"]]

    assert found == [[(6,), (7,)], [(6,)]]


def test_calls__what_a_command_line_of_the_script_gives__goes_into_its_own_call(tmp_path: Path) -> None:
    use = """
import argparse
from net import Net
parser = argparse.ArgumentParser()
parser.add_argument("--arch", default="wide")
parser.add_argument("--stages", type=int, default=4)
parser.add_argument("--fast", action="store_true")
args = parser.parse_args()
net = Net(args.arch, args.stages * 2)
"""
    (tmp_path / "README.md").write_text(
        "    python use.py --arch deep --stages 6\n    python use.py --fast --stages 4\n    python x.py --lr 1 --gd 2\n"
    )
    assert _calls(tmp_path, use) == [("wide", 8), ("deep", 12)]


def test_calls__document_that_imports_from_the_package__are_of_the_class_that_the_package_offers(
    tmp_path: Path,
) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("from pack.plain import Net\n")
    (tmp_path / "pack" / "plain.py").write_text(_NET)
    (tmp_path / "pack" / "guided.py").write_text(_NET.replace("pass", "width = 2"))
    (tmp_path / "README.md").write_text("```python\nfrom pack import Net\nnet = Net(5)\n```\n")
    tree = read_tree(tmp_path)
    classes = Classes(tree)
    recipes = Recipes(tree, classes, Evaluator(Homes(tree), tables(tree)))

    found = {info.ref: [recipe.args for recipe in recipes.calls(info)] for info in classes.by_name["Net"]}
    assert found == {"pack/plain.py:Net": [(5,)], "pack/guided.py:Net": []}


@pytest.mark.parametrize(
    "use",
    [
        "from net import Net\nNETS = {'net': Net}\nmodel = NETS[args.net](7)\n",
        "from net import Net, Head\nmodel = dict(a=Head, b=Net)[args.net](7)\n",
        "from net import Net as A\nnets = {'a': A}\nopt.cls = nets[opt.net]\ndef run(opt):\n    return opt.cls(7)\n",
        "from net import Net\nmade = eval(args.net)\nmodel = made(7)\n",
        "import net\nmodel = getattr(net, args.net)(7)\n",
        "from zoo import NETS\nmodel = NETS[args.net](7)\n",
        "import pack\nmodel = pack.__dict__[args.net](7)\n",
        "import star\nmodel = star.__dict__[args.net](7)\n",
    ],
)
def test_calls__class_that_a_text_chooses__is_called_there(use: str, tmp_path: Path) -> None:
    for package, text in {"pack": "from net import Net\n", "star": "from net import *\n"}.items():
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(text)

    assert _calls(tmp_path, use, zoo="from net import Net\nNETS = {'net': Net}\n") == [(7,)]


def test_factories__function_that_a_text_chooses_of_all_names_of_files__gets_what_a_command_line_gives(
    tmp_path: Path,
) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("from .deep import *\n")
    (tmp_path / "pack" / "deep.py").write_text(f"{_NET}def deep(**kwargs):\n    return Net(**kwargs)\n")
    (tmp_path / "main.py").write_text(
        "import argparse\nimport pack\nparser = argparse.ArgumentParser()\n"
        "parser.add_argument('-a', '--arch', default='wide')\nparser.add_argument('--depth', type=int, default=29)\n"
        "parser.add_argument('--classes', type=int)\n"
        "args = parser.parse_args()\nmodel = pack.__dict__[args.arch](classes=args.classes, depth=args.depth)\n"
    )
    (tmp_path / "README.md").write_text("```\npython main.py -a deep --depth 110 --classes 10\n```\n")
    tree = read_tree(tmp_path)
    classes = Classes(tree)
    recipes = Recipes(tree, classes, Evaluator(Homes(tree), tables(tree)))

    found = [recipe.kwargs for recipe in recipes.factories(classes.by_name["Net"][0])]
    assert {"classes": 10, "depth": 110} in found


def test_calls__table_of_other_things__is_no_call_of_a_class(tmp_path: Path) -> None:
    use = "from net import Net\nLOSSES = {'a': abs}\nnet = Net(3)\nloss = LOSSES[args.loss](7)\nother = net(8)\n"

    assert _calls(tmp_path, use) == [(3,)]


def test_calls__class_of_a_library__is_referred_to_by_its_module(tmp_path: Path) -> None:
    use = "from transformers import BertModel\nfrom net import Net\nnet = Net(BertModel.from_pretrained('b'))\n"

    assert _calls(tmp_path, use) == [(_call("transformers:BertModel.from_pretrained", "b"),)]


def test_plan__what_a_script_reads_from_the_checkpoint__is_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self, near, wide):\n"
        "        super().__init__()\n        self.lin = nn.Linear(wide, wide)\n"
    )
    (tmp_path / "use.py").write_text(
        "import torch\nfrom net import Net\nparser.add_argument('--num_edges', default=64)\n"
        "saved = torch.load(path)\nmodel = Net(near=saved['num_edges'], wide=8)\n"
    )
    tensors = (TensorInfo("lin.weight", (8, 8), "float32"), TensorInfo("lin.bias", (8,), "float32"))

    for metadata, near in (({"num_edges": 48}, 48), ({}, 64)):
        inspection = Inspection(
            "w.pth", "file", "torch-zip", "pytorch", 1, "data-only", metadata=metadata, tensor_list=tensors
        )
        found = search_plan([tmp_path], inspection)["classes"][0]["recipes"]
        assert found[0]["kwargs"] == {"near": near, "wide": 8}
