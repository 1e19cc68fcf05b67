"""Progress on stderr: a live display on a terminal, one plain line per event elsewhere, or nothing.

While a stage is timed the display moves only when something is reported; a log gets one line after ten seconds.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from dnnbox.cli.screens.layout import MIN_COLUMNS, Cell, Look, cells, clip, clock, grid, look_of, terminal_columns
from dnnbox.reports import numbers
from dnnbox.text import visible

if TYPE_CHECKING:
    from rich.live import Live

_VERB, _TIME = 12, 12
_BAR = 32
_TICK_S = 0.5
_LONG_S = 10.0  # a log says once that a stage is still running after this long
_REDRAW_S = 0.1

VERBS = {
    "inspect": ("Inspecting", "Inspected"),
    "identify": ("Identifying", "Identified"),
    "source": ("Searching", "Found"),
    "dependencies": ("Deriving", "Derived"),
    "plan": ("Planning", "Planned"),
    "resolve": ("Resolving", "Resolved"),
    "clone": ("Cloning", "Cloned"),
    "fetch": ("Downloading", "Downloaded"),
    "download": ("Downloading", "Downloaded"),
    "install": ("Installing", "Installed"),
    "build": ("Building", "Built"),
    "realise": ("Building", "Built"),
    "environment": ("Building", "Built"),
    "start": ("Starting", "Started"),
    "probe": ("Probing", "Probed"),
    "infer": ("Running", "Ran"),
    "run": ("Running", "Ran"),
    "cold": ("Restarting", "Restarted"),
    "warm-up": ("Warming", "Warmed"),
    "warmup": ("Warming", "Warmed"),
    "measure": ("Measuring", "Measured"),
    "generate": ("Generating", "Generated"),
    "memory": ("Weighing", "Weighed"),
    "profile": ("Profiling", "Profiled"),
    "collect": ("Collecting", "Collected"),
    "render": ("Writing", "Wrote"),
    "report": ("Writing", "Wrote"),
}
TIMED = frozenset(("start", "infer", "run", "cold", "warm-up", "warmup", "measure", "generate", "memory", "profile"))
"""Stages in which a model runs: the display's clock does not tick while they last."""


@dataclass
class _Running:
    """The stage that is under way."""

    stage: str
    text: str
    started: float
    done: float = 0.0
    total: float | None = None
    quarter: int = 0


class TerminalProgress:
    """An events.Progress for people and logs; use it as a context manager around the work.

    ``mode``: auto (live where ``stream`` is a terminal that can move its cursor), plain, or none.
    """

    def __init__(self, mode: str = "auto", stream: TextIO | None = None, look: Look | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._look = look or look_of(self._stream)
        self._mode = "live" if mode == "auto" and _can_move(self._stream) else "none" if mode == "none" else "plain"
        self._running: _Running | None = None
        self._live: Live | None = None
        self._lock = threading.RLock()
        self._stack = ExitStack()
        self._timer: threading.Timer | None = None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the moving part away; what is finished stays on the screen. May be called again."""
        with self._lock:
            self._rest()
            self._running = None
            if self._live is not None:
                self._draw(force=True)
                atexit.unregister(self.close)
            self._live = None
        self._stack.close()

    def begin(self, stage: str, text: str = "") -> None:
        """A stage starts."""
        with self._lock:
            self._rest()
            self._running = _Running(stage, text, time.monotonic())
            if self._mode == "live":
                self._draw(force=True)
            self._wake_later()

    def advance(self, stage: str, done: float, total: float | None, text: str = "") -> None:
        """Some of it is done. Plain output says so at each quarter."""
        with self._lock:
            running = self._running
            if running is None or running.stage != stage:
                self.begin(stage)
                running = self._running
            assert running is not None
            first, running.done, running.total = not running.done, done, total
            running.text = text or running.text
            if self._mode == "live":
                self._draw(force=first)
            elif self._mode == "plain":
                self._quarter(running)

    def end(self, stage: str, text: str = "", seconds: float | None = None) -> None:
        """It is done."""
        self._finish(stage, text, seconds, failed=False)

    def fail(self, stage: str, text: str = "", seconds: float | None = None) -> None:
        """It failed."""
        self._finish(stage, text, seconds, failed=True)

    def note(self, text: str) -> None:
        """A sentence that the user should see now."""
        with self._lock:
            if self._mode == "plain":
                self._plain("note", "", "", text)
            elif self._mode == "live":
                self._above(done_line(self._look, "Note", text, None))

    def _finish(self, stage: str, text: str, seconds: float | None, *, failed: bool) -> None:
        with self._lock:
            self._rest()
            if seconds is None and self._running is not None and self._running.stage == stage:
                seconds = time.monotonic() - self._running.started
            self._running = None
            if self._mode == "plain":
                self._plain(
                    stage, "failed" if failed else "ok", numbers.seconds(seconds) if seconds is not None else "", text
                )
            elif self._mode == "live":
                verb = "Failed" if failed else VERBS.get(stage, ("", stage.capitalize()))[1]
                what = f"{stage}: {text}" if failed and text else stage if failed else text
                self._above(done_line(self._look, verb, what, seconds, failed=failed))
                self._draw(force=True)

    def _plain(self, stage: str, status: str, seconds: str, text: str) -> None:
        """Write one line; columns as in a log that is read from top to bottom."""
        look = Look(False, self._look.unicode, 10_000)
        line = grid(look, (13, 7, 9, 0), [(stage, status, Cell(seconds, right=True), visible(text, 400))])[0]
        self._write(line)

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def _quarter(self, running: _Running) -> None:
        quarter = int(4 * running.done / running.total) if running.total else 0
        if running.quarter < quarter < 4:
            running.quarter = quarter
            text = ", ".join(filter(None, (_amount(running), running.text)))
            self._plain(running.stage, f"{25 * quarter} %", "", text)

    # -- what moves by itself: never in a timed stage ------------------------------------------------------------

    def _wake_later(self) -> None:
        running = self._running
        if running is None or self._mode == "none":
            return
        if self._mode == "live" and running.stage not in TIMED:
            self._schedule(_TICK_S, self._tick)
        elif self._mode == "plain":
            self._schedule(_LONG_S, self._still_running)

    def _schedule(self, delay_s: float, action: Callable[[_Running], None]) -> None:
        running = self._running
        assert running is not None

        def fire() -> None:
            with self._lock:
                if self._running is running:
                    action(running)

        self._timer = threading.Timer(delay_s, fire)
        self._timer.daemon = True
        self._timer.start()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self, _: _Running) -> None:
        self._draw(force=True)
        self._wake_later()

    def _still_running(self, running: _Running) -> None:
        self._plain(running.stage, "runs", f"> {_LONG_S:g} s", running.text)

    # -- the live part -------------------------------------------------------------------------------------------

    def _open(self) -> Live:
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self._stream, width=self._look.columns, highlight=False, soft_wrap=True)
            live = Live(
                console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._live = self._stack.enter_context(live)
            atexit.register(self.close)  # the display hides the cursor: it must come back however the work ends
        return self._live

    def _above(self, line: str) -> None:
        """Print a finished line where it stays, above the moving part."""
        from rich.text import Text

        live = self._open()
        live.console.print(Text.from_ansi(line), soft_wrap=True)

    def _draw(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._drawn < _REDRAW_S:
            return
        from rich.text import Text

        self._drawn = now
        lines = moving_lines(self._look, self._running, now) if self._running else []
        self._open().update(Text.from_ansi("\n".join(lines)), refresh=True)


def _can_move(stream: TextIO) -> bool:
    """Tell whether lines of this terminal can be written anew: wrapped ones of a narrow terminal could not."""
    has_cursor = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return has_cursor and terminal_columns(stream) >= MIN_COLUMNS


def done_line(look: Look, verb: str, text: str, seconds: float | None, *, failed: bool = False) -> str:
    """Return ``   Resolved  31 packages, lock 5be2f0                1.9 s``: verb to the right, object, time."""
    sign = ("✕ " if look.unicode else "x ") if failed else ""
    took = numbers.seconds(seconds).replace("\u00a0", " ") if seconds is not None else ""
    shown = clip(look.fold(visible(text, 400)), look.columns - _VERB - 2 - _TIME - 1)
    space = " " * max(1, look.columns - _VERB - 2 - cells(shown) - cells(took))
    lead = f"{sign}{verb:>{_VERB - len(sign)}}"
    return (
        f"{look.paint(lead, 'missed' if failed else 'met')}  {shown}{space if took else ''}{look.paint(took, 'quiet')}"
    )


def moving_lines(look: Look, running: _Running, now: float) -> list[str]:
    """Return the lines of the stage under way: a bar where the total is known, the time, and how to stop."""
    verb = VERBS.get(running.stage, (running.stage.capitalize(), ""))[0]
    elapsed = now - running.started
    parts = [bar(look, running.done, running.total)] if running.total else []
    parts.append(_amount(running))
    parts.append(look.fold(visible(running.text, 200)))
    left = _left(running, elapsed)
    if running.stage not in TIMED:
        parts.append(left or clock(round(elapsed)))
    else:
        parts.append(left or "the clock here rests, so that it does not disturb the model")
    text = clip("   ".join(filter(None, parts)), look.columns - _VERB - 2)
    hint = f"{'Ctrl-C':>{_VERB}}  stop and keep what is there"
    return [f"{look.paint(f'{verb:>{_VERB}}', 'accent')}  {text}", look.paint(hint, "quiet")]


def _amount(running: _Running) -> str:
    """Return ``100 of 400`` where counts are counts and the stage's own text does not say it already."""
    if not running.total or running.total <= 1 or " of " in running.text or not float(running.done).is_integer():
        return ""
    return f"{running.done:g} of {running.total:g}"


def bar(look: Look, done: float, total: float) -> str:
    """Return a bar of fixed width; its two parts differ in shape, not in colour only."""
    full = max(0, min(_BAR, round(_BAR * done / total))) if total > 0 else 0
    return ("━" * full + "─" * (_BAR - full)) if look.unicode else ("=" * full + "-" * (_BAR - full))


def _left(running: _Running, elapsed: float) -> str:
    """Return a guess at the time left once there is something to guess from."""
    if not running.total or running.done <= 0 or elapsed < 1.0 or running.done >= running.total:
        return ""
    return f"about {clock(round(elapsed * (running.total / running.done - 1)))} left"
