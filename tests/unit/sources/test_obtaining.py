"""Where the code of a checkpoint is found: every layout, every place, and what is said when it is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dnnbox.errors import NotReadable, SourceNotFound, SourceUnreachable, Usage
from dnnbox.records.identity import Identity
from dnnbox.records.inspection import Inspection
from dnnbox.records.source import SourceTree
from dnnbox.sources import git, obtain
from dnnbox.sources.classes import foreign, line_of, splits

NET = "import os\n\n\nclass Net:\n    class Block:\n        pass\n"


def write(path: Path, text: str = NET) -> Path:
    """Write a file with its directories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A pickled model, away from the workspace."""
    return write(tmp_path / "store" / "models" / "net.pt", "weights")


def found(
    checkpoint: Path, workspace: Path, *names: str, given: str | None = None, refs_dir: Path | None = None
) -> SourceTree:
    kind = "directory" if checkpoint.is_dir() else "file"
    inspection = Inspection(str(checkpoint), kind, "torch-zip", "pytorch", 7, "needs-code", needs_code=names)  # type: ignore[arg-type]
    return obtain(inspection, Identity(), given=given, workspace=workspace, refs_dir=refs_dir)


# -- nothing needed --------------------------------------------------------------------------------------------------


def test_obtain__no_classes__needs_no_source(checkpoint: Path, workspace: Path) -> None:
    assert found(checkpoint, workspace) == SourceTree("none")


def test_obtain__classes_of_libraries__need_no_source(checkpoint: Path, workspace: Path) -> None:
    names = ("torch.nn.modules.linear.Linear", "timm.models.resnet.ResNet", "collections.OrderedDict")
    assert found(checkpoint, workspace, *names).origin == "none"


def test_foreign__mixed_names__keeps_only_what_no_library_holds() -> None:
    names = ("torch.nn.Linear", "sitecam.heads.Head", "__main__.Net", "sitecam.heads.Head", "argparse.Namespace")
    assert foreign(names) == ("sitecam.heads.Head", "__main__.Net")


# -- layouts ---------------------------------------------------------------------------------------------------------

LAYOUTS = {
    "flat": ("net.py", "net.Net", ""),
    "package": ("sitecam/heads.py", "sitecam.heads.Net", ""),
    "package init": ("sitecam/__init__.py", "sitecam.Net", ""),
    "deep package": ("a/b/c/d.py", "a.b.c.d.Net", ""),
    "src": ("src/sitecam/heads.py", "sitecam.heads.Net", "src"),
    "repository in a folder": ("repo/models/yolo.py", "models.yolo.Net", "repo"),
    "repository with src": ("repo/src/models/yolo.py", "models.yolo.Net", "repo/src"),
    "nested class": ("net.py", "net.Net.Block", ""),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("place", ["adjacent", "workspace", "given"])
def test_obtain__layout_in_each_place__finds_the_import_root(
    checkpoint: Path, workspace: Path, tmp_path: Path, layout: str, place: str
) -> None:
    file, name, root = LAYOUTS[layout]
    base = {"adjacent": checkpoint.parent, "workspace": workspace, "given": tmp_path / "elsewhere"}[place]
    write(base / file)
    tree = found(checkpoint, workspace, name, given=str(base) if place == "given" else None)
    assert (tree.origin, tree.root) == (place, str(base / root))
    assert tree.files == (Path(file).relative_to(root).as_posix(),)
    assert tree.classes == (name,)
    line = 5 if name.endswith("Block") else 4
    assert tree.evidence[0].source == f"{tree.files[0]}:{line}"
    assert len(tree.sha256) == 64


def test_obtain__checkpoint_inside_the_repository__looks_upwards(workspace: Path, tmp_path: Path) -> None:
    checkpoint = write(tmp_path / "repo" / "runs" / "weights" / "best.pt")
    write(tmp_path / "repo" / "models" / "yolo.py")
    tree = found(checkpoint, workspace, "models.yolo.Net")
    assert (tree.origin, tree.root) == ("adjacent", str(tmp_path / "repo"))


def test_obtain__directory_checkpoint__looks_inside_it(workspace: Path, tmp_path: Path) -> None:
    write(tmp_path / "model" / "modeling_x.py")
    tree = found(tmp_path / "model", workspace, "modeling_x.Net")
    assert tree.root == str(tmp_path / "model")


def test_obtain__classes_of_two_modules__one_root_must_hold_both(checkpoint: Path, workspace: Path) -> None:
    write(checkpoint.parent / "other" / "models" / "a.py")
    write(checkpoint.parent / "repo" / "models" / "a.py")
    write(checkpoint.parent / "repo" / "utils" / "b.py")
    tree = found(checkpoint, workspace, "models.a.Net", "utils.b.Net")
    assert tree.root == str(checkpoint.parent / "repo")
    assert tree.files == ("models/a.py", "utils/b.py")


def test_obtain__file_without_the_class__is_passed_over(checkpoint: Path, workspace: Path) -> None:
    write(checkpoint.parent / "net.py", "# Net is elsewhere\nx = 'class Net'\n")
    write(workspace / "net.py")
    assert found(checkpoint, workspace, "net.Net").origin == "workspace"


def test_obtain__package_directory_given_itself__its_parent_is_the_root(
    checkpoint: Path, workspace: Path, tmp_path: Path
) -> None:
    write(tmp_path / "elsewhere" / "sitecam" / "heads.py")
    tree = found(checkpoint, workspace, "sitecam.heads.Net", given=str(tmp_path / "elsewhere" / "sitecam"))
    assert tree.root == str(tmp_path / "elsewhere")


def test_obtain__given_without_need__is_kept_for_the_adapter(checkpoint: Path, workspace: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "net.py")
    tree = found(checkpoint, workspace, given=str(tmp_path / "elsewhere"))
    assert (tree.origin, tree.root, tree.classes) == ("given", str(tmp_path / "elsewhere"), ())


# -- __main__ --------------------------------------------------------------------------------------------------------


def test_obtain__class_of_a_script__finds_the_script_beside(checkpoint: Path, workspace: Path) -> None:
    write(checkpoint.parent / "a_predict.py", "from train import Net\n")
    write(checkpoint.parent / "broken.py", "class Net(:\n")
    write(checkpoint.parent / "train.py", f"{NET}\nif __name__ == '__main__':\n    raise SystemExit\n")
    tree = found(checkpoint, workspace, "__main__.Net")
    assert tree.files == ("train.py",)  # a_predict.py has the name too, but only imports it
    assert tree.root == str(checkpoint.parent)


def test_obtain__class_of_a_script_and_of_a_module__share_one_root(checkpoint: Path, workspace: Path) -> None:
    write(checkpoint.parent / "code" / "train.py")
    write(checkpoint.parent / "code" / "layers" / "conv.py")
    tree = found(checkpoint, workspace, "__main__.Net", "layers.conv.Net")
    assert tree.root == str(checkpoint.parent / "code")
    assert tree.files == ("train.py", "layers/conv.py")
    assert tree.main == "train.py"


# -- not found -------------------------------------------------------------------------------------------------------


def test_obtain__nowhere__names_the_classes_and_the_way_out(checkpoint: Path, workspace: Path) -> None:
    with pytest.raises(SourceNotFound) as caught:
        found(checkpoint, workspace, "sitecam.heads.Helmet")
    assert "sitecam.heads.Helmet" in caught.value.what
    assert "--source PATH|URL[@REF]" in caught.value.hint
    assert caught.value.details["classes"] == ["sitecam.heads.Helmet"]


def test_obtain__hostile_class_name__is_shown_harmless(checkpoint: Path, workspace: Path) -> None:
    with pytest.raises(SourceNotFound) as caught:
        found(checkpoint, workspace, "evil\x1b[31m.\nNet")
    assert caught.value.line().isprintable()


@pytest.mark.parametrize("name", ["../../etc.passwd.Net", "a/b.Net", "...Net", "x", ""])
def test_obtain__class_name_that_is_no_path__leads_nowhere(checkpoint: Path, workspace: Path, name: str) -> None:
    write(checkpoint.parent.parent / "etc" / "passwd.py")
    with pytest.raises(SourceNotFound):
        found(checkpoint, workspace, name)


def test_obtain__given_path_lacks_a_class__names_that_one(checkpoint: Path, workspace: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "models" / "a.py")
    with pytest.raises(SourceNotFound) as caught:
        found(checkpoint, workspace, "models.a.Net", "utils.b.Net", given=str(tmp_path / "elsewhere"))
    assert caught.value.details["classes"] == ["utils.b.Net"]


def test_obtain__given_path_missing__is_not_readable(checkpoint: Path, workspace: Path) -> None:
    with pytest.raises(NotReadable):
        found(checkpoint, workspace, given="/nowhere/at/all")


def test_obtain__environments_and_links_out__are_not_searched(
    checkpoint: Path, workspace: Path, tmp_path: Path
) -> None:
    write(workspace / ".venv" / "lib" / "net.py")
    write(workspace / "env" / "pyvenv.cfg")
    write(workspace / "env" / "net.py")
    write(tmp_path / "outside" / "net.py")
    (workspace / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(SourceNotFound):
        found(checkpoint, workspace, "net.Net")


def test_obtain__source_that_acts_when_imported__is_only_read(
    checkpoint: Path, workspace: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    write(checkpoint.parent / "net.py", f"open({str(canary)!r}, 'w').close()\n{NET}")
    found(checkpoint, workspace, "net.Net")
    assert not canary.exists()


# -- syntax ----------------------------------------------------------------------------------------------------------


def test_splits__dotted_name__longest_module_first() -> None:
    assert list(splits("a.b.C")) == [("a.b", "C"), ("a", "b.C")]


@pytest.mark.parametrize(
    ("text", "qualified", "line"),
    [
        ("class Net: pass", "Net", 1),
        ("x = 1\ndef make(): pass", "make", 2),
        ("try:\n    import torch\n    class Net: pass\nexcept ImportError:\n    Net = None", "Net", 3),
        ("if True:\n    class Net: pass", "Net", 2),
        ("from .net import Net", "Net", 1),
        ("from .net import Other as Net", "Net", 1),
        ("Net = make()", "Net", 1),
        ("def f():\n    class Net: pass", "Net", None),
        ("class Net(:", "Net", None),
        ("class Other: pass", "Net", None),
        ("\ufeffclass Net: pass", "Net", 1),
        ("class Net: pass\nx = '\\d'", "Net", 1),
        ("class Net: pass\0", "Net", None),
        ("(" * 5000 + "Net", "Net", None),
    ],
)
def test_line_of__forms_of_definition__are_told_by_the_syntax_tree(
    tmp_path: Path, text: str, qualified: str, line: int | None
) -> None:
    assert line_of(write(tmp_path / "m.py", text), qualified) == line


def test_line_of__latin1_source_with_a_cookie__is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_bytes(b"# -*- coding: latin-1 -*-\n# \xe9\nclass Net: pass\n")
    assert line_of(path, "Net") == 3


# -- git -------------------------------------------------------------------------------------------------------------


def run_git(cwd: Path, *arguments: str) -> str:
    """Run git as the author of a repository."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> tuple[str, str, str]:
    """A bare repository with a tag and a later commit; returns its URL and both commits."""
    work = tmp_path / "work"
    write(work / "models" / "net.py")
    write(work / "LICENSE", "Permission is hereby granted, free of charge, to any person")
    run_git(work, "init", "--quiet")
    run_git(work, "add", ".")
    run_git(work, "commit", "--quiet", "-m", "first")
    run_git(work, "tag", "v1.0")
    first = run_git(work, "rev-parse", "HEAD")
    write(work / "models" / "later.py")
    run_git(work, "add", ".")
    run_git(work, "commit", "--quiet", "-m", "second")
    second = run_git(work, "rev-parse", "HEAD")
    run_git(tmp_path, "clone", "--quiet", "--bare", str(work), "net.git")
    run_git(tmp_path / "net.git", "config", "uploadpack.allowAnySHA1InWant", "true")
    return (tmp_path / "net.git").as_uri(), first, second


def test_obtain__url__clones_the_default_branch(
    checkpoint: Path, workspace: Path, tmp_path: Path, repository: tuple[str, str, str]
) -> None:
    url, _, second = repository
    tree = found(checkpoint, workspace, "models.net.Net", given=url, refs_dir=tmp_path / "refs")
    assert (tree.origin, tree.commit, tree.licence) == ("git", second, "MIT")
    assert tree.root == str(tmp_path / "refs" / "net")
    assert [path.name for path in (tmp_path / "refs").iterdir()] == ["net"]


@pytest.mark.parametrize("kind", ["tag", "commit"])
def test_obtain__url_at_ref__checks_out_exactly_that(
    checkpoint: Path, workspace: Path, tmp_path: Path, repository: tuple[str, str, str], kind: str
) -> None:
    url, first, _ = repository
    ref = "v1.0" if kind == "tag" else first
    tree = found(checkpoint, workspace, "models.net.Net", given=f"{url}@{ref}", refs_dir=tmp_path / "refs")
    assert (tree.commit, tree.tag) == (first, ref)
    assert not (Path(tree.root) / "models" / "later.py").exists()


def test_obtain__url_before_consent__says_what_would_be_cloned(checkpoint: Path, workspace: Path) -> None:
    given = "https://user:secret@example.org/o/net.git@v1.0"
    tree = found(checkpoint, workspace, "models.net.Net", given=given)
    assert (tree.origin, tree.root, tree.url, tree.tag) == ("git", "", "https://example.org/o/net.git", "v1.0")
    assert "secret" not in repr(tree)


def test_obtain__no_such_ref_or_repository__is_not_found_and_leaves_nothing(
    checkpoint: Path, workspace: Path, tmp_path: Path, repository: tuple[str, str, str]
) -> None:
    url = repository[0]
    for given in (f"{url}@v9", f"{url}-missing"):
        with pytest.raises(SourceNotFound) as caught:
            found(checkpoint, workspace, given=given, refs_dir=tmp_path / "refs")
        assert "git clone --depth 1" in caught.value.hint
    assert list((tmp_path / "refs").iterdir()) == []


def test_obtain__host_does_not_answer__is_not_found_without_the_password(
    checkpoint: Path, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SourceUnreachable) as caught:
        found(checkpoint, workspace, given="https://bob:hunter2@127.0.0.1:9/o/net.git", refs_dir=tmp_path / "refs")
    assert "hunter2" not in caught.value.line()
    assert caught.value.retryable
    assert caught.value.code == 24
    assert "git clone --depth 1" in caught.value.hint


def test_clone__hooks_and_templates_of_the_user__do_not_run(
    tmp_path: Path, repository: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = write(tmp_path / "template" / "hooks" / "post-checkout", f"#!/bin/sh\ntouch {tmp_path}/canary\n")
    hook.chmod(0o755)
    config = write(
        tmp_path / "gitconfig", f"[core]\n\thooksPath = {hook.parent}\n[init]\n\ttemplateDir = {hook.parents[1]}\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    git.clone(git.remote(repository[0]), tmp_path / "refs")
    assert not (tmp_path / "canary").exists()


def test_clone__same_repository_twice__gets_two_directories(tmp_path: Path, repository: tuple[str, str, str]) -> None:
    remote = git.remote(repository[0])
    assert [git.clone(remote, tmp_path / "refs").name for _ in range(2)] == ["net", "net-2"]


def test_clone__credentials_in_the_url__are_neither_on_disk_nor_on_the_command_line(
    tmp_path: Path, repository: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dnnbox import process

    seen: list[str] = []
    real = process.run

    def spying(argv, **options):  # type: ignore[no-untyped-def]
        seen.extend(map(str, argv))
        return real(argv, **options)

    monkeypatch.setattr(process, "run", spying)
    # git rewrites the plain address to the one with the secret: here a file stands for the server
    remote = git.Remote("https://example.org/o/net.git", "", repository[0])
    directory = git.clone(remote, tmp_path / "refs")
    assert repository[0] not in " ".join(seen)
    assert repository[0] not in (directory / ".git" / "config").read_text()
    assert (directory / "models" / "net.py").is_file()


@pytest.mark.parametrize(
    ("given", "url", "ref", "name"),
    [
        ("https://host/o/net.git", "https://host/o/net.git", "", "net"),
        ("https://host/o/net@v1.0", "https://host/o/net", "v1.0", "net"),
        ("https://u:p@host/o/net@feature/x", "https://host/o/net", "feature/x", "net"),
        ("git@host:o/net.git@main", "git@host:o/net.git", "main", "net"),
        ("ssh://git:pw@host:22/o/net.git", "ssh://git@host:22/o/net.git", "", "net"),
    ],
)
def test_remote__forms_of_address__are_split(given: str, url: str, ref: str, name: str) -> None:
    remote = git.remote(given)
    assert (remote.url, remote.ref, remote.name) == (url, ref, name)
    assert git.is_url(given)


@pytest.mark.parametrize(
    "given",
    [
        "ext::sh -c touch% /tmp/x",
        "fd::17",
        "https://h/o/n@--upload-pack=x",
        "https://h/o/n@a..b",
        "ftp://h/o/n",
        "foo://h/n",
    ],
)
def test_remote__dangerous_address__is_refused(given: str) -> None:
    with pytest.raises(Usage):
        git.remote(given)


@pytest.mark.parametrize("given", ["../net", "/abs/net", "net", "C/net@x"])
def test_is_url__paths__are_paths(given: str) -> None:
    assert not git.is_url(given)
