"""What the files of a source do with a class."""

from __future__ import annotations

from pathlib import Path

from dnnbox.sources.matching.classes import Classes
from dnnbox.sources.matching.reading import read_tree
from dnnbox.sources.matching.uses import called_elsewhere

_NET = """
class Base(nn.Module):
    def template(self, z): self.seen = self.net(z)

class Net(Base):
    def __init__(self): self.net = nn.Linear(1, 1)
    def track(self, x): return self.helped(x)
    def helped(self, x): return self.net(x)
"""
_USE = "from net import Net\nmodel = Net()\nmodel.template(a)\nself.model.track(b)\nother.run(c)\n"


def test_called__methods_that_other_files_call__are_told_from_helpers(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import torch.nn as nn\n" + _NET)
    (tmp_path / "use.py").write_text(_USE)
    tree = read_tree(tmp_path)
    classes = Classes(tree)

    assert called_elsewhere(classes.by_name["Net"][0], classes, tree) == ["template", "track"]
