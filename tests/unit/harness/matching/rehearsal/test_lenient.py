"""Code of scripts, in which a statement that fails is no end."""

from __future__ import annotations

import builtins
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dnnbox.harness.matching.rehearsal import lenient
from dnnbox.harness.matching.standins import Anything


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[list[str]]:
    """Lenient imports below a folder; what failed to be imported is listed and stays missing."""
    before, lacking = list(sys.meta_path), list[str]()
    lenient.install([str(tmp_path)], lambda error: bool(lacking.append(str(error))))
    yield lacking
    sys.meta_path[:] = before
    for name in ("dnnbox_failed_", "dnnbox_helped_", "dnnbox_enough_"):
        delattr(builtins, name)


def run(code: str) -> dict[str, Any]:
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(lenient.compiled(textwrap.dedent(code).encode(), "script.py"), scope)
    return scope


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "failing",
    [
        "value = {}['lacking']",
        "raise ValueError('no data')",
        "assert False, 'no data'",
        "import sys; sys.exit(3)",
        "with open('/no/such/file') as value: pass",
        "for value in None: pass",
        "if undefined > 3: value = 1",
        "del undefined",
        "value: int = undefined()",
        "value = [undefined(each) for each in 'ab']",
        "try:\n    pass\nfinally:\n    undefined()",
    ],
)
def test_compiled__statement_that_fails__the_next_ones_run(failing: str) -> None:
    assert run(f"{failing}\nlast = 7\n")["last"] == 7


@pytest.mark.usefixtures("installed")
def test_compiled__what_a_failed_statement_binds__is_stood_in_for() -> None:
    scope = run("""
        class Holder: pass
        holder = Holder()
        first, (second, holder.third) = undefined()
        def load(): return undefined()
        fourth = load()
        @undefined
        def fifth(): pass
        """)

    assert [type(scope[name]) for name in ("first", "second", "fourth", "fifth")] == [Anything] * 4
    assert type(scope["holder"].third) is Anything


@pytest.mark.usefixtures("installed")
def test_compiled__code_that_works__does_the_same() -> None:
    scope = run("""
        '''A script.'''
        from __future__ import annotations
        found = []
        def counted(most):
            count = 0
            while True:
                count += 1
                if count == most: break
                if count % 2: continue
                found.append(count)
            else: return None
            return count
        try: import no_such_module_at_all as other
        except ImportError: other = None
        total = counted(7)
        """)

    assert (scope["found"], scope["total"], scope["other"]) == ([2, 4, 6], 7, None)


@pytest.mark.usefixtures("installed")
def test_compiled__class_of_a_model__fails_as_it_would() -> None:
    scope = run("""
        class Net:
            def forward(self): raise KeyError('not made')
        class Trainer:
            def work(self): raise KeyError('left out')
        """)

    with pytest.raises(KeyError, match="not made"):
        scope["Net"]().forward()
    scope["Trainer"]().work()


def test_imported__module_that_is_not_there__is_asked_for_and_its_names_are_stood_in_for(installed: list[str]) -> None:
    scope = run("import no_such_module.part\nfrom no_such_other import a, b as c\n")

    assert installed == ["No module named 'no_such_module'", "No module named 'no_such_other'"]
    assert [type(scope[name]) for name in ("no_such_module", "a", "c")] == [Anything] * 3


@pytest.mark.usefixtures("installed")
def test_install__file_below_the_root__is_imported_leniently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lenient_helper.py").write_text("broken = undefined()\nkept = 5\n")
    monkeypatch.syspath_prepend(tmp_path)

    import lenient_helper  # type: ignore[import-not-found]

    assert (type(lenient_helper.broken), lenient_helper.kept) == (Anything, 5)
    monkeypatch.delitem(sys.modules, "lenient_helper")


@pytest.mark.usefixtures("installed")
def test_compiled__loop_that_does_not_end__is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lenient, "_MOST_ROUNDS", 50)

    scope = run("rounds = 0\nwhile True:\n    rounds += 1\nlast = 7\n")

    assert (scope["rounds"], scope["last"]) == (50, 7)
