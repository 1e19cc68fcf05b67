"""What lies around the user: managers, settings, and where packages may come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dnnbox.environments import detect
from dnnbox.environments.configured import indexes_of, refuse_missing
from dnnbox.errors import Usage
from dnnbox.records.environment import Indexes, Workspace


def make_venv(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n")
    (folder / "bin" / "python").write_text("")
    return folder / "bin" / "python"


def make_repository(tmp_path: Path) -> Path:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / "sub" / "deep").mkdir(parents=True)
    return tmp_path / "repo"


def test_detect__nothing__nothing(tmp_path: Path) -> None:
    assert detect(tmp_path) == Workspace(str(tmp_path))


def test_detect__venv_at_the_git_root__seen_from_below(tmp_path: Path) -> None:
    root = make_repository(tmp_path)
    python = make_venv(root / ".venv")

    found = detect(root / "sub" / "deep")

    assert (found.root, found.managers, found.current_python) == (str(root), ("venv",), str(python))


def test_detect__venv_above_the_git_root__not_ours(tmp_path: Path) -> None:
    root = make_repository(tmp_path)
    make_venv(tmp_path / ".venv")

    assert detect(root).managers == ()


def test_detect__outside_of_a_repository__only_here(tmp_path: Path) -> None:
    make_venv(tmp_path / ".venv")
    (tmp_path / "sub").mkdir()

    assert detect(tmp_path).managers == ("venv",)
    assert detect(tmp_path / "sub").managers == ()


@pytest.mark.parametrize("name", ["pixi.toml", "pyproject.toml"])
def test_detect__pixi_and_venv__both_named_pixi_first(name: str, tmp_path: Path) -> None:
    text = '[workspace]\nname = "x"\n' if name == "pixi.toml" else '[tool.pixi.workspace]\nname = "x"\n'
    (tmp_path / name).write_text(text)
    python = make_venv(tmp_path / ".venv")

    found = detect(tmp_path)

    assert found.managers == ("pixi", "venv")
    assert found.manifest == str(tmp_path / name)
    assert found.pythons == {"pixi": "", "venv": str(python)}


def test_detect__pixi_is_installed__its_python(tmp_path: Path) -> None:
    (tmp_path / "pixi.toml").write_text("")
    python = tmp_path / ".pixi" / "envs" / "default" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")

    assert detect(tmp_path).current_python == str(python)


def test_detect__active_conda__only_where_the_project_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conda" / "bin").mkdir(parents=True)
    (tmp_path / "conda" / "bin" / "python").write_text("")
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "conda"))
    (tmp_path / "project").mkdir()
    assert detect(tmp_path / "project").managers == ("conda",)
    make_venv(tmp_path / "project" / ".venv")
    assert detect(tmp_path / "project").managers == ("venv",)


def test_detect__active_venv_elsewhere__current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = make_venv(tmp_path / "elsewhere")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "elsewhere"))
    (tmp_path / "project").mkdir()

    assert detect(tmp_path / "project").current_python == str(python)


@pytest.mark.parametrize("variable", ["CONDA_PREFIX", "VIRTUAL_ENV"])
def test_detect__active_environment_that_cannot_be_looked_at__is_none(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `su` the variables are still those of the other user, and his home is closed."""
    monkeypatch.setenv(variable, str(tmp_path / ("x" * 300)))  # no file system has such a name: stat fails

    assert detect(tmp_path).managers == ()


def test_detect__settings__paths_relative_to_their_file(tmp_path: Path) -> None:
    root = make_repository(tmp_path)
    (root / "dnnbox.toml").write_text('find-links = ["wheels", "https://host/links"]\nca-bundle = "ca.pem"\n')

    settings = detect(root / "sub").settings

    assert settings["find-links"] == [str(root / "wheels"), "https://host/links"]
    assert settings["ca-bundle"] == str(root / "ca.pem")


def test_detect__unknown_setting__usage_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.dnnbox]\nfindlinks = ["x"]\n')

    with pytest.raises(Usage) as caught:
        detect(tmp_path)

    assert "find-links" in caught.value.hint
    assert "pyproject.toml" in caught.value.what


@pytest.mark.parametrize(
    "text",
    [
        'box = "cloud"',
        "constraints = [1]",
        'indexes = "https://x"',
        "indexes = [{name = 'x'}]",
        "box = 3",
        "a = [",
        "box=",
    ],
)
def test_detect__wrong_setting__usage(text: str, tmp_path: Path) -> None:
    (tmp_path / "dnnbox.toml").write_text(text)

    with pytest.raises(Usage) as caught:
        detect(tmp_path)

    assert "dnnbox.toml" in caught.value.what


def test_indexes_of__settings_uv_and_pip__all_honoured_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bare_user: Path
) -> None:
    pip = bare_user / ".config" / "pip" / "pip.conf"
    pip.parent.mkdir(parents=True)
    pip.write_text(
        "[global]\nindex-url = https://pip/simple\nextra-index-url = https://pip-extra/simple file:///mirror\n"
        "find-links = /pip-links\ncert = /ca.pem\n"
    )
    monkeypatch.delenv("PIP_CONFIG_FILE")
    monkeypatch.setenv("UV_FIND_LINKS", "/uv-links")
    monkeypatch.setenv("UV_INDEX", "https://uv-index/simple")
    settings = {"indexes": ["https://mine/simple", {"url": "https://torch/cpu", "packages": ["torch"]}]}
    settings |= {"find-links": ["/my-links"], "constraints": ["numpy<3"]}

    found = indexes_of(Workspace(str(tmp_path), settings=settings))

    assert found.default == "https://pip/simple"
    assert found.extra == ("https://mine/simple", "https://uv-index/simple", "https://pip-extra/simple")
    assert found.find_links == ("/my-links", "/uv-links", "/pip-links")
    assert found.pinned == {"torch": "https://torch/cpu"}
    assert found.constraints == ("numpy<3",)
    assert found.ca_bundle == "/ca.pem"


def test_indexes_of__pip_variable_and_file__the_variable_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bare_user: Path
) -> None:
    (bare_user / ".pip").mkdir()
    (bare_user / ".pip" / "pip.conf").write_text("[install]\nfind-links = /from-file\n")
    monkeypatch.delenv("PIP_CONFIG_FILE")
    monkeypatch.setenv("PIP_FIND_LINKS", "/from-variable")

    assert indexes_of(Workspace(str(tmp_path))).find_links == ("/from-variable",)


def test_indexes_of__bundle_in_a_variable__stronger_than_pips_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bare_user: Path
) -> None:
    (bare_user / ".pip").mkdir()
    (bare_user / ".pip" / "pip.conf").write_text("[global]\ncert = /pip.pem\n")
    monkeypatch.delenv("PIP_CONFIG_FILE")
    monkeypatch.setenv("SSL_CERT_FILE", "/variable.pem")

    assert indexes_of(Workspace(str(tmp_path))).ca_bundle == ""


def test_indexes_of__uv_settings_of_the_project__explicit_index_for_its_package(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[[tool.uv.index]]\nname = "corp"\nurl = "https://corp/simple"\ndefault = true\n'
        '[[tool.uv.index]]\nname = "pt"\nurl = "https://pt/cpu"\nexplicit = true\n'
        '[tool.uv.sources]\ntorch = { index = "pt" }\n'
    )

    found = indexes_of(Workspace(str(tmp_path)))

    assert (found.default, found.extra, found.pinned) == ("https://corp/simple", (), {"torch": "https://pt/cpu"})


def test_indexes_of__constraint_file__its_plain_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.txt").write_text("# ours\ntorch==2.13.0 # pinned\n\n--no-binary x\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "c.txt"))

    assert indexes_of(Workspace(str(tmp_path))).constraints == ("torch==2.13.0",)


def test_indexes_of__constraint_file_is_missing__usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CONSTRAINT", str(tmp_path / "gone.txt"))

    with pytest.raises(Usage, match=r"gone\.txt"):
        indexes_of(Workspace(str(tmp_path)))


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"find_links": ("/nowhere/wheels",)}, "find-links /nowhere/wheels"),
        ({"find_links": ("file:///nowhere/wheels",)}, "find-links file:///nowhere/wheels"),
        ({"find_links": ("/nowhere/" + "x" * 300,)}, "find-links /nowhere/xxx"),
        ({"default": "not a url"}, "the index not a url"),
        ({"extra": ("/nowhere/simple",)}, "the index /nowhere/simple"),
        ({"pinned": {"torch": "/nowhere/torch"}}, "the index /nowhere/torch"),
        ({"ca_bundle": "/nowhere/ca.pem"}, "certificates /nowhere/ca.pem"),
    ],
)
def test_refuse_missing__configured_and_not_there__is_usage(named: dict[str, Any], said: str) -> None:
    with pytest.raises(Usage, match=said) as caught:
        refuse_missing(Indexes(**named))

    assert "mend" in caught.value.hint


def test_refuse_missing__there_and_closed__is_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, allowed = str(tmp_path), os.access
    monkeypatch.setattr(os, "access", lambda path, mode: allowed(path, mode) and not (mode and str(path) == closed))

    with pytest.raises(Usage, match="may not be read by this user"):
        refuse_missing(Indexes(find_links=(closed,)))


def test_refuse_missing__there_or_on_the_network__is_fine(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    refuse_missing(
        Indexes(
            default="https://host/simple",
            extra=(tmp_path.as_uri(),),
            find_links=(str(tmp_path), "https://host/links"),
            ca_bundle=str(tmp_path / "ca.pem"),
        )
    )
