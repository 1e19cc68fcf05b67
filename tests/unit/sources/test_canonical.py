"""Families of the catalogue: recognised by names and shapes, their source found here or cloned, nothing of it run."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dnnbox.errors import SourceNotFound
from dnnbox.harness.states import fitting
from dnnbox.records.identity import Identity
from dnnbox.records.inspection import Inspection, TensorInfo, TensorSummary
from dnnbox.records.source import Recipe, SourceTree
from dnnbox.sources import adapter_text, git, obtain, recognise, submodules
from dnnbox.sources.facts import lfs_pointers
from dnnbox.sources.known import matching
from dnnbox.sources.known.catalogue import families
from dnnbox.sources.known.solving import Solver, Unsolved
from dnnbox.sources.packaging import package_of

NANOGPT = {
    "transformer.wte.weight": (96, 64),
    "transformer.wpe.weight": (32, 64),
    "transformer.h.0.attn.c_attn.weight": (192, 64),
    "transformer.h.1.attn.c_attn.weight": (192, 64),
    "lm_head.weight": (96, 64),
}


def weights(tmp_path: Path, shapes: dict[str, tuple[int, ...]], **metadata: Any) -> Inspection:
    """A state dict as inspection describes it."""
    path = tmp_path / "store" / "ckpt.pt"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    tensors = tuple(TensorInfo(name, "float32", shape) for name, shape in shapes.items())
    summary = TensorSummary(len(tensors), 1, 4)
    return Inspection(str(path), "file", "torch-zip", "pytorch", 7, "data-only", tensors=summary, metadata=metadata,
                      tensor_list=tensors)  # fmt: skip


def known(tmp_path: Path, **metadata: Any) -> tuple[Inspection, Recipe]:
    inspection = weights(tmp_path, NANOGPT, **metadata)
    recipe = recognise(inspection)
    assert recipe is not None
    return inspection, recipe


def run_git(cwd: Path, *arguments: str) -> str:
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for who in ("AUTHOR", "COMMITTER"):
        environ |= {
            f"GIT_{who}_NAME": "t",
            f"GIT_{who}_EMAIL": "t@example.org",
            f"GIT_{who}_DATE": "2021-05-04T12:00:00Z",
        }
    command = ["git", "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path, files: dict[str, str]) -> str:
    """Make a repository with one commit that may be fetched by its name; return its URL."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    run_git(folder, "init", "--quiet")
    run_git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "--quiet", "-m", "first")
    return folder.as_uri()


MODEL = {
    "model.py": "class GPTConfig: ...\n\n\nclass GPT:\n    pass\n",
    "LICENSE": "Permission is hereby granted, free of charge",
}


@pytest.fixture
def upstream(tmp_path: Path) -> tuple[str, str]:
    """A stand-in for the canonical repository: its URL and commit."""
    url = repository(tmp_path / "nano", MODEL)
    return url, run_git(tmp_path / "nano", "rev-parse", "HEAD")


def obtained(inspection: Inspection, recipe: Recipe, workspace: Path, **options: Any) -> SourceTree:
    return obtain(
        inspection, Identity(), given=options.pop("given", None), workspace=workspace, recipe=recipe, **options
    )


# -- recognising -----------------------------------------------------------------------------------------------------


def test_recognise__names_of_a_family__solves_its_arguments(tmp_path: Path) -> None:
    _, recipe = known(tmp_path)
    assert (recipe.family, recipe.cls) == ("nanogpt", "model.GPT")
    assert recipe.arguments["config"] == {
        "block_size": 32, "vocab_size": 96, "n_layer": 2, "n_head": 1, "n_embd": 64, "dropout": 0.0, "bias": False,
    }  # fmt: skip


def test_recognise__file_says_its_arguments__goes_before_shapes(tmp_path: Path) -> None:
    said = {"block_size": 32, "vocab_size": 96, "n_layer": 2, "n_head": 4, "n_embd": 64}
    _, recipe = known(tmp_path, model_args=said)
    assert recipe.arguments["config"] == said


def test_recognise__wrapped_and_prefixed__finds_the_prefix(tmp_path: Path) -> None:
    shapes = {f"module.net.{name}": shape for name, shape in NANOGPT.items()}
    recipe = recognise(weights(tmp_path, shapes))
    assert recipe is not None
    assert recipe.prefix == "net."


def test_recognise__same_names_but_other_shapes__is_nobody(tmp_path: Path) -> None:
    assert recognise(weights(tmp_path, {**NANOGPT, "transformer.h.0.attn.c_attn.weight": (64, 192)})) is None
    assert recognise(weights(tmp_path, {"a.weight": (2, 2)})) is None


def test_wrappers__host_and_box__are_the_same() -> None:
    assert matching.WRAPPERS == fitting.WRAPPERS


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("size('a.0.w', 1) // 2 + 1", 2),
        ("layers('a.') * [1]", [1, 1, 1]),
        ("size(last('a.*.w'), 0)", 7),
        ("'x' if has('^b') else 'y'", "y"),
        ("meta('one.two') or 5", 9),
        ("{2: 'two'}[size('a.0.w', 1)]", "two"),
        ("round(sqrt(size('a.0.w', 0) - 0))", 2),
        ("width.inner", 3),
    ],
)
def test_solver__expressions_of_the_catalogue__have_values(expression: str, value: Any) -> None:
    solver = Solver({"a.0.w": (4, 2), "a.2.w": (7,)}, {"one": {"two": 9}}, {"width": {"inner": 3}})
    assert solver.value(expression) == value


@pytest.mark.parametrize(
    "expression", ["size('b', 0)", "().__class__", "open('x')", "[x for x in 'a']", "(lambda: 1)()", "1 / 0", "a +"]
)
def test_solver__anything_else__is_unsolved(expression: str) -> None:
    with pytest.raises(Unsolved):
        Solver({}, {}).value(expression)


def test_families__whole_catalogue__is_pinned_dated_and_written_as_python() -> None:
    assert len(families()) >= 25
    assert len({family.name for family in families()}) == len(families())
    for family in families():
        assert len(family.commit) == 40, family.name
        assert family.url.startswith("https://"), family.name
        assert family.checked >= "2026-11-25", family.name
        assert set(family.sources) <= {*family.preprocess, *family.postprocess}, family.name


def test_adapter_text__recipe__is_python_with_places_and_constants(tmp_path: Path) -> None:
    text = adapter_text(known(tmp_path)[1])
    compile(text, "adapter.py", "exec")
    assert "return GPT(GPTConfig(**{'block_size': 32" in text
    assert "'source': 'sample.py:72'" in text
    assert '"idx": torch.randint(0, 96, (batch_size, 32), generator=generator)' in text


def test_adapter_text__input_that_is_one_number__is_full_of_it(tmp_path: Path) -> None:
    sizes = {"name": "sizes", "dtype": "int64", "shape": ["n"], "filled": 8}

    text = adapter_text(replace(known(tmp_path)[1], inputs=(sizes,)))

    assert '"sizes": torch.full((batch_size,), 8, dtype=torch.int64)' in text


def test_adapter_text__no_input_was_taken__is_a_hole_that_says_what_was_tried(tmp_path: Path) -> None:
    recipe = replace(known(tmp_path)[1], inputs=(), call="self.model(**inputs)", refused=('x: "bad" shape',))
    made: dict[str, Any] = {}
    exec(adapter_text(recipe), made)
    with pytest.raises(NotImplementedError, match=r"which inputs .* take\?.* Tried: x: \"bad\" shape"):
        made["Adapter"]().example_inputs(1)


# -- where the source comes from -------------------------------------------------------------------------------------


def test_obtain__class_in_the_workspace__needs_no_network(tmp_path: Path, workspace: Path) -> None:
    (workspace / "model.py").write_text(MODEL["model.py"], encoding="utf-8")
    tree = obtained(*known(tmp_path), workspace, refs_dir=tmp_path / "refs", offline=True)
    assert (tree.origin, tree.root, tree.classes) == ("workspace", str(workspace), ("model.GPT",))
    assert tree.recipe is not None


def test_obtain__other_class_of_that_name__is_not_taken(tmp_path: Path, workspace: Path) -> None:
    inspection, recipe = known(tmp_path)
    recipe = replace(recipe, arguments={"config": 1}, build="return GPT(config=1)")
    (workspace / "model.py").write_text("class GPT:\n    def __init__(self, width): ...\n", encoding="utf-8")
    with pytest.raises(SourceNotFound):
        obtained(inspection, recipe, workspace, refs_dir=tmp_path / "refs", offline=True)


def test_obtain__before_consent__says_what_would_be_cloned(tmp_path: Path, workspace: Path) -> None:
    tree = obtained(*known(tmp_path), workspace)
    assert (tree.origin, tree.root, tree.url) == ("git", "", "https://github.com/karpathy/nanoGPT")
    assert tree.licence == "MIT"


def test_obtain__canonical_repository__is_cloned_at_its_commit(
    tmp_path: Path, workspace: Path, upstream: tuple[str, str]
) -> None:
    inspection, recipe = known(tmp_path)
    recipe = replace(recipe, url=upstream[0], commit=upstream[1])
    tree = obtained(inspection, recipe, workspace, refs_dir=tmp_path / "refs")
    assert (tree.origin, tree.commit, tree.licence, tree.committed) == ("git", upstream[1], "MIT", "2021-05-04")
    assert tree.root == str(tmp_path / "refs" / "nano")
    assert len(tree.fetched) == 10
    assert tree.recipe is recipe


@pytest.mark.parametrize("offline", [True, False])
def test_obtain__no_network__ends_with_24_and_the_commands(tmp_path: Path, workspace: Path, offline: bool) -> None:
    inspection, recipe = known(tmp_path)
    recipe = replace(recipe, url="file:///nowhere/nano")
    with pytest.raises(SourceNotFound) as caught:
        obtained(inspection, recipe, workspace, refs_dir=tmp_path / "refs", offline=offline)
    assert caught.value.code == 24
    assert f"fetch --depth 1 file:///nowhere/nano {recipe.commit}" in caught.value.hint
    assert "--source SRC" in caught.value.hint


def test_obtain__given_source_of_the_family__comes_with_the_recipe(tmp_path: Path, upstream: tuple[str, str]) -> None:
    inspection, recipe = known(tmp_path)
    given = obtained(inspection, recipe, tmp_path, given=str(tmp_path / "nano"))
    cloned = obtained(inspection, recipe, tmp_path, given=upstream[0], refs_dir=tmp_path / "refs")
    assert given.recipe is recipe
    assert cloned.recipe is recipe
    assert (cloned.commit, cloned.committed) == (upstream[1], "2021-05-04")
    (tmp_path / "other").mkdir()
    assert obtained(inspection, recipe, tmp_path, given=str(tmp_path / "other")).recipe is None


# -- clones ----------------------------------------------------------------------------------------------------------


def test_clone__submodules__lie_where_the_parent_names_them(tmp_path: Path) -> None:
    inner = repository(tmp_path / "layers", {"layers.py": "class Block: ...\n"})
    parent = tmp_path / "parent"
    repository(parent, {"net.py": "class Net: ...\n"})
    run_git(parent, "submodule", "--quiet", "add", inner, "third_party/layers")
    run_git(parent, "commit", "--quiet", "-m", "second")
    directory = git.clone(git.remote(parent.as_uri()), tmp_path / "refs")
    assert (directory / "third_party" / "layers" / "layers.py").is_file()
    assert submodules.missing(directory) == ()


def test_clone__submodule_cannot_be_had__is_said_and_no_failure(tmp_path: Path) -> None:
    inner = repository(tmp_path / "layers", {"layers.py": "class Block: ...\n"})
    parent = tmp_path / "parent"
    repository(parent, {"net.py": "class Net: ...\n"})
    run_git(parent, "submodule", "--quiet", "add", inner, "layers")
    run_git(parent, "commit", "--quiet", "-m", "second")
    (tmp_path / "layers").rename(tmp_path / "gone")
    directory = git.clone(git.remote(parent.as_uri()), tmp_path / "refs")
    assert (directory / "net.py").is_file()
    assert submodules.missing(directory) == ("layers",)


@pytest.mark.parametrize("path", ["../out", ".git/hooks", "a/../../b", "/etc/x", "-x"])
def test_listed__hostile_path_of_a_submodule__is_passed_over(path: str, tmp_path: Path) -> None:
    text = f'[submodule "x"]\n\tpath = {path}\n\turl = https://example.org/o/x\n'
    found = submodules._parsed(text, {path: "a" * 40}, "https://example.org/o/net")
    assert list(found) == []


def test_listed__relative_address__is_that_of_a_neighbour() -> None:
    text = '[submodule "x"]\n\tpath = x\n\turl = ../x.git\n'
    found = submodules._parsed(text, {"x": "a" * 40}, "https://example.org/o/net.git")
    assert [each.url for each in found] == ["https://example.org/o/x.git"]


def test_lfs_pointers__checkout__are_listed(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    (tmp_path / "weights.pth").write_text(pointer, encoding="utf-8")
    (tmp_path / "net.py").write_text("class Net: ...\n", encoding="utf-8")
    assert lfs_pointers(tmp_path) == ("weights.pth",)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pyproject.toml", '[project]\nname = "My_Net"\n'),
        ("pyproject.toml", '[tool.poetry]\nname = "my.net"\n'),
        ("setup.cfg", "[metadata]\nname = my-net\n"),
        ("setup.py", "from setuptools import setup\nraise SystemExit\nsetup(name='my_net')\n"),
    ],
)
def test_package_of__every_declaration__is_read_and_not_run(file: str, text: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert package_of(tmp_path) == "my-net"


def test_package_of__name_is_computed__is_unknown(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("from setuptools import setup\nsetup(name=NAME)\n", encoding="utf-8")
    assert package_of(tmp_path) == ""
