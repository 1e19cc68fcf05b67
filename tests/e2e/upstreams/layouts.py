"""The repositories as text. The network in most of them is the same: what differs is how it is found and built."""

from __future__ import annotations

from typing import Any

NET = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x))) + x


class Net(nn.Module):
    def __init__(self, width, depth, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleList([Block(width) for _ in range(depth)])
        self.head = nn.Linear(width, classes)

    def forward(self, images):
        x = self.stem(images)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((2, 3)))
"""

# The same names and shapes without importing the repository: for those whose import must happen in the box only.
_PLAIN = """
from torch import nn

def block(w):
    return nn.ModuleDict({"conv": nn.Conv2d(w, w, 3), "norm": nn.BatchNorm2d(w)})

def net(w, depth, classes):
    return nn.ModuleDict({
        "stem": nn.Conv2d(3, w, 3), "blocks": nn.ModuleList([block(w) for _ in range(depth)]),
        "head": nn.Linear(w, classes)})
"""

_SOLVED = {"width": "24", "depth": "5", "classes": "7"}
_SAVE = f"{_PLAIN}\nsaved = net(24, 5, 7).state_dict()\n"

# One whose first layers read the step beside the picture.
_WITH_STEPS = NET.replace("def forward(self, images):", "def forward(self, images, t):").replace(
    "x = self.stem(images)", "x = self.stem(images) + self.steps(t)[:, :, None, None]"
)
_WITH_STEPS = _WITH_STEPS.replace(
    "        self.stem =",
    "        self.steps = nn.Sequential(nn.Embedding(30, width), nn.Linear(width, width))\n        self.stem =",
)
_SAVE_STEPS = f"""{_PLAIN}
made = net(24, 5, 7)
made["steps"] = nn.Sequential(nn.Embedding(30, 24), nn.Linear(24, 24))
saved = made.state_dict()
"""

LAYOUTS: tuple[dict[str, Any], ...] = (
    {
        "name": "layers_of_before",
        "files": {
            "series.py": """
import torch
from torch import nn


class Layer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 2)
        self.norm = nn.LayerNorm(width)

    def forward(self, src, src_mask=None, src_key_padding_mask=None):
        return self.norm(src + self.attention(src, src, src, key_padding_mask=src_key_padding_mask)[0])


class Series(nn.Module):
    def __init__(self, features, width, depth):
        super().__init__()
        self.project = nn.Linear(features, width)
        self.encoder = nn.TransformerEncoder(Layer(width), depth)

    def forward(self, series, kept_masks):
        x = self.project(series).permute(1, 0, 2)
        return self.encoder(x, src_key_padding_mask=~kept_masks).permute(1, 0, 2)
""",
            "train.py": """
from series import Series

model = Series(6, 16, depth=2)
""",
        },
        "make": """
import torch
from torch import nn

class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.norm = nn.MultiheadAttention(16, 2), nn.LayerNorm(16)

holder = nn.Module()
holder.project = nn.Linear(6, 16)
holder.encoder = nn.TransformerEncoder(Layer(), 2)
saved = holder.state_dict()
""",
        "cls": "series.Series",
        "arguments": {"features": "6", "width": "16", "depth": "2"},
    },
    {
        "name": "flat_script",
        "files": {"network.py": NET},
        "make": f"{_PLAIN}\nsaved = {{'state_dict': {{'module.' + k: v for k, v in net(24, 5, 7).state_dict().items()}}}}\n",
        "cls": "network.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "src_layout",
        "files": {
            "src/pack/__init__.py": "",
            "src/pack/net.py": NET,
            "predict.py": "from pack.net import Net\n\nmodel = Net(24, 5, classes=7)\n",
        },
        "make": _SAVE,
        "cls": "src.pack.net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "factory",
        "files": {
            "models/__init__.py": "from .net import *\n",
            "models/net.py": NET
            + """

def small(**kwargs):
    return Net(16, 3, **kwargs)


def large(**kwargs):
    return Net(24, 5, **kwargs)
""",
        },
        "make": f"{_PLAIN}\nsaved = {{'model': net(24, 5, 10).state_dict(), 'optimizer': {{}}}}\n",
        "cls": "models.net.Net",
        "arguments": {"width": "24", "depth": "5", "classes": "10"},
    },
    {
        # As the factory passes on what it gets, only the class says what can be changed; six others come before its own call.
        "name": "factory_among_others",
        "files": {
            "models/net.py": NET
            + """

def large(**kwargs):
    return Net(24, 5, **kwargs)
"""
            + "".join(
                f"""

class Other{number}(Net):
    def __init__(self, width=24, depth=5, classes=9):
        super().__init__(width, depth, classes)
        self.more{number} = nn.Linear({number + 2}, 3)
"""
                for number in range(6)
            ),
        },
        "make": _SAVE,
        "cls": "models.net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "hubconf",
        "files": {
            "zoo/__init__.py": "",
            "zoo/net.py": NET,
            "zoo/hub.py": """
from . import builders


def _made(arch, pretrained=True, **kwargs):
    model = builders.__dict__[arch](**kwargs)
    if pretrained:
        import torch

        model.load_state_dict(torch.hub.load_state_dict_from_url("https://example.org/x.pth"))
    return model


def net_large(pretrained=True):
    return _made("large", pretrained, classes=7)
""",
            "zoo/builders.py": "from .net import Net\n\n\ndef large(classes):\n    return Net(24, 5, classes)\n",
            "hubconf.py": "dependencies = ['torch']\nfrom zoo.hub import net_large\n",
        },
        "make": _SAVE,
        "cls": "zoo.net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "config_driven",
        "files": {
            "build.py": "from net import Net\n\n\ndef build(cfg):\n    return Net(**cfg['network'])\n",
            "net.py": NET,
            "configs/tiny.json": '{"network": {"width": 8, "depth": 2, "classes": 7}}',
            "configs/large.json": '{"network": {"width": 24, "depth": 5, "classes": 7}}',
        },
        "make": _SAVE,
        "cls": "net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "third_party_base",
        "files": {
            "backbone.py": """
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet


class Backbone(ResNet):
    def __init__(self, classes=5):
        super().__init__(BasicBlock, [1, 1, 1, 1], num_classes=classes)
        self.extra = nn.Linear(classes, 2)

    def forward(self, x):
        return self.extra(super().forward(x))
""",
        },
        "make": """
from torch import nn

def block(before, after):
    parts = {"conv1": nn.Conv2d(before, after, 3, bias=False), "bn1": nn.BatchNorm2d(after),
             "conv2": nn.Conv2d(after, after, 3, bias=False), "bn2": nn.BatchNorm2d(after)}
    if before != after:
        parts["downsample"] = nn.Sequential(nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))
    return nn.Sequential(nn.ModuleDict(parts))

model = nn.ModuleDict({
    "conv1": nn.Conv2d(3, 64, 7, bias=False), "bn1": nn.BatchNorm2d(64), "layer1": block(64, 64),
    "layer2": block(64, 128), "layer3": block(128, 256), "layer4": block(256, 512),
    "fc": nn.Linear(512, 9), "extra": nn.Linear(9, 2)})
saved = model.state_dict()
""",
        "cls": "backbone.Backbone",
        "arguments": {"classes": "9"},
    },
    {
        "name": "namespace_arguments",
        "files": {
            "core/net.py": NET.replace("width, depth, classes=10", "opt").replace(
                "super().__init__()\n        self.stem",
                "super().__init__()\n        width, depth, classes = opt.width, opt.depth, opt.classes\n        self.stem",
            ),
            "demo.py": """
import argparse
import sys

sys.path.append("core")
from net import Net

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--depth", type=int, default=5)
    parser.add_argument("--classes", type=int, default=7)
    model = Net(parser.parse_args())
""",
        },
        "make": _SAVE,
        "cls": "core.net.Net",
    },
    {
        "name": "compiled_extension",
        "files": {
            "net.py": "import fused_ops_cuda\nfrom fused_ops_cuda.layers import fused\n" + NET,
            "use.py": NET[:1],
        },
        "make": _SAVE,
        "cls": "net.Net",
        "arguments": _SOLVED,
        "stand_ins": ("fused_ops_cuda",),
    },
    {
        "name": "training_imports",
        "files": {
            "trainer.py": "import wandbx\nfrom lightningx.callbacks import Callback\n\n\nclass Log(Callback):\n    pass\n",
            "net.py": "from trainer import Log\n" + NET,
        },
        "make": _SAVE,
        "cls": "net.Net",
        "stand_ins": ("wandbx", "lightningx"),
    },
    {
        "name": "guarded_import",
        "files": {
            "net.py": "try:\n    import flashx\n    WIDE = 2\nexcept ImportError:\n    WIDE = 1\n"
            + NET.replace("nn.Linear(width, classes)", "nn.Linear(width, classes * WIDE)"),
        },
        "make": _SAVE,
        "cls": "net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "hostile_setup",
        "files": {
            "setup.py": "import os\nopen('/dnnbox/source/owned', 'w')\nraise SystemExit(3)\n",
            "net.py": NET,
        },
        "make": _SAVE,
        "cls": "net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "hostile_import",
        "files": {
            "net.py": """
import os
import socket
import subprocess

for action in (
    lambda: open("/dnnbox/source/owned", "w"),
    lambda: open(os.path.expanduser("~/../../etc/owned"), "w"),
    lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
    lambda: subprocess.check_call(["pip", "install", "x"]),
):
    try:
        action()
    except OSError:
        continue
    raise SystemExit("the box let me do it")
"""
            + NET,
        },
        "make": _SAVE,
        "cls": "net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "readme_recipe",
        "files": {
            "lib/__init__.py": "from lib.net import Net\n",
            "lib/net.py": NET,
            "README.md": """
# Net

```python
import torch
from lib import Net

model = Net(width=24, depth=5, classes=7)
scores = model(torch.randn(1, 3, 40, 40))
```
""",
        },
        "make": _SAVE,
        "cls": "lib.net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "checkpoint_says",
        "files": {"net.py": NET},
        "make": f"{_PLAIN}\nsaved = {{'net': net(24, 5, 7).state_dict(), 'hparams': dict(width=24, depth=5, classes=7)}}\n",
        "cls": "net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "dataclass_config",
        "files": {
            "model.py": "from dataclasses import dataclass\n"
            + NET.replace(
                "class Block",
                "@dataclass\nclass Config:\n    width: int = 8\n    depth: int = 2\n    classes: int = 7\n\n\nclass Block",
            )
            .replace("width, depth, classes=10", "config: Config")
            .replace(
                "super().__init__()\n        self.stem",
                "super().__init__()\n        width, depth, classes = config.width, config.depth, config.classes\n"
                "        self.stem",
            ),
        },
        "make": _SAVE,
        "cls": "model.Net",
    },
    {
        # The widths stand with a caller of a caller; names come through stars, one of them is a member of an enumeration.
        "name": "callers_and_stars",
        "files": {
            "lib/__init__.py": "from .kinds import *\n",
            "lib/kinds.py": "from enum import Enum\n\nKind = Enum('Kind', 'PLAIN DOUBLE')\n",
            "lib/net.py": "from .kinds import Kind\n"
            + NET.replace("classes=10", "classes=10, kind=Kind.PLAIN").replace(
                "Block(width) for _", "Block(width) if kind is Kind.DOUBLE else nn.Identity() for _"
            ),
            "build.py": """
from lib import *
from lib.net import Net


def learner(data, width, depth=2, kind=Kind, **kwargs):
    return Net(width, depth, data.c, kind=kind)


def large(data, width=24):
    return learner(data, width, depth=5, kind=Kind.DOUBLE, rate=1e-3)
""",
        },
        "make": _SAVE,
        "cls": "lib.net.Net",
        "arguments": {**_SOLVED, "kind": "<Kind.DOUBLE: 2>"},
    },
    {
        # A configuration that gets some of its values from what only a run knows.
        "name": "config_known_in_part",
        "files": {
            "net.py": NET.replace("width, depth, classes=10", "config")
            .replace(
                "super().__init__()\n        self.stem",
                "super().__init__()\n        width, depth, classes = config.width, config.depth, config.classes\n"
                "        assert config.model_type in ('plain', 'mirrored')\n        self.stem",
            )
            .replace(
                "class Block",
                "class Config:\n    def __init__(self, classes, **kwargs):\n        self.classes = classes\n"
                "        for name, value in kwargs.items():\n            setattr(self, name, value)\n\n\nclass Block",
            ),
            "train.py": """
from net import Config, Net

words = open("words.txt").read().split()
config = Config(len(set(words)), width=24, depth=5, model_type="mirrored")
model = Net(config)
""",
        },
        "make": _SAVE,
        "cls": "net.Net",
    },
    {
        # Settings that a class keeps on itself; making one of it needs files that are not there.
        "name": "class_of_settings",
        "files": {
            "models/wide.py": """
class Config:
    def __init__(self, folder):
        self.words = open(folder + "/words.txt").read().split()
        self.weights = load(folder) if folder != "none" else None
        self.width = self.weights.size(1) if self.weights is not None else 24
        self.depth = 5
        self.rate = 1e-3
        self.num_classes = 0

"""
            + NET.replace("width, depth, classes=10", "config").replace(
                "super().__init__()\n        self.stem",
                "super().__init__()\n        width, depth, classes = config.width, config.depth, config.num_classes\n"
                "        self.out_of = 1 / classes\n        self.stem",
            ),
            "run.py": "from importlib import import_module\n\nx = import_module('models.wide')\n"
            "config = x.Config('data')\nconfig.num_classes = len(config.words)\nmodel = x.Net(config)\n",
        },
        "make": _SAVE,
        "cls": "models.wide.Net",
    },
    {
        "name": "several_documents",
        "files": {
            "net.py": NET.replace("width, depth, classes=10", "hp").replace(
                "super().__init__()\n        self.stem",
                "super().__init__()\n        width, depth, classes = hp.model.width, hp.model.depth, hp.data.classes\n"
                "        self.stem",
            ),
            "train.py": "from net import Net\n\n\ndef train(hp):\n    return Net(hp).cuda()\n",
            "config/default.yaml": "model:\n  width: 24\n  depth: 5\n---\ndata:\n  classes: 7\n",
        },
        "make": _SAVE,
        "cls": "net.Net",
    },
    {
        "name": "python_of_before",
        "files": {
            "models/__init__.py": "from net import *\n",
            "models/net.py": NET.replace("range(depth)", "xrange((depth - 2) / 6)")
            .replace("        self.stem =", "        print 'depth %d' % depth\n        self.stem =", 1)
            .replace("(depth - 2) / 6", "(depth - 2) // 6")
            + "\n\ndef deep(**kwargs):\n    return Net(**kwargs)\n",
            "main.py": """
import argparse

import models

parser = argparse.ArgumentParser()
parser.add_argument("-a", "--arch", default="wide")
parser.add_argument("--depth", type=int, default=29)
parser.add_argument("--width", type=int, default=64)
parser.add_argument("--classes", type=int, default=10)
args = parser.parse_args()
model = models.__dict__[args.arch](width=args.width, depth=args.depth, classes=args.classes)
for images, labels in load():
    print "loss", criterion(model(images.cuda(async=True)), labels)
""",
            "README.md": "```\npython main.py -a deep --depth 32 --width 24 --classes 7\n```\n",
        },
        "make": _SAVE,
        "cls": "models.net.Net",
        "arguments": {"width": "24", "depth": "32", "classes": "7"},
    },
    {
        "name": "documents_read_at_import_without_a_loader",
        "files": {
            "settings.py": """
import yaml


class Values(dict):
    __getattr__ = dict.__getitem__


values = {name: Values(part) for each in yaml.load_all(open("config/all.yaml")) for name, part in each.items()}
hp = Values(values)
""",
            "net.py": "\nfrom settings import hp\n"
            + NET.replace("width, depth, classes=10", "").replace(
                "super().__init__()\n        self.stem",
                "super().__init__()\n        width, depth, classes = hp.model.width, hp.model.depth, hp.data.classes\n"
                "        self.stem",
            ),
            "config/all.yaml": "model:\n  width: 24\n  depth: 5\n---\ndata:\n  classes: 7\n",
        },
        "make": _SAVE,
        "cls": "net.Net",
    },
    {
        "name": "steps_beside_the_picture",
        "files": {"net.py": _WITH_STEPS},
        "make": _SAVE_STEPS,
        "cls": "net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "rows_of_tables",
        "files": {
            "pairs.py": """
import torch
from torch import nn


class Pairs(nn.Module):
    def __init__(self, users, items, width):
        super().__init__()
        self.users = nn.Embedding(users, width)
        self.items = nn.Parameter(torch.zeros(items, width))
        self.limit = nn.Parameter(torch.zeros(1), requires_grad=False)

    def forward(self, sample, mode="one"):
        if mode == "one":
            user = self.users(sample[:, 0]).unsqueeze(1)
            item = torch.index_select(self.items, dim=0, index=sample[:, 1]).unsqueeze(1)
        elif mode == "many":
            one, many = sample
            user, item = self.users(one).unsqueeze(1), self.items[many]
        else:
            raise ValueError(mode)
        return self.limit - (user * item).sum(2)
""",
        },
        "make": "import torch\nfrom torch import nn\n"
        "saved = {'users.weight': torch.rand(30, 6), 'items': torch.rand(9, 6), 'limit': torch.ones(1)}\n",
        "cls": "pairs.Pairs",
        "arguments": {"users": "30", "items": "9", "width": "6"},
    },
    {
        "name": "input_shown_with_a_range_and_moved",
        "files": {
            "net.py": _WITH_STEPS.replace(
                "return self", "assert len(t) == 2 and images.shape[-1] == 36\n        return self"
            )
            + """

if __name__ == "__main__":
    count = 2
    model = Net(24, 5, classes=7).cuda()
    pictures = torch.randn(count, 3, 36, 36).cuda()
    model(pictures, torch.randint(30, (count,)).long().cuda())
""",
        },
        "make": _SAVE_STEPS,
        "cls": "net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "built_in_the_constructor_of_what_trains_it",
        "files": {
            "net.py": NET.replace("classes=10", "classes=10, slope=0.01"),
            "trainer.py": """
from net import Net


class Trainer:
    def __init__(self, size, count, steepness):
        self.net = Net(size, count, 7, slope=steepness).cuda()
""",
            "train.py": """
from trainer import Trainer


def start(wide, steep):
    return Trainer(wide, 5, steepness=steep)


if __name__ == "__main__":
    start(24, 0.3)
""",
        },
        "make": _SAVE,
        "cls": "net.Net",
        "arguments": {**_SOLVED, "slope": "0.3"},
        "origin": "trainer.py",
    },
    {
        "name": "vendored_copies",
        "files": {
            "net.py": NET,
            "export/onnx/net.py": NET,
            "infer.py": "from net import Net\n\nmodel = Net(24, 5, 7)\n",
        },
        "make": _SAVE,
        "cls": "net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "byte_order_mark",
        "files": {"net.py": "\ufeff" + NET.lstrip("\n")},
        "make": _SAVE,
        "cls": "net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "moves_to_gpu",
        "files": {
            "net.py": NET.replace(
                "self.head = nn.Linear(width, classes)",
                "self.head = nn.Linear(width, classes).cuda()\n        self.cuda()",
            ),
        },
        "make": _SAVE,
        "cls": "net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "weights_of_its_own",
        "files": {
            "net.py": NET.replace(
                "self.head = nn.Linear(width, classes)",
                "self.head = nn.Linear(width, classes)\n"
                "        self.load_state_dict(torch.load('weights/net.pth')['model'])",
            ),
        },
        "make": _SAVE,
        "cls": "net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "broken_package",
        "files": {
            "pack/__init__.py": "from .versions import check\n\ncheck()\n",
            "pack/versions.py": "def check():\n    raise AssertionError('needs mmcv 1.2')\n",
            "pack/models/__init__.py": "",
            "pack/models/net.py": NET,
        },
        "make": _SAVE,
        "cls": "pack.models.net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "holder_of_a_part",
        "files": {
            "net.py": NET + "\n\nclass Twice(nn.Module):\n    def __init__(self, base):\n        super().__init__()\n"
            "        self.base = base\n\n    def forward(self, x):\n        return self.base(x) + self.base(x.flip(3))\n\n\n"
            "def twice(classes=7):\n    return Twice(base=Net(24, 5, classes))\n",
        },
        "make": f"{_PLAIN}\nsaved = {{'base.' + k: v for k, v in net(24, 5, 7).state_dict().items()}}\n",
        "cls": "net.Twice",
    },
    {
        "name": "librarys_class",
        "files": {
            "model.py": "from torch import nn\n\n\ndef build(width=8, classes=2):\n"
            "    return nn.Sequential(nn.Linear(12, width), nn.ReLU(), nn.Linear(width, classes))\n",
            "predict.py": "from model import build\n\nmodel = build(width=16, classes=5)\n",
        },
        "make": "from torch import nn\nsaved = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 5)).state_dict()\n",
        "cls": "torch.nn.modules.container.Sequential",
    },
    {
        # The class wraps what a text names among the functions of a file, and the result takes the name of its part.
        "name": "wrapped_under_one_name",
        "files": {
            "nets.py": NET.replace("width, depth, classes=10", "width, depth, classes")
            + """

class Head(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.last = nn.Linear(width, classes)

    def forward(self, x):
        return self.last(x)


class Wrapper(nn.Module):
    def __init__(self, backbone, head):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images):
        return self.head(self.backbone(images))
""",
            "zoo.py": "from nets import Net\n\n\ndef wide(classes=7):\n    return Net(24, 5, classes)\n",
            "main.py": """
import argparse

import torch
import zoo
from nets import Head, Wrapper

parser = argparse.ArgumentParser()
parser.add_argument("--arch", default="wide", choices=["wide"] + torch.hub.list("example/zoo"))
parser.add_argument("--words", type=int, default=30)


def train(args):
    net = zoo.__dict__[args.arch]()
    net = Wrapper(net, Head(7, args.words))
    net = torch.nn.parallel.DistributedDataParallel(net)


train(parser.parse_args())
""",
        },
        "make": f"""{_PLAIN}
whole = nn.ModuleDict({{"backbone": net(24, 5, 7), "head": nn.ModuleDict({{"last": nn.Linear(7, 30)}})}})
saved = {{"student": {{"module." + k: v for k, v in whole.state_dict().items()}}, "epoch": 3}}
""",
        "cls": "nets.Wrapper",
        "arguments": {},
    },
    {
        "name": "settings_by_levels",
        "files": {
            "config.py": """
from yacs.config import CfgNode as CN

_C = CN()
_C.DATA = CN()
_C.DATA.SIZE = 32
_C.MODEL = CN()
_C.MODEL.NET = CN()
_C.MODEL.NET.WIDTH = 8
_C.MODEL.NET.DEPTH = 5
_C.MODEL.NET.CLASSES = 7


def get_config(args):
    config = _C.clone()
    config.merge_from_file(args.cfg)
    return config
""",
            "configs/wide.yaml": "MODEL:\n  NAME: wide\n  NET:\n    WIDTH: 24\n",
            "net.py": NET
            + """

class Whole(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.net = Net(config.MODEL.NET.WIDTH, config.MODEL.NET.DEPTH, classes=config.MODEL.NET.CLASSES)
        self.size = config.DATA.SIZE

    def forward(self, images):
        return self.net(images[..., : self.size, : self.size])
""",
            "train.py": "from config import get_config\nfrom net import Whole\n\nconfig = get_config(args)\nmodel = Whole(config)\n",
        },
        "make": f"{_PLAIN}\nsaved = {{'net.' + k: v for k, v in net(24, 5, 7).state_dict().items()}}\n",
        "cls": "net.Whole",
        "arguments": {},
    },
    {
        "name": "settings_of_one_object",
        "files": {
            "core/config.py": """
import json


class Node(dict):
    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__

    def merge_from_file(self, path):
        with open(path) as file:
            for level, values in json.load(file).items():
                self[level].update(values)


__C = Node()
cfg = __C
__C.NET = Node()
__C.NET.WIDTH = 8
__C.NET.DEPTH = 2
__C.NET.NUM_CLASSES = 0
__C.SEED = 1
""",
            "experiments/deep/config.json": '{"NET": {"WIDTH": 24, "DEPTH": 5}}',
            "net.py": NET
            + """

from core.config import cfg


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Net(cfg.NET.WIDTH, cfg.NET.DEPTH, classes=cfg.NET.NUM_CLASSES)

    def forward(self, images):
        return self.net(images)
""",
            "test.py": "from core.config import cfg\nfrom net import Whole\n\ncfg.merge_from_file(args.config)\nmodel = Whole()\n",
        },
        "make": f"{_PLAIN}\nsaved = {{'net.' + k: v for k, v in net(24, 5, 7).state_dict().items()}}\n",
        "cls": "net.Whole",
        "arguments": {},
    },
    {
        "name": "object_of_a_missing_package",
        "files": {
            "agent.py": """
import gymnasium
import numpy as np
from torch import nn


class Agent(nn.Module):
    def __init__(self, envs):
        super().__init__()
        seen = np.array(envs.single_observation_space.shape).prod()
        self.actor = nn.Sequential(nn.Linear(seen, 64), nn.Tanh(), nn.Linear(64, envs.single_action_space.n))

    def forward(self, x):
        return self.actor(x)


if __name__ == "__main__":
    envs = gymnasium.vector.SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")])
    agent = Agent(envs)
""",
        },
        "make": """
from torch import nn
saved = nn.ModuleDict({"actor": nn.Sequential(nn.Linear(17, 64), nn.Tanh(), nn.Linear(64, 6))}).state_dict()
""",
        "cls": "agent.Agent",
        "arguments": {},
        "stand_ins": ("gymnasium",),
    },
    {
        "name": "kernels_compiled_at_import",
        "files": {
            "op.py": """
import os

import torch
from torch.utils.cpp_extension import load

fused = load("fused", sources=[os.path.join(os.path.dirname(__file__), "fused.cu")])


def activated(x):
    return torch.relu(x) if x.device.type == "cpu" else fused.relu(x)
""",
            "net.py": "from op import activated\n" + NET.replace("torch.relu(", "activated("),
            "settings.py": "net_width = 24\nnet_depth = 5\nseed = 1\nrate = 0.1\n",
            "params.py": "class Params:\n    def read(self, path):\n        pass\n\n\nparams = Params()\n",
            "sample.py": """
from net import Net
from params import params as p

p.read("settings.py")
model = Net(p.net_width, p.net_depth, classes=7)
""",
        },
        "make": _SAVE,
        "cls": "net.Net",
        "arguments": _SOLVED,
    },
    {
        "name": "parts_named_by_the_tensors",
        "files": {
            "paths.py": """
import os

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
os.makedirs(RESULTS, exist_ok=True)
""",
            "necks.py": """
from torch import nn


class Plain(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mix = nn.Conv2d(width, width, 1)

    def forward(self, x):
        return self.mix(x)


class Deep(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        self.mix = nn.Conv2d(width, width * depth, 1)

    def forward(self, x):
        return self.mix(x)
""",
            "detector.py": """
from paths import RESULTS
from torch import nn


class Trunk(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)

    def forward(self, x):
        return self.conv(x)


def small():
    return Trunk(8)


def large():
    return Trunk(24)


class Detector(nn.Module):
    def __init__(self, trunk, neck, heads, stride=1):
        super().__init__()
        self.trunk = globals()[trunk]()
        self.neck = neck(width=24)
        self.heads = heads
        for head in self.heads:
            setattr(self, head, nn.Conv2d(24, self.heads[head], 1))

    def forward(self, x):
        assert (x.shape[2] - 1) % 8 == 0 and (x.shape[3] - 1) % 8 == 0
        x = self.neck(self.trunk(x))
        return {head: getattr(self, head)(x) for head in self.heads}
""",
        },
        "make": """
from torch import nn
conv = nn.Conv2d
parts = {"trunk": nn.ModuleDict({"conv": conv(3, 24, 3)}), "neck": nn.ModuleDict({"mix": conv(24, 24, 1)})}
saved = nn.ModuleDict({**parts, "hm": conv(24, 80, 1), "wh": conv(24, 2, 1)}).state_dict()
""",
        "cls": "detector.Detector",
        "arguments": {"trunk": "'large'", "heads": "{'hm': 80, 'wh': 2}"},
    },
    {
        "name": "tuple_with_a_state",
        "files": {
            "agent.py": """
import torch
from torch import nn


class Agent(nn.Module):
    def __init__(self, channels, actions, settings):
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3, stride=2, padding=1)
        self.lstm = nn.LSTMCell(8 * 3 * 3, settings["hidden"])
        self.actor = nn.Linear(settings["hidden"], actions)

    def forward(self, inputs):
        inputs, (hx, cx) = inputs
        x = torch.relu(self.conv(inputs))
        x = x.view(-1, 8 * 3 * 3)
        hx, cx = self.lstm(x, (hx, cx))
        return self.actor(hx), (hx, cx)
""",
            "play.py": """
import argparse

from agent import Agent

parser = argparse.ArgumentParser()
parser.add_argument("--hidden", type=int, default=48)
args = parser.parse_args()


def build():
    settings = {"rate": 0.1}
    settings["hidden"] = args.hidden
    return Agent(1, 6, settings)
""",
        },
        "make": """
from torch import nn
saved = nn.ModuleDict(
    {"conv": nn.Conv2d(1, 8, 3), "lstm": nn.LSTMCell(72, 48), "actor": nn.Linear(48, 6)}
).state_dict()
""",
        "cls": "agent.Agent",
        "arguments": {"actions": "6"},
    },
    {
        "name": "script_that_has_to_run",
        "files": {
            "net.py": NET,
            "trainer.py": """
import missing_tracker
from data import load
from net import Net


class Trainer:
    def __init__(self, options, world):
        self.options = options
        self.data = load(options.folder)
        self.tracker = missing_tracker.start(len(self.data))
        sizes = {}
        for entry in world.split(";"):
            key, value = entry.split("=")
            sizes[key] = int(value) * options.factor
        self.model = Net(**sizes)
""",
            "data.py": """
def load(folder):
    with open(folder + "/index.txt") as file:
        lines = file.read().split()
    if not lines:
        raise ValueError("nothing to learn from")
    return lines
""",
            "train.py": """
import argparse
import sys

from trainer import Trainer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--world", required=True)
    parser.add_argument("--factor", type=int, default=1)
    options = parser.parse_args()
    if options.folder is None:
        sys.exit("a folder is needed")
    trainer = Trainer(options, options.world)
    while True:
        trainer.step()


if __name__ == "__main__":
    main()
""",
            "README.md": "```\npython train.py /data/birds --world 'width=8;depth=1;classes=2' --factor 3\n```\n",
        },
        "make": f"{_PLAIN}\nsaved = net(24, 3, 6).state_dict()\n",
        "cls": "net.Net",
        "arguments": {"width": "24", "depth": "3", "classes": "6"},
        "origin": "trainer.py:15 as run by train.py (README.md:2)",
    },
    {
        "name": "settings_made_by_a_script",
        "files": {
            "zoo/__init__.py": "",
            "zoo/parts.py": """
from torch import nn


def normal(width):
    return nn.BatchNorm2d(width)


class Trunk(nn.Module):
    def __init__(self, plan, norm):
        super().__init__()
        widths = [int(word[1:]) for word in plan.words]
        pairs = list(zip([3, *widths], widths))
        self.layers = nn.ModuleList([nn.Sequential(nn.Conv2d(a, b, 3, padding=1), norm(b)) for a, b in pairs])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
""",
            "zoo/whole.py": """
from torch import nn


class Whole(nn.Module):
    def __init__(self, trunk, classes):
        super().__init__()
        self.trunk = trunk
        self.head = nn.Conv2d(trunk.layers[-1][0].out_channels, classes, 1)

    def forward(self, x):
        return self.head(self.trunk(x))
""",
            "run.py": """
from functools import partial

from zoo import parts, whole


class Plan:
    kind = "plain"

    def __init__(self, text):
        self.words = text.split("-")


def build():
    plan = Plan("w8-w24-w40")
    trunk = parts.Trunk(plan, partial(parts.normal))
    return whole.Whole(trunk, classes=sum(len(word) for word in plan.words))


if __name__ == "__main__":
    open("/somewhere/else.txt").read()
    model = build()
""",
        },
        "make": """
from torch import nn
def layer(a, b):
    return nn.ModuleList([nn.Conv2d(a, b, 3), nn.BatchNorm2d(b)])
saved = nn.ModuleDict({
    "trunk": nn.ModuleDict({"layers": nn.ModuleList([layer(3, 8), layer(8, 24), layer(24, 40)])}),
    "head": nn.Conv2d(40, 8, 1)}).state_dict()
""",
        "cls": "zoo.whole.Whole",
        "arguments": {"classes": "8"},
    },
    {
        "name": "whole_around_a_part",
        "files": {
            "denoiser.py": """
from torch import nn


class Denoiser(nn.Module):
    def __init__(self, observed, width=32):
        super().__init__()
        self.first = nn.Conv1d(observed, width, 3, padding=1)
        self.second = nn.Conv1d(width, 2 * width, 3, padding=1)
        self.last = nn.Conv1d(2 * width, observed, 1)

    def forward(self, x, t):
        return self.last(self.second(self.first(x)))
""",
            "process.py": """
import torch
from torch import nn


class Process(nn.Module):
    def __init__(self, model, steps=1000):
        super().__init__()
        self.model = model
        betas = torch.linspace(1e-4, 0.02, steps)
        self.register_buffer("betas", betas)
        self.register_buffer("alphas", torch.cumprod(1 - betas, 0))

    def forward(self, x):
        return self.model(x, torch.zeros(len(x))) * self.alphas[0]
""",
            "fit.py": """
import settings
from denoiser import Denoiser

process = settings.make("process")(Denoiser(settings.size(), width=24))
""",
        },
        "make": """
import torch
from torch import nn
model = nn.ModuleDict({"first": nn.Conv1d(6, 24, 3), "second": nn.Conv1d(24, 48, 3), "last": nn.Conv1d(48, 6, 1)})
whole = nn.ModuleDict({"model": model})
for name in ("betas", "alphas"):
    whole.register_buffer(name, torch.ones(20))
saved = whole.state_dict()
""",
        "cls": "process.Process",
        "arguments": {"steps": "20"},
        "origin": "solved from shapes",
        "stand_ins": ("settings",),
    },
    {
        "name": "two_calls_with_arrays",
        "files": {
            "matcher.py": """
import torch
from torch import nn


class Matcher(nn.Module):
    def __init__(self, words=40, width=12):
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.head = nn.Linear(width, width)

    def remember(self, series):
        self.seen = self.head(self.words(torch.LongTensor(series)))

    def compare(self, series):
        return (self.embed(series) * self.seen).sum(-1)

    def embed(self, series):
        return self.head(self.words(torch.LongTensor(series)))

    def search(self, series):
        return self.head(self.words(torch.from_numpy(series))) + self.seen

    def forward(self, data):
        return self.head(data["texts"].cuda())
""",
            "demo.py": """
from matcher import Matcher

matcher = Matcher()
matcher.remember(first)
print(matcher.search(second))
""",
        },
        "make": """
from torch import nn
saved = nn.ModuleDict({"words": nn.Embedding(40, 12), "head": nn.Linear(12, 12)}).state_dict()
""",
        "cls": "matcher.Matcher",
    },
    {
        "name": "options_kept_by_the_checkpoint",
        "files": {
            "net.py": NET,
            "train.py": """
import argparse

from net import Net

parser = argparse.ArgumentParser()
parser.add_argument("--hidden", type=int, default=8)
parser.add_argument("--layers", type=int, default=2)
parser.add_argument("--rate", type=float, default=0.1)
opt = parser.parse_args()


def main(data):
    opt.n_words = len(data.words)
    return Net(width=opt.hidden, depth=opt.layers, classes=opt.n_words)
""",
        },
        "make": _PLAIN
        + """
import argparse
options = argparse.Namespace(hidden=24, layers=3, rate=0.5, n_words=5)
saved = {"epoch": 3, "model": net(24, 3, 5).state_dict(), "opt": options}
""",
        "cls": "net.Net",
        "arguments": {"width": "24", "depth": "3", "classes": "5"},
        "origin": "the checkpoint",
    },
    {
        "name": "settings_of_python_by_attributes",
        "files": {
            "ops/__init__.py": "from ops.compiled import fast\n",
            "ops/compiled/fast.cpp": "",
            "nets/__init__.py": "",
            "nets/build.py": """
import ops
from torch import nn


class Model(nn.Module):
    def __init__(self, config, classes=None):
        super().__init__()
        body = config.model.body
        if config.mode != "plain":
            raise ValueError("no such mode")
        self.stem = nn.Conv2d(3, body.width, 3, padding=1)
        self.blocks = nn.ModuleList([nn.ModuleDict({
            "conv": nn.Conv2d(body.width, body.width, 3, padding=1), "norm": nn.BatchNorm2d(body.width)
        }) for _ in range(body.depth)])
        self.head = nn.Linear(body.width, int(classes))

    def forward(self, images):
        x = self.stem(images)
        for block in self.blocks:
            x = block["norm"](block["conv"](x))
        return self.head(x.mean((2, 3)))


def build_model(cfg, classes, device):
    return Model(cfg, classes=classes).to(device)
""",
            "configs/small.py": """
model = dict(kind="small", body=dict(width=24, depth=3, rate=float(1) / 3))
solver = dict(rate=0.1, kind="sgd")
""",
            "configs/large.py": """
model = dict(kind="large", body=dict(width=48, depth=6))
solver = dict(rate=0.1, kind="sgd")
mode = "deep"
""",
            "train.py": """
import argparse

from nets.build import build_model
from somewhere import read

parser = argparse.ArgumentParser()
parser.add_argument("--device", default="0")
parser.add_argument("--file")
args = parser.parse_args()


def main():
    cfg = read(args.file)
    if not hasattr(cfg, "mode"):
        setattr(cfg, "mode", "plain")
    return build_model(cfg, cfg.data.classes, args.device)
""",
        },
        "make": _PLAIN + "\nsaved = net(24, 3, 5).state_dict()\n",
        "cls": "nets.build.Model",
        "stand_ins": ("ops.compiled.fast", "somewhere"),
    },
    {
        # Two things of a mapping, which a method reads: points in rows, turned on their way, and pictures whose channels
        # lie last. What comes out is a distribution.
        "name": "mapping_by_its_layers",
        "files": {
            "shapes.py": """
import torch
from torch import distributions, nn


class Points(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.lift = nn.Conv1d(5, width, 1)

    def forward(self, points, code):
        points = points.transpose(1, 2)
        return self.lift(points) + code[:, :, None]


class Shapes(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.points = Points(width)
        self.pictures = nn.Sequential(nn.Conv2d(4, width, 3, stride=2), nn.ReLU())
        self.head = nn.Conv1d(width, 1, 1)

    def encode(self, pictures, part):
        return part(pictures).mean((2, 3))

    def run(self, batch):
        code = self.encode(batch["pictures"].permute(0, 3, 1, 2), self.pictures)
        return self.head(self.points(batch["points"], code))

    def forward(self, batch):
        return distributions.Bernoulli(logits=self.run(batch))
""",
            "demo.py": "from shapes import Shapes\n\nmodel = Shapes()\n",
        },
        "make": """
from torch import nn
saved = nn.ModuleDict({
    "points": nn.ModuleDict({"lift": nn.Conv1d(5, 12, 1)}), "pictures": nn.Sequential(nn.Conv2d(4, 12, 3)),
    "head": nn.Conv1d(12, 1, 1)}).state_dict()
""",
        "cls": "shapes.Shapes",
    },
    {
        # A class that only trains: it has no forward pass, and that of its part returns nothing.
        "name": "trained_without_a_forward",
        "files": {
            "matching.py": """
from torch import nn


class Trained(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.matcher = Matcher(width)

    def training_step(self, batch):
        self.matcher(batch)
        return batch["scores"].mean()


class Matcher(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, stride=2)
        self.head = nn.Linear(width, 6)

    def forward(self, data):
        data.update({"count": data["one"].shape[0]})
        for name in ("one", "two"):
            assert data[name].shape[1] == 1
        scores = self.head(self.stem(data["one"]).mean((2, 3))) - self.head(self.stem(data["two"]).mean((2, 3)))
        data.update({"scores": scores.view(data["count"], 6)})
""",
            "train.py": "from matching import Trained\n\nmodel = Trained()\n",
        },
        "make": """
from torch import nn
saved = {"state_dict": nn.ModuleDict({"matcher": nn.ModuleDict({
    "stem": nn.Conv2d(1, 12, 3), "head": nn.Linear(12, 6)})}).state_dict()}
""",
        "cls": "matching.Trained",
    },
    {
        # One input that is an object of nodes, edges and the graph of each node; the first layers stand in a list.
        "name": "object_of_nodes_and_edges",
        "files": {
            "graphs.py": """
import torch
from torch import nn


class Step(nn.Module):
    def __init__(self, taken, width):
        super().__init__()
        self.lin = nn.Linear(taken, width)

    def forward(self, x, edge_index):
        x = self.lin(x)
        return x.index_add(0, edge_index[1], x[edge_index[0]])


class Graphs(nn.Module):
    def __init__(self, taken=7, width=12, depth=2):
        super().__init__()
        self.head = nn.Linear(width, 3)
        self.steps = nn.ModuleList([Step(width if step else taken, width) for step in range(depth)])

    def forward(self, data):
        data = data.to("cpu")
        x, edge_index, batch = data.x, data.edge_index, data.batch
        for step in self.steps:
            x = torch.relu(step(x, edge_index))
        pooled = torch.zeros(int(batch.max()) + 1, x.shape[1]).index_add(0, batch, x)
        return self.head(pooled)
""",
            "train.py": "from graphs import Graphs\n\nmodel = Graphs()\n",
        },
        "make": """
from torch import nn
saved = nn.ModuleDict({"head": nn.Linear(12, 3), "steps": nn.ModuleList([
    nn.ModuleDict({"lin": nn.Linear(7, 12)}), nn.ModuleDict({"lin": nn.Linear(12, 12)})])}).state_dict()
""",
        "cls": "graphs.Graphs",
    },
    {
        "name": "another_model",
        "files": {"net.py": NET},
        "make": "from torch import nn\nsaved = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)).state_dict()\n",
        "cls": "",
    },
)
