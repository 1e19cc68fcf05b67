"""Bounded walks: depth, count, time, links, and what is passed over."""

from __future__ import annotations

import os
from pathlib import Path

from dnnbox.walk import Budget, folders, read_head


def tree(root: Path, *names: str) -> Path:
    """Make files, with their directories."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", encoding="utf-8")
    return root


def names(root: Path, budget: Budget | None = None, depth: int = 4) -> list[str]:
    found = folders(root, budget or Budget(), depth=depth)
    return [file.relative_to(root).as_posix() for folder in found for file in folder.files]


def test_folders__nested_tree__nearest_first_and_sorted(tmp_path: Path) -> None:
    tree(tmp_path, "b/z", "a/y", "a/deep/w", "top")
    assert names(tmp_path) == ["top", "a/y", "b/z", "a/deep/w"]


def test_folders__deeper_than_asked__is_not_entered(tmp_path: Path) -> None:
    tree(tmp_path, "1/2/3/file")
    assert names(tmp_path, depth=2) == []
    assert names(tmp_path, depth=3) == ["1/2/3/file"]


def test_folders__hidden_environments_and_own_output__are_passed_over(tmp_path: Path) -> None:
    tree(tmp_path, ".git/config", ".venv/lib/a.py", "tmp/x/a.py", "env/pyvenv.cfg", "env/lib/a.py", "node_modules/a.py")
    tree(tmp_path, "conda/conda-meta/history", "conda/lib.py", ".hidden", "seen.py")
    assert names(tmp_path) == ["seen.py"]


def test_folders__links__are_followed_only_to_files_inside(tmp_path: Path) -> None:
    outside = tree(tmp_path / "outside", "secret.txt", "dir/file.txt")
    root = tree(tmp_path / "root", "real.txt")
    (root / "inside").symlink_to(root / "real.txt")
    (root / "escape").symlink_to(outside / "secret.txt")
    (root / "escape_dir").symlink_to(outside / "dir")
    (root / "loop").symlink_to(root / "loop")
    (root / "up").symlink_to(tmp_path)
    assert names(root) == ["inside", "real.txt"]


def test_folders__too_many_entries__ends_and_says_so(tmp_path: Path) -> None:
    tree(tmp_path, *(f"d{number}/f" for number in range(50)))
    budget = Budget(entries=30)
    assert len(names(tmp_path, budget)) < 50
    assert budget.exhausted


def test_folders__out_of_time__ends_and_says_so(tmp_path: Path) -> None:
    tree(tmp_path, "a/b")
    budget = Budget(seconds=-1.0)
    assert names(tmp_path, budget) == []
    assert budget.exhausted


def test_folders__special_files_and_missing_root__are_no_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    tree(tmp_path, "a")
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "missing") == []


def test_read_head__fifo__does_not_block_and_is_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_head(tmp_path / "pipe", 10) is None
    assert read_head(tmp_path, 10) is None
    assert read_head(tmp_path / "missing", 10) is None


def test_read_head__regular_file__is_cut_at_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    assert read_head(tmp_path / "a", 4) == b"0123"
