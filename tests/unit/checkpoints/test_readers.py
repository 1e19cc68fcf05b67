"""How a reader is chosen: the best match, and never one of two equals."""

from __future__ import annotations

import pytest

from dnnbox.checkpoints.base import Match, best
from dnnbox.errors import Unsupported


def test_best__highest_score__wins() -> None:
    assert best([("a", Match(0.5, "x")), ("b", Match(0.7, "y"))]) == ("b", Match(0.7, "y"))
    assert best([]) is None


def test_best__tie__names_both() -> None:
    with pytest.raises(Unsupported, match=r"`a` \(x\) and `b` \(y\)"):
        best([("a", Match(0.7, "x")), ("b", Match(0.7, "y")), ("c", Match(0.2, "z"))])
