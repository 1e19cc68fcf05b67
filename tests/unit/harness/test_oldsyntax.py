"""Python of yesterday in the spelling of today."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from dnnbox.harness import oldsyntax


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x.cuda(async=True)", "x.cuda(non_blocking=True)"),
        ("def f(async=False):\n    return async", "def f(non_blocking=False):\n    return non_blocking"),
        ("print 'a', b", "print('a', b)"),
        ("print\na = 1L", "print()\na = 1"),
        ("print 'a',", "print('a')"),
        ("print ('a'), 4\na = 1L", "print(('a'), 4)\na = 1"),
        ("print 'a' % (\n  1)", "print('a' % (\n  1))"),
        ("print >>sys.stderr, 'a'\na = 1L", "print('a', file=sys.stderr)\na = 1"),
        ("if x: print 'a'", "if x: print('a')"),
        ("try:\n    f()\nexcept (A, B), e:\n    raise C, 'd'", "try:\n    f()\nexcept (A, B) as e:\n    raise C('d')"),
        ("a = 10L + 0755\nb = a <> 3", "a = 10 + 0o755\nb = a != 3"),
        ("if a:\n\tb = 1\n        c = 2", "if a:\n        b = 1\n        c = 2"),
        ("\ufeffprint 'a'\r\nb = 1", "print('a')\nb = 1"),
    ],
)
def test_renewed__what_python_took_away__means_the_same(old: str, new: str) -> None:
    with pytest.raises(SyntaxError):
        ast.parse(old)
    assert ast.dump(oldsyntax.parsed(old.encode())) == ast.dump(ast.parse(new))


def test_renewed__lines__stay_where_they_are() -> None:
    old = dedent("""
        print 'a', (1,
            2)
        class Net:
            pass
    """)
    (net,) = (node for node in oldsyntax.parsed(old).body if isinstance(node, ast.ClassDef))
    assert old.split("\n")[net.lineno - 1] == "class Net:"


@pytest.mark.parametrize("code", ["a = = 1", "def f(:\n    pass", "print 'a", "if a:\nb = 1", "\0"])
def test_parsed__no_python_at_all__is_told_as_today(code: str) -> None:
    assert oldsyntax.renewed(code) is None
    with pytest.raises((SyntaxError, ValueError)):
        oldsyntax.parsed(code)


def test_parsed__python_of_today__is_as_it_is() -> None:
    code = "async def f():\n    print('async', 10, file=None)\n"
    assert ast.dump(oldsyntax.parsed(code)) == ast.dump(ast.parse(code))
