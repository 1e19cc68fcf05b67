"""Command lines that lack what is required."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import pytest

from dnnbox.harness.matching.rehearsal import staging


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str], str], argparse.Namespace]:
    """Read a command line leniently."""
    for name in ("parse_args", "parse_known_args"):
        monkeypatch.setattr(argparse.ArgumentParser, name, getattr(argparse.ArgumentParser, name))

    def _read(argv: list[str], config: str = "") -> argparse.Namespace:
        monkeypatch.setattr(sys, "argv", ["train.py", *argv])
        staging._read_command_lines(config)
        parser = argparse.ArgumentParser()
        parser.add_argument("folder")
        parser.add_argument("--model", required=True, choices=["a", "b"])
        parser.add_argument("--width", type=int, default=8)
        parser.add_argument("--config")
        return parser.parse_args()

    return _read


def test_parse_args__required_ones_missing__are_none(read: Callable[..., argparse.Namespace]) -> None:
    assert vars(read([])) == {"folder": None, "model": None, "width": 8, "config": None}


def test_parse_args__unknown_option_and_no_choice__the_rest_is_read(read: Callable[..., argparse.Namespace]) -> None:
    assert vars(read(["here", "--model", "b", "--gpus", "8", "--width", "3"]))["width"] == 3
    assert vars(read(["--model", "z"]))["width"] == 8


def test_parse_args__configuration_to_try__is_given_where_none_is_named(
    read: Callable[..., argparse.Namespace],
) -> None:
    assert read([], "small.yaml").config == "small.yaml"
    assert read(["--config", "mine.yaml"], "small.yaml").config == "mine.yaml"
