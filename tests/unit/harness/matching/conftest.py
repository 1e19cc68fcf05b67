"""What the tests of the search share: each leaves the interpreter as it found it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from dnnbox.harness.matching import standins


@pytest.fixture(autouse=True)
def _unchanged_imports() -> Iterator[None]:
    """Take away what a test imported or stood in for."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    standins.FINDER.names.clear()
    for finder in (standins.FINDER, standins._AFTER_IMPORT):
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
    for name in set(sys.modules) - modules:
        del sys.modules[name]
