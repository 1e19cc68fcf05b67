"""Every checkpoint of the zoo: format and verdict are those of its table, the bad ones get their error."""

from __future__ import annotations

import pytest

from dnnbox.checkpoints import inspect
from dnnbox.errors import DnnboxError
from tests.zoo import BAD, KINDS, Zoo

pytestmark = pytest.mark.zoo


def test_zoo__every_kind__has_its_format_and_verdict(zoo: Zoo) -> None:
    seen = {kind.name: inspect(zoo.path(kind.name)) for kind in KINDS}
    assert {name: (found.format, found.verdict) for name, found in seen.items()} == {
        kind.name: (kind.format, kind.verdict) for kind in KINDS
    }


def test_zoo__every_bad_one__has_its_error(zoo: Zoo) -> None:
    for bad in BAD:
        with pytest.raises(DnnboxError) as caught:
            inspect(zoo.path(bad.name))
        assert (bad.name, caught.value.name) == (bad.name, bad.error)
