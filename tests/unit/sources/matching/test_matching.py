"""The static half: ranking, recipes and values from syntax trees; nothing of the source is imported."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from dnnbox.pipeline.inspecting import identified
from dnnbox.sources.matching.classes import Classes
from dnnbox.sources.matching.entries import distances
from dnnbox.sources.matching.homes import Homes
from dnnbox.sources.matching.options import kept_options
from dnnbox.sources.matching.plan import _plainly, search_plan
from dnnbox.sources.matching.ranking import Ranking
from dnnbox.sources.matching.reading import Module, Tree, module_of, read_tree
from dnnbox.sources.matching.recipes import Recipes
from dnnbox.sources.matching.settings import (
    as_declared,
    choices,
    class_configs,
    options_of,
    python_configs,
    set_by_name,
    siblings,
    sides,
    tables,
)
from dnnbox.sources.matching.uses import inside, read_later, uses_of
from dnnbox.sources.matching.values import Evaluator, is_known
from dnnbox.sources.matching.views import of_keys

_NETS = """
from torch import nn

class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = Part()
        self.body = nn.Sequential(Part(), Part())
        self.head = nn.Linear(width, 2)

class Other(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(1, 1)
        self.tail = nn.Linear(1, 1)
"""


def _tree(tmp_path: Path, **files: str) -> Tree:
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    return read_tree(tmp_path)


def _recipes(tree: Tree) -> tuple[Classes, Recipes]:
    classes = Classes(tree)
    return classes, Recipes(tree, classes, Evaluator(Homes(tree), tables(tree)))


def test_rank__names_of_one_class__puts_it_first(tmp_path: Path) -> None:
    ranking = Ranking(Classes(_tree(tmp_path, nets=_NETS)))

    ranked = ranking.rank(["first.conv.weight", "body.0.conv.weight", "body.1.conv.weight", "head.weight"])

    assert ranked[0].info.ref == "nets.py:Net"
    assert ranked[0].score == pytest.approx(1.0)
    assert ranked[0].score > 2 * ranked[1].score


def test_rank__layers_put_into_a_list__tell_a_class_with_parts_from_one_without(tmp_path: Path) -> None:
    start = "    def __init__(self):\n        layers = [nn.Conv2d(3, 8, 3)]\n"
    end = "        self.model = nn.Sequential(*layers)\n"
    middles = {
        "Plain": "        layers += [nn.ReLU(), nn.Conv2d(8, 8, 3)]\n",
        "Parted": "        layers.append(nn.ReLU())\n        for _ in range(2):\n            layers += [Part()]\n",
    }
    nets = _NETS + "".join(f"class {name}(nn.Module):\n{start}{middle}{end}" for name, middle in middles.items())
    ranking = Ranking(Classes(_tree(tmp_path, nets=nets)))

    with_parts = ["model.0.weight", "model.2.conv.weight", "model.3.conv.weight"]
    assert next(each.info.name for each in ranking.rank(with_parts)) == "Parted"
    assert next(each.info.name for each in ranking.rank(["model.0.weight", "model.2.weight"])) == "Plain"


def test_calls__name_of_which_several_files_have_a_class__is_the_one_of_the_same_folder(tmp_path: Path) -> None:
    for folder, width in (("one", 3), ("two", 4)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "nets.py").write_text(_NETS)
        (tmp_path / folder / "use.py").write_text(f"from nets import *\nmodel = Net({width})\n")
        (tmp_path / folder / "more.py").write_text(f"from nets import Other\nmodel = Other({width})\n")
    classes, recipes = _recipes(read_tree(tmp_path))

    found = {(i.ref, r.args) for name in ("Net", "Other") for i in classes.by_name[name] for r in recipes.calls(i)}

    assert found == {
        (f"{folder}/nets.py:{n}", (w,)) for folder, w in (("one", 3), ("two", 4)) for n in ("Net", "Other")
    }


def test_rank__class_that_holds_itself__ends(tmp_path: Path) -> None:
    code = "from torch import nn\nclass A(nn.Module):\n    def __init__(self):\n        self.inner = A()\n"

    ranked = Ranking(Classes(_tree(tmp_path, a=code))).rank(["inner.inner.inner.weight"])

    assert [each.info.name for each in ranked] == ["A"]


def test_calls__arguments_from_a_table_by_an_option__gives_every_row(tmp_path: Path) -> None:
    use = """
import argparse
from nets import Net

sizes = {"small": {"width": 4}, "large": {"width": 8}}
parser = argparse.ArgumentParser()
parser.add_argument("--size", default="small", choices=["small", "large"])
args = parser.parse_args()
model = Net(**sizes[args.size])
"""
    classes, recipes = _recipes(_tree(tmp_path, nets=_NETS, use=use))

    found = recipes.calls(classes.by_name["Net"][0])

    assert [recipe.kwargs for recipe in found] == [{"width": 4}, {"width": 8}]
    assert found[0].where == "use.py:9"


def test_factories__dispatch_by_a_made_up_name__is_followed(tmp_path: Path) -> None:
    make = "from nets import Net\ndef big():\n    return Net(8)\n"
    hub = "import make\ndef hub(name):\n    return make.__dict__[name]()\n"
    classes, recipes = _recipes(_tree(tmp_path, nets=_NETS, make=make, hub=hub))

    callees = [recipe.callee for recipe in recipes.factories(classes.by_name["Net"][0])]

    assert callees == ["make.py:big", "hub.py:hub"]


def test_factories__class_method_that_calls_its_class__is_one(tmp_path: Path) -> None:
    nets = _NETS + "\n    @classmethod\n    def from_name(cls, name):\n        return cls(name)\n"
    use = "from nets import Other\nmodel = Other.from_name('b0')\n"
    classes, recipes = _recipes(_tree(tmp_path, nets=nets, use=use))

    found = {recipe.callee: recipe.args for recipe in recipes.factories(classes.by_name["Other"][0])}

    assert found == {"nets.py:Other.from_name": ("b0",)}
    assert recipes.factories(classes.by_name["Net"][0]) == []


def test_options__flags_and_options_of_click__are_read_like_arguments(tmp_path: Path) -> None:
    code = """
flags.DEFINE_integer("width", 64, "how wide")
flags.DEFINE_multi_integer("mult", [1, 2], help="for each level")
flags.DEFINE_multi_integer("attn", 1, "levels")
flags.DEFINE_enum("kind", "wide", ["wide", "deep"], "which")
flags.DEFINE_alias("short")

@click.option("--num-layers", "-n", default=3)
@click.option("--fast", is_flag=True)
@other.option("no option")
def main(num_layers, fast): ...
"""

    assert options_of(_tree(tmp_path, use=code).by_path["use.py"]) == {
        "width": [64],
        "mult": [[1, 2]],
        "attn": [[1]],
        "kind": ["wide", "wide", "deep"],
        "num_layers": [3],
        "fast": [False],
    }


def test_calls__inside_a_constructor__get_what_its_class_is_made_with(tmp_path: Path) -> None:
    agent = """
from nets import Net

class Agent:
    def __init__(self, shape, hidden):
        self.net = Net(shape, hidden)
"""
    use = """
from agent import Agent

def make(shape, settings):
    return Agent(shape=shape, hidden=settings.wide)

def main():
    size = 84
    shape = (3 * 2, size)
    make(shape, load())
"""
    other = "class Agent:\n    pass\n\nAgent('another', 1)\n"
    classes, recipes = _recipes(_tree(tmp_path, nets=_NETS, agent=agent, use=use, other=other))

    found = [recipe.args for recipe in recipes.calls(classes.by_name["Net"][0])]

    assert found[0] == ({"$tuple": [6, 84]}, {"$unknown": "hidden"})
    assert all(args[0] != "another" for args in found)


def test_calls__object_that_is_only_moved__is_what_was_made(tmp_path: Path) -> None:
    use = """
import torch
from nets import Net, Other
inner = Other(3).to(device).eval()
numbers = torch.randint(9, (2, 3)).long().cuda()
model = Net(inner, numbers, Other(4).state())
"""
    classes, recipes = _recipes(_tree(tmp_path, nets=_NETS, use=use))

    found = recipes.calls(classes.by_name["Net"][0])

    assert found[0].args[:2] == (
        {"$call": [{"$ref": "nets.py:Other"}, [3], {}]},
        {"$call": [{"$ref": "torch:randint"}, [9, {"$tuple": [2, 3]}], {}]},
    )
    assert found[0].args[2] != {"$call": [{"$ref": "nets.py:Other"}, [4], {}]}


def test_siblings__names_of_variants__are_those_of_the_same_table_or_list(tmp_path: Path) -> None:
    code = "SIZES = {'b0': 1, 'b1': 2}\nNAMES = ('b0', 'b8')\nOTHERS = ['x', 'y']\nALONE = ['b0']\n"

    assert siblings(_tree(tmp_path, sizes=code), ["b0", "z"]) == {"b0": ["b1", "b8"]}


def test_plan__option_that_a_script_makes_a_list_of__is_one(tmp_path: Path) -> None:
    use = """
import argparse
from nets import Net

parser = argparse.ArgumentParser()
parser.add_argument("--sizes", default="3,4,5")
parser.add_argument("--name", default="plain")
args = parser.parse_args()
args.sizes = [int(size) for size in args.sizes.split(",")]
args.name = args.name.upper()
model = Net(args)
"""
    _tree(tmp_path, nets=_NETS, use=use)
    plan = search_plan([tmp_path], identified(_weights(tmp_path, "head.weight")))

    tables = {table["where"]: table["values"] for table in plan["tables"]}

    assert tables["use.py"] == {"sizes": [[3, 4, 5], "3,4,5"], "name": ["plain"]}


def test_plan__numbers_without_an_end__can_be_sent_and_are_told_as_calls(tmp_path: Path) -> None:
    _tree(tmp_path, nets=_NETS, use="from nets import Net\nmodel = Net(1e999)\n")
    (tmp_path / "wide.yaml").write_text("width: 8\nmost: .inf\nlimits: [1, -.inf]\n")

    plan = search_plan([tmp_path], identified(_weights(tmp_path, "head.weight")))

    values = next(config["values"] for config in plan["configs"] if config["where"] == "wide.yaml")
    endless = {sign: {"$call": [{"$ref": "builtins:float"}, [sign], {}]} for sign in ("inf", "-inf")}
    assert values == {"width": 8, "most": endless["inf"], "limits": [1, endless["-inf"]]}
    json.dumps(plan, allow_nan=False)


def _weights(folder: Path, name: str) -> Path:
    """Write a file of weights with one tensor."""
    weights = folder / "weights.safetensors"
    header = json.dumps({name: {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}}).encode()
    weights.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    return weights


def _value(code: str) -> object:
    tree = ast.parse(code)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    module: Module = module_of("m.py", tree)
    return Evaluator(Homes(Tree(Path(), [module])), {}).possible(last.value, module)


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("a = 3\na * 2", [6]),
        ("(1, [2])", [{"$tuple": [1, [2]]}]),
        ("[6] * 3", [[6, 6, 6]]),
        ("d = dict(a=1)\nd['a']", [1]),
        ("from torch import nn\nnn.GELU", [{"$ref": "torch.nn:GELU"}]),
        ("Kind = Enum('Kind', 'WIDE')\nKind.WIDE", [{"$ref": "m.py:Kind.WIDE"}]),
        ("args = parser.parse_args()\nargs.width", [{"$unknown": "args.width"}]),
        ("x = 1 if flag else 2\nx", [1, 2]),
        ("text = '3,5'\n[int(x) for x in text.split(',')]", [[3, 5]]),
        ("text = '3+5'\nlist(map(lambda x: int(x) * 2, text.split('+')))", [[6, 10]]),
        ("tuple(map(float, ['1', '2']))", [[1.0, 2.0]]),
        ("[x for x in (1, 2) if x > 1]", [{"$unknown": "[x for x in (1, 2) if x > 1]"}]),
        ("int(28 / 2)", [14]),
        ("int('many')", [{"$unknown": "int('many')"}]),
        ("f(x)", [{"$unknown": "f(x)"}]),
        ("9 ** 9 ** 9", [{"$unknown": "9 ** 9 ** 9"}]),
        ("'a' * 10 ** 9", [{"$unknown": "'a' * 10 ** 9"}]),
    ],
)
def test_possible__expression__gives_its_values(code: str, values: list[object]) -> None:
    assert _value(code) == values


def test_calls__attribute_of_another_object__is_what_that_object_keeps(tmp_path: Path) -> None:
    parts = """
import numpy as np
class Encoder:
    def __init__(self):
        self.widths = np.array([4, 8])
        self.other = make(self)
"""
    use = "from nets import Net\nmodel = Net(models['encoder'].widths)\nsecond = Net(models['encoder'].other)\n"
    classes, recipes = _recipes(_tree(tmp_path, nets=_NETS, parts=parts, use=use))

    found = recipes.calls(classes.by_name["Net"][0])

    assert [recipe.args for recipe in found] == [
        ({"$call": [{"$ref": "numpy:array"}, [[4, 8]], {}]},),
        ({"$unknown": "models['encoder'].other"},),
    ]


def test_calls__parameters_of_the_function_around__are_what_its_callers_pass(tmp_path: Path) -> None:
    build = """
from shared import *
from nets import Net
import nets

def inner(width, kind=Kind, more=2):
    return Net(width, kind=kind, more=more, part=part)

def outer(width, **kwargs):
    return inner(width, kind=Kind.WIDE, more=len(kwargs))

model = outer(64)
"""
    shared = "from kinds import Kind, Part\npart = Part(unheard_of, size=3)\n"
    kinds = "from enum import Enum\nKind = Enum('Kind', 'WIDE FLAT')\nclass Part:\n    pass\n"
    classes, recipes = _recipes(_tree(tmp_path, nets=_NETS, build=build, shared=shared, kinds=kinds))

    found = recipes.calls(classes.by_name["Net"][0])

    assert found[0].args == (64,)
    assert found[0].kwargs["kind"] == {"$ref": "kinds.py:Kind.WIDE"}
    assert found[0].kwargs["more"] == 2  # what the caller passes cannot be told
    part = [{"$ref": "kinds.py:Part"}, [{"$unknown": "unheard_of"}], {"size": 3}]
    assert found[0].kwargs["part"] == {"$call": part}
    assert found[-1].args == ({"$unknown": "width"},)


def test_plan__options_that_the_checkpoint_keeps__go_before_what_the_script_has_for_them(tmp_path: Path) -> None:
    train = (
        "import argparse\nfrom nets import Net\nparser = argparse.ArgumentParser()\n"
        "parser.add_argument('--hidden', type=int, default=8)\nparser.add_argument('--rate', type=float, default=0.1)\n"
        "parser.add_argument('--steps', type=int, default=9)\nopt = parser.parse_args()\n"
        "opt.n_words = len(data)\nnet = Net(width=opt.hidden, words=opt.n_words)\n"
    )
    nets = _NETS.replace("width):", "width, words=None):")
    tree = _tree(tmp_path, nets=nets, train=train)
    kept = {"hidden": 64, "rate": 0.5, "steps": 3, "n_words": 7, "none": None}
    metadata = {"epoch": 1, "opt": kept, "other": {"a": 1, "b": 2, "c": 3}}
    classes = Classes(tree)

    recipes = Recipes(tree, classes, Evaluator(Homes(tree), tables(tree)), kept_options(metadata))
    found = recipes.calls(classes.by_name["Net"][0])

    assert [(each.where, each.kwargs) for each in found] == [
        ("the checkpoint", {"width": 64, "words": 7}),
        ("train.py:9", {"width": 8}),
    ]


def test_python_configs__calls_of_dict__are_settings_as_far_as_they_are_plain(tmp_path: Path) -> None:
    text = "model = dict(kind='small', parts=[dict(n=1), dict(n=2)], body=dict(width=8, depth=2, rate=float(2) / 3))\n"
    tree = _tree(tmp_path, small=text, script="from other import model\nprint(dict(a=1, b=2, c=3, d=4))\n")

    values = {"model": {"kind": "small", "parts": [{"n": 1}, {"n": 2}], "body": {"width": 8, "depth": 2}}}
    assert list(python_configs(tree)) == [("small.py", values)]


def test_set_by_name__text_and_plain_value__are_told(tmp_path: Path) -> None:
    tree = _tree(tmp_path, train="setattr(cfg, 'mode', 'plain')\nsetattr(cfg, name, 1)\nsetattr(cfg, 'net', Net())\n")

    assert set_by_name(tree) == {"mode": "plain"}


def test_plan__plain_values_that_calls_of_an_instance_give__are_told_by_their_places(tmp_path: Path) -> None:
    script = "from nets import Net\nnet = Net(3)\nsparse = True\nnet.tail(x, 2)\nnet(x, adj, sparse, None)\nnet(x)\n"
    tree = _tree(tmp_path, nets=_NETS, script=script)
    classes, recipes = _recipes(tree)

    told = _plainly(recipes.evaluator, recipes, classes.by_name["Net"][0])

    assert [(each["method"], each["args"], each["count"]) for each in told] == [
        ("", {"2": True, "3": None}, 4),
        ("tail", {"1": 2}, 2),
    ]


def test_class_configs__what_a_class_sets__is_taken_without_sizes_that_stand_open(tmp_path: Path) -> None:
    config = """
class Config:
    seed = 1

    def __init__(self, folder, vectors):
        self.words = [line for line in open(folder)]
        self.vectors = load(vectors) if vectors else None
        self.hidden = self.vectors.size(1) if vectors else 300
        self.n_vocab = 0
        self.dropout = 0
"""
    tree = _tree(tmp_path, config=config, nets=_NETS)

    assert list(class_configs(tree)) == [
        ("config.py:Config", {"seed": 1, "vectors": None, "hidden": 300, "dropout": 0})
    ]


def test_class_configs__what_a_class_keeps_of_its_parameters__is_their_default(tmp_path: Path) -> None:
    kept = "\n".join(f"        self.{name} = {name}" for name in ("n_vocab", "width", "depth", "rate"))
    constructor = f"    def __init__(self, n_vocab=90, width=8, depth=2, rate=0.1):\n{kept}\n"
    config = f"class Config:\n{constructor}    def to_dict(self):\n        return vars(self)\n"
    active = f"class Active:\n{constructor}    def call(self):\n        return 1\n"

    assert list(class_configs(_tree(tmp_path, config=config + active))) == [
        ("config.py:Config", {"n_vocab": 90, "width": 8, "depth": 2, "rate": 0.1})
    ]


def test_is_known__unknown_inside__is_not() -> None:
    assert is_known([1, {"a": {"$tuple": [2]}}])
    assert not is_known([1, {"a": {"$unknown": "x"}}])


def test_options__argparse__gives_default_and_choices() -> None:
    code = "p.add_argument('-s', '--my-size', default=3)\np.add_argument('--kind', choices=['a', 'b'])\n"

    assert options_of(module_of("m.py", ast.parse(code))) == {"my_size": [3], "kind": ["a", "b"]}


def test_as_declared__number_for_an_option_that_keeps_a_text__is_a_text() -> None:
    options = [{"attn": ["64"], "width": [4], "deep": [False]}, {"width": ["4"]}]
    given = {"attn": 32, "width": 8, "deep": True}

    assert as_declared(given, options) == {"attn": "32", "width": 8, "deep": True}


def test_choices__comparisons__are_words_of_the_name(tmp_path: Path) -> None:
    tree = _tree(tmp_path, a="if mode == 'near':\n    pass\nelif mode in ('far', 'off'):\n    pass\n")

    assert choices(tree)["mode"] == ["near", "far", "off"]


def test_uses__settings_kept_on_self__are_read_from_all_methods(tmp_path: Path) -> None:
    code = """
from torch import nn
class Net(nn.Module):
    def __init__(self, opt):
        super().__init__()
        self.opt = opt
        self.a = nn.Linear(opt.width, 1)
        self.grow()
    def grow(self):
        return self.opt.depth, opt.other
"""
    tree = _tree(tmp_path, net=code)
    classes = Classes(tree)

    assert dict(uses_of(tree, classes, classes.by_name["Net"], ())) == {"net.py:Net": {"opt": ["width", "depth"]}}
    assert read_later(classes) == ["width", "depth"]


def test_inside__what_is_read_of_an_attribute_of_a_parameter__is_told_without_methods(tmp_path: Path) -> None:
    code = """
def build(env, args):
    size = env.space.shape[0] + env.space.n + env["more"]["deep"] + args.name.count("x")
    return size + other.space.high
def forward(x):
    return x.data.sizes
"""
    assert {name: set(read) for name, read in inside(_tree(tmp_path, net=code)).items()} == {
        "space": {"shape", "n"},
        "more": {"deep"},
    }


def test_plan__parameters_of_the_forward_pass_that_are_options__get_their_numbers(tmp_path: Path) -> None:
    nets = _NETS + "\n    def forward(self, x, radii=None, mode=None, mask=None, depth=3):\n        pass\n"
    use = """
parser.add_argument("--radii", nargs="+", default=[2, 8])
parser.add_argument("--mode", default="plain")
parser.add_argument("--depth", default=9)
args = parser.parse_args()
args.more = 7
"""
    _tree(tmp_path, nets=nets, use=use)
    plan = search_plan([tmp_path], identified(_weights(tmp_path, "tail.weight")))

    assert {entry["name"]: entry["passed"] for entry in plan["classes"]}["Other"] == {"radii": [2, 8]}
    assert plan["tables"][0]["values"]["more"] == [7]


def test_sides__what_settings_call_the_size_of_a_picture__most_frequent_first() -> None:
    sets = [{"img_size": 96, "seed": 64}, {"data": {"IMAGE_SIZE": [192, 256], "crop_size": 96.5}}, {"img_size": 96}]

    assert sides(sets)[0] == 96
    assert sorted(sides(sets)) == [96, 192, 256]


def test_views__wrapper_and_parts__are_offered() -> None:
    views = of_keys(["module.net.a.weight", "module.net.b.weight", "module.loss"])

    assert [(view.name, view.prefix, view.left_out) for view in views] == [
        ("whole", "module.", 0),
        ("net", "module.net.", 1),
    ]


def test_views__average_beside_what_it_is_of__stands_for_both_and_goes_first() -> None:
    parts = [f"{part}.net.{name}" for part in ("online_model", "ema_model") for name in ("a.weight", "b.weight")]

    views = of_keys(["step", *parts])

    assert [(view.name, view.left_out, view.share) for view in views] == [
        ("whole", 0, 1.0),
        ("ema_model", 1, 2 / 3),
        ("online_model", 1, 2 / 3),
    ]


def test_calls__settings_that_are_spread_out_of_a_file__are_those_of_every_file_that_has_them(tmp_path: Path) -> None:
    use = "from nets import Net\nmodel = Net(3, **config['net']['part'], **config['net']['common'])\n"
    (tmp_path / "wide.yaml").write_text("net: {part: {width: 8}, common: {depth: 2}}\n")
    (tmp_path / "other.yaml").write_text("net: {part: {width: 4}}\n")
    classes, recipes = _recipes(_tree(tmp_path, nets=_NETS, use=use))

    found = recipes.calls(classes.by_name["Net"][0])

    assert [(each.where, each.args, each.kwargs) for each in found] == [("wide.yaml", (3,), {"width": 8, "depth": 2})]


def test_distances__file_that_an_entry_script_imports__is_nearer(tmp_path: Path) -> None:
    near = distances(Homes(_tree(tmp_path, predict="import used\n", used="", unused="")))

    assert near["used.py"] == near["predict.py"] + 1
    assert "unused.py" not in near


def test_distances__file_that_a_command_line_names__is_near_to_the_script_that_imports_by_a_text(
    tmp_path: Path,
) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "deep_net.py").write_text("")
    (tmp_path / "README.md").write_text("    python train.py --model deep_net --epochs 3\n")
    test = "import importlib\nnet = importlib.import_module(name)\n"
    near = distances(Homes(_tree(tmp_path, test_it=test, deep_net="", wide_net="", predict="")))

    assert near == {"test_it.py": 5, "deep_net.py": 6, "predict.py": 0}


def test_distances__word_for_a_phase__is_no_file_that_is_imported_by_a_text(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("    python test_it.py --split train --epochs 3\n")
    test = "import importlib\nnet = importlib.import_module(name)\n"

    assert distances(Homes(_tree(tmp_path, test_it=test, train="import net\n", net=""))) == {"test_it.py": 5}


def test_distances__what_a_document_imports_by_name__is_nearer_than_what_lies_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("from pack.one import Net\nfrom .two import Other\n")
    for name in ("one", "two"):
        (package / f"{name}.py").write_text("class Net:\n    pass\nclass Other:\n    pass\n")
    (tmp_path / "README.md").write_text("```python\nfrom pack import Net\nfrom torch import nn\n```\n")

    assert distances(Homes(read_tree(tmp_path))) == {"pack/one.py": 1}


def test_read_tree__file_with_marks_of_its_own__they_are_no_references(tmp_path: Path) -> None:
    (tmp_path / "api.json").write_text('{"net": {"$ref": "os:system", "width": 3}, "all": [{"$call": [1]}, 2]}')

    (tmp_path / "round.yaml").write_text("a: &a [*a]\n")

    assert [config.values for config in read_tree(tmp_path).configs] == [{"net": {"width": 3}, "all": [{}, 2]}]


def test_read_tree__readme_notebook_and_configs__are_read(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("```python\n>>> x = 1\n```\n```sh\nls\n```\n")
    (tmp_path / "a.yaml").write_text("a: {b: 1}\n")
    (tmp_path / "broken.yaml").write_text("a: [\n")
    (tmp_path / "parts.yml").write_text("a: 1\n---\nb:\n  c: 2\n---\n- 3\n")
    (tmp_path / "b.json").write_text('{"c": 2}')

    tree = read_tree(tmp_path)

    assert [module.document for module in tree.modules] == [True]
    assert {config.path: config.values for config in tree.configs} == {
        "a.yaml": {"a": {"b": 1}},
        "b.json": {"c": 2},
        "parts.yml": {"a": 1, "b": {"c": 2}},
    }


def test_read_tree__other_languages_before_python__blocks_do_not_shift(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        "# Net\n```bash\npip install net\n```\nUse it:\n```python\nmodel = Net(width=8)\n```\n~~~ py\nb = Net(3)\n~~~\n"
    )
    (tmp_path / "guide.rst").write_text("Use it::\n\n    c = Net(5)\n    c.eval()\n\nand so on.\n")

    blocks = [ast.unparse(module.tree) for module in read_tree(tmp_path).modules]

    assert blocks == ["model = Net(width=8)", "b = Net(3)", "c = Net(5)\nc.eval()"]


def test_digest__copies__are_equal_but_for_decorator_docstring_and_layout(tmp_path: Path) -> None:
    copy = _NETS.replace(
        "class Net(nn.Module):\n", '@REGISTRY.register(suffix="x")\nclass Net(nn.Module):\n    "A net."\n\n'
    )
    other = _NETS.replace("nn.Conv2d(3, 3, 3)", "nn.Conv2d(3, 3, 5)")
    classes = Classes(_tree(tmp_path, first=_NETS, second=copy, third=other))

    first, second, third = (info.digest() for info in classes.by_name["Net"])

    assert first == second
    assert first != third  # the part that it is made of differs


def test_ranking__names_that_a_constructor_is_given__go_before_a_class_that_takes_any_name(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n\nclass Any(nn.Module):\n    def put(self, name, part):\n"
        "        self.add_module(name, part)\n\n\n"
        "class Whole(nn.Module):\n    def __init__(self, backbone, heads):\n        super().__init__()\n"
        "        self.backbone = backbone\n        self.heads = heads\n"
    )
    ranked = Ranking(Classes(read_tree(tmp_path))).rank(["backbone.conv.weight", "heads.weight"])

    assert [each.info.name for each in ranked] == ["Whole", "Any"]
