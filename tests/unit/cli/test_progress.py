"""The progress display: plain where nobody watches, live on a terminal, silent on request, never on stdout."""

from __future__ import annotations

import io
import os
import pty
import re
import threading
import time
from collections.abc import Callable

import pytest

from dnnbox.cli.screens import progress as module
from dnnbox.cli.screens.layout import Look
from dnnbox.cli.screens.progress import TIMED, VERBS, TerminalProgress, bar, done_line
from dnnbox.events import Progress


def work(progress: Progress) -> None:
    """Report what a run reports."""
    progress.end("inspect", "timm resnet18, 122 tensors", 0.41)
    progress.begin("resolve", "3 requirements")
    progress.end("resolve", "18 packages, lock 5be2f0", 1.9)
    progress.begin("measure")
    for done in range(40, 401, 40):
        progress.advance("measure", done, 400, "p50 14.6 ms")
    progress.end("measure", "400 of 400, p50 14.6 ms", 5.9)
    progress.note("bubblewrap is not installed")
    progress.fail("memory", "the process died of signal 9", 0.2)


PLAIN = """\
inspect        ok          0.41 s  timm resnet18, 122 tensors
resolve        ok          1.90 s  18 packages, lock 5be2f0
measure        25 %                120 of 400, p50 14.6 ms
measure        50 %                200 of 400, p50 14.6 ms
measure        75 %                320 of 400, p50 14.6 ms
measure        ok          5.90 s  400 of 400, p50 14.6 ms
note                               bubblewrap is not installed
memory         failed      0.20 s  the process died of signal 9
"""


@pytest.mark.parametrize("mode", ["auto", "plain"])
def test_progress__no_terminal__writes_one_line_per_event(mode: str) -> None:
    stream = io.StringIO()
    with TerminalProgress(mode, stream) as progress:
        work(progress)
    assert stream.getvalue() == PLAIN


def test_progress__none__writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress("none") as progress:
        work(progress)
    assert capsys.readouterr() == ("", "")


def test_progress__default_stream__is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress("plain") as progress:
        progress.end("inspect", "x", 0.1)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("inspect")


def test_progress__hostile_text__stays_one_harmless_line() -> None:
    stream = io.StringIO()
    TerminalProgress("plain", stream).end("inspect", "a\nb\x1b[31m", 0.1)
    assert stream.getvalue() == "inspect        ok          0.10 s  a\\x0ab\\x1b[31m\n"


def test_progress__seconds_not_given__are_taken_from_begin() -> None:
    stream = io.StringIO()
    progress = TerminalProgress("plain", stream)
    progress.begin("resolve")
    time.sleep(0.02)
    progress.end("resolve", "done")
    assert re.search(r"0\.\d\d s  done$", stream.getvalue().strip())


def test_progress__long_stage_in_a_log__says_once_that_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONG_S", 0.05)
    stream = io.StringIO()
    with TerminalProgress("plain", stream) as progress:
        progress.begin("resolve", "3 requirements")
        time.sleep(0.3)
        progress.end("resolve", "done", 0.3)
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == ["runs", "ok"]


def on_terminal(act: Callable[[TerminalProgress], None], monkeypatch: pytest.MonkeyPatch, columns: int = 90) -> str:
    """Return what a pseudo-terminal received."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.delenv("NO_COLOR", raising=False)
    master, slave = pty.openpty()
    received: list[bytes] = []

    def read() -> None:
        while True:
            try:
                data = os.read(master, 4096)
            except OSError:
                return
            if not data:
                return
            received.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(slave, "w", encoding="utf-8") as stream, TerminalProgress("auto", stream) as progress:
        act(progress)
    reader.join(5)
    os.close(master)
    return b"".join(received).decode()


def test_progress__terminal__shows_verbs_a_bar_and_how_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_terminal(work, monkeypatch)
    assert "Resolved" in shown
    assert "━" in shown
    assert "Ctrl-C" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor comes back


def test_progress__narrow_terminal__writes_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_terminal(work, monkeypatch, columns=40)
    assert "\x1b[?25l" not in shown
    assert shown.startswith("inspect")


def test_progress__timed_stage__no_thread_wakes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: dict[str, int] = {}

    def act(progress: TerminalProgress) -> None:
        before = threading.active_count()
        progress.begin("measure")
        alive["measure"] = threading.active_count() - before
        progress.begin("resolve")
        alive["resolve"] = threading.active_count() - before

    on_terminal(act, monkeypatch)
    assert alive == {"measure": 0, "resolve": 1}


def test_progress__after_close__works_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def act(progress: TerminalProgress) -> None:
        progress.end("inspect", "first", 0.1)
        progress.close()
        progress.end("resolve", "second", 0.1)

    shown = on_terminal(act, monkeypatch)
    assert shown.index("first") < shown.index("second")


def test_verbs__every_timed_stage__has_words() -> None:
    assert set(VERBS) >= TIMED
    assert all(len(word) <= 12 for words in VERBS.values() for word in words)


def test_done_line__verb_right_aligned__time_at_the_edge() -> None:
    line = done_line(Look(columns=80), "Resolved", "18 packages", 1.9)
    assert line.startswith("    Resolved  18 packages")
    assert line.endswith("1.90 s")
    assert len(line) == 80


def test_bar__ascii__differs_in_shape() -> None:
    assert bar(Look(unicode=False), 1, 2) == "=" * 16 + "-" * 16
    assert bar(Look(), 5, 2) == "━" * 32
    assert bar(Look(), 1, 0) == "─" * 32
