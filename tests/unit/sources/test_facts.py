"""Hash, licence, commit and origin of a source tree, and its copy in the experiment."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dnnbox.errors import InputLimit
from dnnbox.records.source import SourceTree
from dnnbox.sources import copies, snapshot
from dnnbox.sources.facts import checkout_of, licence_of, public_url, python_sha256


def write(path: Path, text: str = "x = 1\n") -> Path:
    """Write a file with its directories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def run_git(cwd: Path, *arguments: str) -> str:
    """Run git as the author of a repository."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.strip()


# -- hash ------------------------------------------------------------------------------------------------------------


def test_python_sha256__names_and_contents__decide(tmp_path: Path) -> None:
    write(tmp_path / "a" / "x.py")
    first = python_sha256(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert python_sha256(tmp_path / "b") == first
    write(tmp_path / "b" / "data.bin", "not Python")
    assert python_sha256(tmp_path / "b") == first
    write(tmp_path / "b" / "x.py", "x = 2\n")
    assert python_sha256(tmp_path / "b") != first
    (tmp_path / "a" / "x.py").rename(tmp_path / "a" / "y.py")
    assert python_sha256(tmp_path / "a") != first


# -- licence ---------------------------------------------------------------------------------------------------------

TEXTS = {
    "MIT": "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy",
    "Apache-2.0": "                Apache License\n                Version 2.0, January 2004",
    "BSD-3-Clause": "Redistribution and use in source and binary forms, with\n\n3. Neither the name of",
    "BSD-2-Clause": "Redistribution and use in source and binary forms, with or without modification",
    "GPL-3.0": "GNU GENERAL PUBLIC LICENSE\n                       Version 3, 29 June 2007",
    "AGPL-3.0": "GNU AFFERO GENERAL PUBLIC LICENSE\n                       Version 3, 19 November 2007",
    "LGPL-3.0": "GNU LESSER GENERAL PUBLIC LICENSE\n                       Version 3, 29 June 2007",
    "MPL-2.0": "Mozilla Public License Version 2.0",
    "CC-BY-NC-4.0": "Attribution-NonCommercial 4.0 International",
    "unrecognised (LICENSE)": "You may do with this what you promised me on the phone.",
}


@pytest.mark.parametrize("name", TEXTS)
def test_licence_of__known_texts__are_recognised(tmp_path: Path, name: str) -> None:
    write(tmp_path / "LICENSE", TEXTS[name])
    assert licence_of(tmp_path) == name


@pytest.mark.parametrize("file", ["LICENSE.txt", "licence", "COPYING", "License.md"])
def test_licence_of__usual_file_names__are_looked_at(tmp_path: Path, file: str) -> None:
    write(tmp_path / file, TEXTS["MIT"])
    assert licence_of(tmp_path) == "MIT"


def test_licence_of__outside_of_a_checkout__parents_do_not_count(tmp_path: Path) -> None:
    write(tmp_path / "LICENSE", TEXTS["MIT"])
    write(tmp_path / "code" / "x.py")
    assert licence_of(tmp_path / "code") == ""


# -- git, read without running it ------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a remote that holds a password, and one commit."""
    root = tmp_path / "repo"
    write(root / "src" / "net.py")
    write(root / "LICENSE", TEXTS["MIT"])
    run_git(root, "init", "--quiet")
    run_git(root, "remote", "add", "origin", "https://bob:hunter2@example.org/o/net.git?token=hunter2")
    run_git(root, "add", ".")
    run_git(root, "commit", "--quiet", "-m", "first")
    return root


def test_checkout_of__subfolder__tells_commit_and_address_without_password(checkout: Path) -> None:
    facts = checkout_of(checkout / "src")
    assert facts.commit == run_git(checkout, "rev-parse", "HEAD")
    assert facts.url == "https://example.org/o/net.git"
    assert licence_of(checkout / "src") == "MIT"


def test_checkout_of__packed_refs_and_annotated_tag__are_read(checkout: Path) -> None:
    run_git(checkout, "tag", "-a", "v2.0", "-m", "x")
    run_git(checkout, "pack-refs", "--all")
    facts = checkout_of(checkout)
    assert (facts.commit, facts.tag) == (run_git(checkout, "rev-parse", "HEAD"), "v2.0")


def test_checkout_of__detached_and_loose_tag__are_read(checkout: Path) -> None:
    run_git(checkout, "tag", "v1.0")
    run_git(checkout, "checkout", "--quiet", "--detach")
    assert checkout_of(checkout).tag == "v1.0"


def test_checkout_of__linked_work_tree__finds_the_common_directory(checkout: Path, tmp_path: Path) -> None:
    run_git(checkout, "config", "index.version", "2")
    run_git(checkout, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "linked"))
    facts = checkout_of(tmp_path / "linked")
    assert facts.commit == run_git(checkout, "rev-parse", "HEAD")
    assert facts.url == "https://example.org/o/net.git"


def test_checkout_of__hostile_git_directory__reads_nothing_outside(tmp_path: Path) -> None:
    write(tmp_path / "secret", "0" * 40)
    write(tmp_path / "repo" / ".git" / "HEAD", "ref: refs/../../../secret\n")
    assert checkout_of(tmp_path / "repo").commit == ""


def test_checkout_of__ignored_folder_of_somebodys_repository__is_not_from_there(checkout: Path) -> None:
    write(checkout / "checkpoints" / "net.py")
    assert checkout_of(checkout / "checkpoints", ("net.py",)).commit == ""
    assert licence_of(checkout / "checkpoints", ("net.py",)) == ""
    assert checkout_of(checkout / "src", ("net.py",)).commit
    assert not checkout_of(checkout / "src", ("other.py",)).commit


def test_checkout_of__no_checkout__is_empty(tmp_path: Path) -> None:
    assert checkout_of(tmp_path).commit == ""


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://host/o/n.git", "https://host/o/n.git"),
        ("https://u:p@host:8443/o/n.git?x=1#y", "https://host:8443/o/n.git"),
        ("git@host:o/n.git", "git@host:o/n.git"),
        ("ssh://git@host/o/n.git", "ssh://host/o/n.git"),
        ("/home/bob/n.git", ""),
        ("file:///home/bob/n.git", ""),
        ("../n.git", ""),
        ("https://host:notaport/x", ""),
    ],
)
def test_public_url__any_remote__shows_no_secret_and_no_host_path(url: str, public: str) -> None:
    assert public_url(url) == public


# -- copy ------------------------------------------------------------------------------------------------------------


def test_snapshot__tree_of_the_user__copies_code_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "my code"
    for name in (
        "net.py",
        "cfg/model.yaml",
        "LICENSE",
        "weights.pt",
        ".env",
        ".git/config",
        "tmp/old/net.py",
        "data/x.png",
    ):
        write(root / name)
    (root / "link.py").symlink_to(write(tmp_path / "outside.py"))
    tree = snapshot(SourceTree("adjacent", str(root), ("net.Net",), ("net.py",)), tmp_path / "refs")
    copied = sorted(path.relative_to(tree.root).as_posix() for path in Path(tree.root).rglob("*") if path.is_file())
    assert copied == ["LICENSE", "cfg/model.yaml", "net.py"]
    assert Path(tree.root) == tmp_path / "refs" / "my-code"
    assert tree.classes == ("net.Net",)


def test_snapshot__clone_or_nothing__is_returned_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "refs" / "net" / "net.py")
    clone = SourceTree("git", str(tmp_path / "refs" / "net"))
    assert snapshot(clone, tmp_path / "refs") is clone
    assert snapshot(SourceTree("none"), tmp_path / "refs") == SourceTree("none")


def test_snapshot__far_too_much_code__is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_MOST_FILES", 3)
    for number in range(5):
        write(tmp_path / "code" / f"m{number}.py")
    with pytest.raises(InputLimit):
        snapshot(SourceTree("given", str(tmp_path / "code")), tmp_path / "refs")
