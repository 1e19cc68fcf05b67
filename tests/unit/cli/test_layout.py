"""Columns, wrapping, and what a stream can show."""

from __future__ import annotations

import io
import os
import pty
import termios

import pytest

from dnnbox.cli.screens.layout import (
    Cell,
    Look,
    cells,
    clip,
    clock,
    grid,
    heading,
    look_of,
    shorten,
    terminal_columns,
    wrap,
)


class Stream(io.StringIO):
    """A text stream that claims an encoding and to be a terminal or not."""

    def __init__(self, encoding: str, terminal: bool) -> None:
        super().__init__()
        self._encoding, self._terminal = encoding, terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("terminal", "environ", "colour"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_look_of__terminal_and_variables__decide_on_colour(
    terminal: bool, environ: dict[str, str], colour: bool
) -> None:
    assert look_of(Stream("utf-8", terminal), environ).colour is colour


@pytest.mark.parametrize(
    ("encoding", "unicode"), [("utf-8", True), ("ascii", False), ("latin-1", False), ("nonsense", False)]
)
def test_look_of__encoding__decides_on_symbols(encoding: str, unicode: bool) -> None:
    assert look_of(Stream(encoding, False), {}).unicode is unicode


def test_look_of__wide_and_narrow_terminal__stays_between_60_and_100() -> None:
    assert look_of(Stream("utf-8", True), {"COLUMNS": "300"}).columns == 100
    assert look_of(Stream("utf-8", True), {"COLUMNS": "20"}).columns == 60


def test_terminal_columns__other_terminal_than_stdout__is_the_one_that_counts() -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 77))
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        assert terminal_columns(stream, {}) == 77
        assert terminal_columns(stream, {"COLUMNS": "90"}) == 90
    os.close(master)
    assert terminal_columns(io.StringIO(), {}) == 100


def test_cells__wide_and_combining_characters__count_as_drawn() -> None:
    assert cells("模型") == 4
    assert cells("e\u0301") == 1
    assert cells("plain") == 5


def test_wrap__long_word__is_broken_and_nothing_is_lost() -> None:
    lines = wrap(f"see {'x' * 25} there", 10)
    assert all(cells(line) <= 10 for line in lines)
    assert "".join(lines).replace(" ", "") == f"see{'x' * 25}there"


def test_wrap__non_breaking_space__keeps_number_and_unit_together() -> None:
    assert wrap("takes 14.6\u00a0ms", 11) == ["takes", "14.6\u00a0ms"]


def test_wrap__glued_words_that_take_more_than_a_line__come_apart_between_words() -> None:
    assert wrap("other\u00a0processes\u00a0used\u00a0it", 12) == ["other", "processes", "used it"]


def test_wrap__wide_characters_in_a_narrow_column__ends() -> None:
    assert wrap("模型", 1) == ["模", "型", ""] or all(wrap("模型", 1)[:2])


def test_clip_and_shorten__too_long__show_that_something_is_missing() -> None:
    assert clip("abcdefgh", 5) == "abcd…"
    assert shorten("abcdefghij", 5) == "ab…ij"
    assert clip("abc", 3) == shorten("abc", 3) == "abc"


def test_grid__short_row__lets_its_last_cell_use_the_rest() -> None:
    look = Look(columns=40)
    assert grid(look, (6, 0, 10), [("a", "b" * 30)]) == ["a       " + "b" * 30]


def test_grid__no_room_before_a_wide_last_column__puts_that_below() -> None:
    rows = [("Box", "a new venv for this model", "asked for"), ("Device", "cpu", "")]
    narrow, wide = (Look(columns=columns) for columns in (60, 100))
    assert grid(narrow, (14, 0, 30), rows) == [
        "Box             a new venv for this model",
        "                asked for",
        "Device          cpu",
    ]
    assert len(grid(wide, (14, 0, 30), rows)) == 2


def test_grid__wrapped_cells__stay_in_their_columns() -> None:
    lines = grid(Look(columns=30), (6, 0), [("label", "one two three four five six")], indent=2)
    assert lines == ["  label   one two three four", "          five six"]


def test_grid__control_characters_in_a_cell__are_made_visible() -> None:
    assert grid(Look(), (0,), [(Cell("a\x1b[31mb"),)]) == ["a\\x1b[31mb"]


def test_mark__unicode_and_ascii__always_with_a_word() -> None:
    assert Look().mark("met").text == "✓ met"
    assert Look(unicode=False).mark("missed").text == "x missed"
    assert Look(unicode=False).mark("ok").text == "ok"


def test_heading__too_long__goes_on_below_instead_of_dropping_facts() -> None:
    text = heading(Look(columns=60), "name", "a" * 40, "b" * 40)
    assert text == f"name   {'a' * 40}\n{'b' * 40}"


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.4, "8 s"), (59.9, "1 min 0 s"), (372, "6 min 12 s"), (7500, "2 h 5 min")]
)
def test_clock__any_time__reads_as_people_wait(seconds: float, text: str) -> None:
    assert clock(seconds) == text
