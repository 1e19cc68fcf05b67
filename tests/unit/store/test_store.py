"""The store keeps whole entries only, whoever is killed, waits or reads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dnnbox.errors import HostPermission
from dnnbox.store import MARKER, Store, entry_of


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def fill(folder: Path) -> None:
    (folder / "lib").mkdir()
    (folder / "lib" / "large.so").write_bytes(b"x" * 1000)
    (folder / "small.txt").write_text("small")


def never(_: Path) -> None:
    pytest.fail("nothing may be made")


def test_default__dnnbox_home_is_set__that_is_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DNNBOX_HOME", str(tmp_path / "mine"))

    assert Store.default().root == tmp_path / "mine"


def test_create_once__not_there__made_with_its_facts(store: Store) -> None:
    target = store.venv_dir("key")

    assert store.create_once(target, fill)

    assert store.verified(target)
    (entry,) = store.entries()
    assert (entry.path, entry.bytes, entry.files) == (target, 1005, 2)


def test_create_once__there__not_made_again(store: Store) -> None:
    store.create_once(store.venv_dir("key"), fill)

    assert not store.create_once(store.venv_dir("key"), never)


def test_create_once__builder_fails__nothing_is_left(store: Store) -> None:
    def fail(folder: Path) -> None:
        fill(folder)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.create_once(store.venv_dir("key"), fail)

    assert [path.name for path in store.venv_dir("key").parent.iterdir()] == [".locks"]
    assert store.create_once(store.venv_dir("key"), fill)


def test_create_once__somebody_else_makes_it__waits_and_takes_theirs(store: Store) -> None:
    target, begun, go_on, waited = store.venv_dir("key"), threading.Event(), threading.Event(), threading.Event()

    def slow(folder: Path) -> None:
        begun.set()
        go_on.wait(10)
        fill(folder)

    first = threading.Thread(target=store.create_once, args=(target, slow))
    first.start()
    begun.wait(10)
    made = []
    second = threading.Thread(target=lambda: made.append(store.create_once(target, never, waiting=waited.set)))
    second.start()
    assert waited.wait(10)
    go_on.set()
    first.join(10)
    second.join(10)

    assert made == [False]


def test_create_once__a_file_where_the_store_should_be__host_permission(store: Store) -> None:
    store.root.mkdir(parents=True)
    (store.root / "venvs").write_text("a file")

    with pytest.raises(HostPermission) as caught:
        store.create_once(store.venv_dir("key"), fill)

    assert "DNNBOX_HOME" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_create_once__read_only_place__host_permission(store: Store) -> None:
    store.root.mkdir(parents=True)
    store.root.chmod(0o500)

    with pytest.raises(HostPermission):
        store.create_once(store.venv_dir("key"), fill)


@pytest.mark.parametrize("damage", ["cut", "gone", "marker", "renamed"])
def test_verified__damaged_entry__no(damage: str, store: Store) -> None:
    target = store.venv_dir("key")
    store.create_once(target, fill)
    if damage == "cut":
        os.truncate(target / "lib" / "large.so", 10)
    elif damage == "gone":
        (target / "small.txt").unlink()
    elif damage == "marker":
        (target / MARKER).write_text("{")
    else:
        target = target.rename(store.venv_dir("other"))

    assert not store.verified(target)


def test_create_once__damaged_entry__made_anew(store: Store) -> None:
    target = store.venv_dir("key")
    store.create_once(target, fill)
    os.truncate(target / "lib" / "large.so", 10)

    assert store.create_once(target, fill)
    assert store.verified(target)


def test_used__old_entry__stamped_now(store: Store) -> None:
    target = store.venv_dir("key")
    store.create_once(target, fill)
    os.utime(target / MARKER, (1, 1))

    store.used(target)

    (entry,) = store.entries()
    assert time.time() - entry.used < 60


def test_remove__in_use__stays(store: Store) -> None:
    target = store.venv_dir("key")
    store.create_once(target, fill)

    with store.using(target):
        assert not store.remove(target)
        assert store.verified(target)
    assert store.remove(target)
    assert not target.exists()


def test_stale__age_and_size__the_longest_unused_first(store: Store) -> None:
    now = time.time()
    for age, name in enumerate(("new", "old", "older")):
        target = store.venv_dir(name)
        store.create_once(target, lambda folder: (folder / "data").write_bytes(bytes(100)))
        os.utime(target / MARKER, (now - 100 * age, now - 100 * age))

    assert [entry.path.name for entry in store.stale(now - 150)] == ["older"]
    assert [entry.path.name for entry in store.stale(0.0, 250)] == ["older"]
    assert [entry.path.name for entry in store.stale(0.0, 100)] == ["older", "old"]
    assert [entry.path.name for entry in store.stale(now - 150, 0)] == ["older", "old", "new"]
    assert list(store.stale(0.0)) == []


def test_remove_caches__somebody_makes_an_environment__they_stay(store: Store) -> None:
    store.uv_cache.mkdir(parents=True)
    seen = []

    def build(folder: Path) -> None:
        seen.append(store.remove_caches())

    store.create_once(store.venv_dir("a"), build)

    assert seen == [False]
    assert store.uv_cache.is_dir()
    assert store.remove_caches()
    assert not store.uv_cache.exists()


def test_entry_of__path_below_an_entry_or_elsewhere__is_told(store: Store, tmp_path: Path) -> None:
    target = store.venv_dir("a")
    store.create_once(target, lambda folder: (folder / "bin").mkdir())

    assert entry_of(target / "bin" / "python") == target
    assert entry_of(tmp_path / "venv" / "bin" / "python") is None


def test_remove__not_there__gone(store: Store) -> None:
    assert store.remove(store.venv_dir("key"))


KILLED = """
import os, sys, time
from pathlib import Path
from dnnbox.store import Store
store = Store(Path(sys.argv[1]))
def build(folder):
    (folder / "half").write_text("made")
    print("building", flush=True)
    time.sleep(60)
store.create_once(store.venv_dir("key"), build)
"""


def test_create_once__creator_is_killed__next_one_makes_it_whole(store: Store) -> None:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(store.root)], stdout=subprocess.PIPE, text=True, env=environ
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "building\n"
    process.kill()
    process.communicate()
    target = store.venv_dir("key")
    assert not store.verified(target)

    assert store.create_once(target, fill)

    assert not (target / "half").exists()
    assert sorted(path.name for path in target.parent.iterdir()) == [".locks", "key"]


def test_remove_leftovers__of_the_dead_and_the_living__only_the_dead(store: Store) -> None:
    folder = store.venv_dir("x").parent
    (folder / ".dead.1-aa.part").mkdir(parents=True)
    (folder / ".dead.1-aa.bb.gone").mkdir()

    def build(part: Path) -> None:
        assert store.remove_leftovers() == 2
        fill(part)

    assert store.create_once(store.venv_dir("living"), build)
    assert sorted(path.name for path in folder.iterdir()) == [".locks", "living"]


def test_verified__whole_entry__fast(store: Store) -> None:
    target = store.venv_dir("key")
    store.create_once(target, fill)

    start = time.perf_counter()
    for _ in range(20):
        assert store.verified(target)
    assert (time.perf_counter() - start) / 20 < 0.005


def test_mark_fetched__some_wheels__those_only(store: Store) -> None:
    store.mark_fetched(["aa", "bb"])

    assert [store.was_fetched(digest) for digest in ("aa", "bb", "cc")] == [True, True, False]
