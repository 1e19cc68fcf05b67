"""The import graph: what the model's files reach, nothing else, with the line that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnnbox.dependencies.declared import declared
from dnnbox.dependencies.imports import external_imports, requirements_of


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def modules(root: Path, *files: str) -> list[str]:
    return sorted({item.module for item in external_imports(root, files)})


def test_external_imports__whole_graph__only_what_is_reached(tmp_path: Path) -> None:
    write(
        tmp_path,
        net__model="from .blocks import Block\nimport torch.nn as nn\nimport os\n",
        net__blocks="import einops\nfrom net.deep import util\n",
        net__deep__util="import scipy.signal\n",
        train="import wandb\n",
    )
    (tmp_path / "net" / "__init__.py").write_text("import numpy\n")

    assert modules(tmp_path, "net/model.py") == ["einops", "numpy", "scipy.signal", "torch.nn"]


def test_external_imports__file_and_line__in_the_place(tmp_path: Path) -> None:
    write(tmp_path, model="import os\n\nfrom einops import rearrange\n")

    (found,) = external_imports(tmp_path, ["model.py"])

    assert (found.module, found.place) == ("einops", "model.py:3")


@pytest.mark.parametrize(
    ("code", "optional", "lazy"),
    [
        ("import cv2\n", False, False),
        ("try:\n    import cv2\nexcept ImportError:\n    cv2 = None\n", True, False),
        ("try:\n    import cv2\nexcept:\n    pass\n", True, False),
        ("try:\n    import cv2\nexcept ValueError:\n    pass\n", False, False),
        ("def forward(x):\n    import cv2\n", False, True),
        ("class A:\n    def f(self):\n        with x:\n            import cv2\n", False, True),
        ("if True:\n    import cv2\n", False, False),
        ("with contextlib.suppress(ImportError):\n    import cv2\n", True, False),
        ("with suppress(ValueError):\n    import cv2\n", False, False),
        ("try:\n    import cv2\nexcept ImportError:\n    raise SystemError('install it')\n", False, False),
        ("def f():\n    try:\n        import cv2\n    except ImportError:\n        raise\n", True, True),
    ],
)
def test_external_imports__where_it_stands__optional_or_lazy(
    code: str, optional: bool, lazy: bool, tmp_path: Path
) -> None:
    write(tmp_path, model=code)

    (found,) = external_imports(tmp_path, ["model.py"])

    assert (found.optional, found.lazy) == (optional, lazy)


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'"])
def test_external_imports__never_run_when_loading__left_out(test: str, tmp_path: Path) -> None:
    write(tmp_path, model=f"if {test}:\n    import cv2\nelse:\n    import einops\n")

    assert modules(tmp_path, "model.py") == ["einops"]


def test_external_imports__from_a_namespace_package__the_longer_name(tmp_path: Path) -> None:
    write(tmp_path, model="from google import protobuf\n")

    assert modules(tmp_path, "model.py") == ["google.protobuf"]


def test_external_imports__cycle_and_script_folder__ends(tmp_path: Path) -> None:
    write(tmp_path, pkg__a="import b\n", pkg__b="import a\nimport timm\n")

    assert modules(tmp_path, "pkg/a.py") == ["timm"]


@pytest.mark.parametrize("code", ["import (\n", "\x00", "x = " + "(" * 3000 + ")" * 3000])
def test_external_imports__not_todays_python__nothing_and_no_crash(code: str, tmp_path: Path) -> None:
    write(tmp_path, model=code)

    assert modules(tmp_path, "model.py") == []


def test_external_imports__relative_import_out_of_the_tree__not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("import wandb\n")
    write(tmp_path / "root", model="from ..outside import x\nfrom ...outside import y\n")

    assert modules(tmp_path / "root", "model.py") == []


def test_requirements_of__known_unknown_and_declared__only_what_somebody_vouches_for(tmp_path: Path) -> None:
    write(tmp_path, model="import cv2\nimport vendorlib\nimport strange_name\nimport PIL.Image\n")

    required, strangers = requirements_of(external_imports(tmp_path, ["model.py"]), {"vendorlib": "requirements.txt:1"})

    assert [r.name for r in required] == ["opencv-python-headless", "pillow", "vendorlib"]
    assert required[0].evidence[0].source == "model.py:1"
    assert [(e.source, "strange_name" in e.claim) for e in strangers] == [("model.py:3", True)]


def test_external_imports__own_file_that_may_fail__is_not_followed(tmp_path: Path) -> None:
    write(
        tmp_path,
        model="try: from notes import show\nexcept: pass\ntry: from fast import f\nexcept ImportError: import slow\n",
        notes="import nbconvert\n",
        fast="import einops\n",
        slow="import scipy\n",
    )

    assert modules(tmp_path, "model.py") == ["einops", "scipy"]


def test_external_imports__table_keyed_by_a_functions_name__does_not_reach_it(tmp_path: Path) -> None:
    write(tmp_path, model="ADDRESSES = {'tiny': 'https://example.org'}\n\n\ndef tiny():\n    import tabulate\n")

    assert external_imports(tmp_path, ["model.py"], names={"Net"}) == ()


@pytest.mark.parametrize(("line", "needed"), [("def f(): import cv2", False), ("import cv2", True)])
def test_requirements_of__guarded_at_one_place__not_needed_by_a_function(
    line: str, needed: bool, tmp_path: Path
) -> None:
    write(tmp_path, model=f"try: import cv2\nexcept ImportError: cv2 = None\n{line}\n")

    required, _ = requirements_of(external_imports(tmp_path, ["model.py"]), {})

    assert bool(required) is needed


def test_requirements_of__optional_only__left_out(tmp_path: Path) -> None:
    write(tmp_path, model="try:\n    import flash_attn\nexcept ImportError:\n    pass\nimport einops\n")

    required, strangers = requirements_of(external_imports(tmp_path, ["model.py"]), {})

    assert [r.name for r in required] == ["einops"]
    assert strangers == ()


def test_declared__requirements_and_pyproject__names_with_places(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        "# deps\nTorch>=1.7,<2  # old\neinops==0.6.1\nold==1 ; python_version < '3'\n\nscipy \\\n  >=1.4\n"
    )
    (tmp_path / "requirements-dev.txt").write_text("pytest\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\ndependencies = ["timm>=0.9"]\n')

    found, _ = declared(tmp_path)

    lines = [requirement.line() for requirement in found]
    assert lines == ["torch<2,>=1.7", "einops==0.6.1", "scipy>=1.4", "timm>=0.9"]
    assert found[1].evidence[0].source == "requirements.txt:3"


@pytest.mark.parametrize(
    "line",
    ["-e .", "-r other.txt", "--index-url https://evil/simple", "git+https://evil/x.git", "x @ https://evil/x.whl",
     "./local.whl", "${HOME}/x", "https://evil/x.tar.gz", "a b c"],
)  # fmt: skip
def test_declared__line_that_leaves_the_index__not_taken_but_told(line: str, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"einops\n{line}\n")

    found, refused = declared(tmp_path)

    assert [requirement.name for requirement in found] == ["einops"]
    assert [evidence.source for evidence in refused] == ["requirements.txt:2"]
    assert line not in refused[0].claim + refused[0].detail


def test_external_imports__named_class__leaves_out_functions_that_nobody_mentions(tmp_path: Path) -> None:
    write(
        tmp_path,
        net="""
class Base:
    def __init__(self):
        import einops

class Net(Base):
    def __init__(self):
        self.body = helper()

    def forward(self, x):
        return self.attend(x)

    def attend(self, x):
        import scipy

def helper():
    import timm

def plot():
    import matplotlib

class Other:
    def __init__(self):
        import wandb
""",
    )
    found = {item.module for item in external_imports(tmp_path, ["net.py"], names={"Net"})}
    assert found == {"einops", "scipy", "timm"}


def test_external_imports__file_behind_a_function__is_followed_when_it_runs(tmp_path: Path) -> None:
    write(
        tmp_path,
        net="class Net:\n  def forward(self):\n    from tools import show\n    show()\ndef save():\n  import late\n",
        tools="import cv2\ndef show():\n    import tqdm\n",
        late="import pandas\n",
    )
    found = {item.module for item in external_imports(tmp_path, ["net.py"], names={"Net"})}
    assert found == {"cv2", "tqdm"}


def test_external_imports__package_scans_its_folder__takes_what_it_scans(tmp_path: Path) -> None:
    write(tmp_path, archs__one_arch="import einops\n", archs__two_arch="import timm\n", archs__notes="import wandb\n")
    (tmp_path / "archs" / "__init__.py").write_text(
        "import importlib, os\nfor f in os.scandir('.'):\n    if f.name.endswith('_arch.py'):\n"
        "        importlib.import_module(f'archs.{f.name}')\n"
    )
    assert modules(tmp_path, "archs/one_arch.py") == ["einops", "timm"]


def test_external_imports__bare_package__does_not_run_its_init(tmp_path: Path) -> None:
    write(tmp_path, pack__net="import einops\n")
    (tmp_path / "pack" / "__init__.py").write_text("import wandb\n")
    found = {item.module for item in external_imports(tmp_path, ["pack/net.py"], bare=["pack"])}
    assert found == {"einops"}


def test_external_imports__code_of_an_adapter__starts_the_walk(tmp_path: Path) -> None:
    write(tmp_path, net="def build():\n    import timm\ndef other():\n    import wandb\n")
    found = {item.module for item in external_imports(tmp_path, [], code="from net import build\nreturn build()\n")}
    assert found == {"timm"}
