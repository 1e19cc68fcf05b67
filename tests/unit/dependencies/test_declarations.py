"""Every way in which repositories declare what they need, read as data, each line with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnnbox.dependencies.declared import declared

CONDA = """channels:
  - conda-forge
dependencies:
  - python=3.8
  - pytorch=1.13.0
  - conda-forge::scipy>=1
  - pip:
    - einops
"""


def lines(root: Path) -> dict[str, str]:
    return {item.line(): item.evidence[0].source for item in declared(root)[0]}


@pytest.mark.parametrize(
    ("file", "text", "wanted"),
    [
        ("requirements.txt", "numpy>=1.2\n# no\n", {"numpy>=1.2": "requirements.txt:1"}),
        ("requirement.txt", "hdf5storage\n", {"hdf5storage": "requirement.txt:1"}),
        ("requirements-dev.txt", "pytest\n", {}),
        ("pyproject.toml", '[project]\ndependencies = ["einops>=0.8"]\n', {"einops>=0.8": "pyproject.toml:2"}),
        (
            "pyproject.toml",
            '[tool.poetry.dependencies]\npython = "^3.8"\ntimm = "^0.9.2"\nrich = "*"\n',
            {"timm<1,>=0.9.2": "pyproject.toml:3", "rich": "pyproject.toml:4"},
        ),
        ("setup.cfg", "[options]\ninstall_requires =\n    timm==0.4\n    scipy\n",
         {"timm==0.4": "setup.cfg:3", "scipy": "setup.cfg:4"}),
        ("setup.py", "import os\nos.remove('x')\nsetup(install_requires=['regex', f'{x}'])\n", {"regex": "setup.py:3"}),
        ("setup.py", "NEEDS = ['tqdm>4']\nsetup(install_requires=NEEDS)\n", {"tqdm>4": "setup.py:1"}),
        (
            "environment.yml",
            CONDA,
            {"torch==1.13.0.*": "environment.yml:5", "scipy>=1": "environment.yml:6", "einops": "environment.yml:8"},
        ),
        (
            "README.md",
            "# pip install required packages\n```\npip install -r r.txt ftfy 'regex>2' git+https://h/x && cd x\n```\n",
            {"ftfy": "README.md:3", "regex>2": "README.md:3"},
        ),
    ],
)  # fmt: skip
def test_declared__each_kind_of_file__with_its_line(
    file: str, text: str, wanted: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert lines(tmp_path) == wanted


@pytest.mark.parametrize("file", ["pyproject.toml", "setup.cfg", "setup.py", "environment.yml", "README.md"])
def test_declared__broken_file__declares_nothing(file: str, tmp_path: Path) -> None:
    (tmp_path / file).write_bytes(b"\xff\xfe[[[\x00 ((( - : =\n")
    assert lines(tmp_path) == {}


def test_declared__several_files__the_more_exact_wins(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("`pip install timm`\n", encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("timm==0.4.5\n", encoding="utf-8")
    assert lines(tmp_path) == {"timm==0.4.5": "requirements.txt:1"}
