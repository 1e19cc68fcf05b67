"""The harness as boxes mount it: readable for every user, compiled once, so that no job spends its start on that.

Boxes see it read-only and could not keep what they compile. The copy is kept in the store by its content and Python.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from pathlib import Path

from dnnbox import integrity, process
from dnnbox.boxes.base import LIB, PACKAGE
from dnnbox.errors import EnvFailed, HostFull, HostPermission
from dnnbox.store import Store, entry_of

_COMPILE_S = 120.0


def prepared(harness_dir: Path, private: Path, *, interpreter: Path | None = None, store: Store | None = None) -> Path:
    """Return a directory named like the package, with bytecode for ``interpreter`` (default: this one).

    Where the store cannot be written the copy is made in ``private``.
    """
    python = interpreter or Path(sys.executable)
    target = (store or Store.default()).root / "harness" / _key(harness_dir, python)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        (store or Store.default()).create_once(target, lambda folder: _build(harness_dir, folder, python))
        return target / PACKAGE
    except (OSError, HostFull, HostPermission):
        _build(harness_dir, private, python)
        return private / PACKAGE


def hold(stack: contextlib.ExitStack, path: Path) -> None:
    """Keep the store's entry that ``path`` lies in from being removed until the stack closes; nothing for other places.

    Raises:
        EnvFailed: it was removed just now.
    """
    entry = entry_of(path)
    if entry is None:
        return
    store = Store(entry.parent)
    stack.enter_context(store.using(entry))
    if not store.verified(entry):
        raise EnvFailed("the environment was removed at this moment", hint="run again; `dnnbox clean` was at work")


def _key(harness_dir: Path, python: Path) -> str:
    facts = python.stat()
    digest = hashlib.sha256(f"{python.resolve()}\n{facts.st_mtime_ns}\n{facts.st_size}".encode())
    for path in sorted(harness_dir.rglob("*.py")):
        digest.update(f"\n{path.relative_to(harness_dir)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _build(harness_dir: Path, folder: Path, python: Path) -> None:
    package = folder / PACKAGE
    shutil.copytree(harness_dir, package, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile)
    # -S: the environment's own start-up files must not run outside a box. Bytecode that cannot be made is only slower.
    compile_all = [str(python), "-I", "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    process.run([*compile_all, "-d", f"{LIB}/{PACKAGE}", str(package)], timeout_s=_COMPILE_S, env={})
    folder.chmod(0o755)
    for place, _, files in os.walk(package):
        Path(place).chmod(0o755)
        for name in files:
            Path(place, name).chmod(0o644)
    integrity.vouch(folder)
