"""Objects of a source that hold its settings, with the files that may be read over them."""

from __future__ import annotations

from pathlib import Path

from dnnbox.sources.matching.objects import objects
from dnnbox.sources.matching.reading import read_tree

_FILES = {
    "core/config.py": "__C = Node()\ncfg = __C\n__C.NET = Node()\n__C.NET.KIND = 'a'\n__C.NET.WIDTH = 8\n"
    "__C.NET.NUM_CLASSES = 0\n__C.SEED = 1\n",
    "core/other.py": "__D = Node()\n__D.NET = Node()\n__D.NET.A = 1\n__D.NET.B = 2\n__D.NET.C = 2\n__D.NET.D = 3\n",
    "net.py": "from core.config import cfg\n\nclass Net:\n    pass\n",
    "sub/test.py": "from net import Net\n",
    "sub/alone.py": "import os\n",
    "exp/wide.yaml": "NET:\n  WIDTH: 24\n",
    "exp/data.yaml": "DATA:\n  ROOT: x\n",
}


def test_objects__settings_by_levels__with_their_files_and_readers(tmp_path: Path) -> None:
    for path, text in _FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)

    assert objects(read_tree(tmp_path)) == [
        {
            "ref": "core/config.py:cfg",
            "names": ["NET", "SEED"],
            "open": {"NET.NUM_CLASSES": 0},
            "files": ["exp/wide.yaml"],
            "readers": {"core/config.py": 0, "net.py": 1, "sub/test.py": 2},
        }
    ]
