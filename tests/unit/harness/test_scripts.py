"""The script that saved a module: its names are there, nothing that it does at the top level happens."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnnbox.harness import scripts
from dnnbox.harness.failures import Failure

SCRIPT = """
    import dataclasses
    from layers import Layer

    @dataclasses.dataclass
    class Config:
        width: int = 4

    WIDTH = Config().width
    DATA = open("/no/such/data.csv").read()

    class Net(Layer):
        width = WIDTH

    def build():
        return Net()

    for epoch in range(3):
        raise SystemExit("trained again")
    raise SystemExit
    build().train()
    if __name__ == "__main__":
        raise SystemExit("ran")
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text(textwrap.dedent(SCRIPT))
    (folder / "layers.py").write_text("class Layer:\n    pass\n")
    main, path, modules = sys.modules["__main__"], list(sys.path), set(sys.modules)
    before = set(vars(main))
    yield tmp_path
    sys.path[:] = path
    for name in set(vars(main)) - before:
        delattr(main, name)
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_provide__script_with_actions__only_its_definitions(root: Path) -> None:
    skipped = scripts.provide(str(root), "code/train.py")

    main = sys.modules["__main__"]
    assert main.Net.width == 4
    assert main.Net.__module__ == scripts.NAME
    assert isinstance(main.build(), main.Layer)
    assert skipped == ["code/train.py:10 raises FileNotFoundError"]


@pytest.mark.parametrize("text", [None, "class Net(:\n"])
def test_provide__no_script_there__load_failed(root: Path, text: str | None) -> None:
    if text is not None:
        (root / "broken.py").write_text(text)

    with pytest.raises(Failure, match=r"broken\.py") as caught:
        scripts.provide(str(root), "broken.py")

    assert caught.value.kind == "load_failed"


def test_provide__import_of_a_package_that_is_missing__says_which(root: Path) -> None:
    (root / "needs.py").write_text("import no_such_package_anywhere\n")

    with pytest.raises(ModuleNotFoundError, match="no_such_package_anywhere"):
        scripts.provide(str(root), "needs.py")
