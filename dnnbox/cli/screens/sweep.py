"""A sweep on a terminal: a live table while it runs, plain lines where nobody watches, and what it came to."""

from __future__ import annotations

import sys
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dnnbox.cli.screens.layout import PLAIN, Look, clip, clock, look_of
from dnnbox.reports import numbers
from dnnbox.sweep.cells import Cell, Result
from dnnbox.sweep.running import Planned, Swept
from dnnbox.text import visible

if TYPE_CHECKING:
    from rich.live import Live

_ROWS = 12


class SweepProgress:
    """Shows a sweep on stderr: ``auto`` draws a table on a terminal, ``plain`` writes a line per cell."""

    def __init__(self, kind: str) -> None:
        self._kind = "plain" if kind == "auto" and not sys.stderr.isatty() else kind
        self._look = look_of(sys.stderr)
        self._rows: deque[tuple[Cell, Result]] = deque(maxlen=_ROWS)
        self._counts = {"done": 0, "failed": 0}
        self._total = self._skipped = 0
        self._began = time.monotonic()
        self._live: Live | None = None

    def prepare(self, count: int) -> None:
        """Environments are being made."""
        self._say(f"prepare    {numbers.counted(count, 'environment')}, in parallel, before anything is timed")

    def note(self, text: str) -> None:
        """A sentence for the user."""
        self._say(f"note       {text}")

    def start(self, planned: Planned) -> None:
        """Cells are submitted."""
        self._total, self._skipped = len(planned.pending), len(planned.cells) - len(planned.pending)
        self._say(f"sweep      {numbers.counted(len(planned.cells), 'cell')}, {self._skipped} done before")
        self._began = time.monotonic()
        if self._kind == "auto" and self._total:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(self._table(), console=Console(file=sys.stderr), refresh_per_second=4)
            self._live.start()

    def ended(self, cell: Cell, result: Result) -> None:
        """A cell has ended."""
        self._counts["done"] += 1
        self._counts["failed"] += result.exit_code not in (0, 1)
        self._rows.append((cell, result))
        if self._live is not None:
            self._live.update(self._table())
            return
        word, figure = self._words(result)
        place = f"[{self._counts['done']}/{self._total}]"
        self._say(f"{place:<10} {word:<7} {result.seconds:>7.2f} s  {visible(cell.name, 70)}  {figure}".rstrip())

    def _words(self, result: Result) -> tuple[str, str]:
        if result.exit_code in (0, 1):
            figures = result.figures
            noise = f", {figures.noise}" if figures.noise not in (None, "quiet") else ""
            word = "missed" if result.exit_code else "ok"
            return word, f"p50 {numbers.duration(figures.latency_p50_ms, figures.ci95_ms)}{noise}"
        error = result.error or {}
        return "failed", visible(f"{error.get('name', '')}: {error.get('message', '')}", 90)

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, expand=False, title_justify="left", title=self._title())
        for name, justify in (("Cell", "left"), ("Result", "left"), ("p50", "right"), ("Took", "right")):
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
        for cell, result in self._rows:
            word, figure = self._words(result)
            style = {"ok": "green", "missed": "yellow", "failed": "red"}[word]
            name, took = clip(visible(cell.name, 100), 58), numbers.seconds(result.seconds)
            mark = Text({"ok": "✓ ok", "missed": "✕ missed", "failed": "✕ failed"}[word], style)
            table.add_row(Text(name), mark, Text(figure.removeprefix("p50 ")), Text(took))
        return table

    def _title(self) -> str:
        done, total = self._counts["done"], self._total
        failed = f", {self._counts['failed']} failed" if self._counts["failed"] else ""
        left = ""
        if done and done < total:
            left = f", about {clock((time.monotonic() - self._began) / done * (total - done))} left"
        width = 30
        full = round(width * done / total) if total else width
        return f"{'━' * full}{'─' * (width - full)}  {done} of {total}{failed}{left}"

    def _say(self, text: str) -> None:
        if self._kind != "none":
            print(self._look.fold(text).replace(numbers.NBSP, " "), file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()


def sweep_screen(swept: Swept, *, look: Look = PLAIN) -> str:
    """Return what a sweep came to."""
    parts = [f"{swept.success} ok"]
    parts += [
        f"{count} {word}" for count, word in ((swept.missed, "missed a target"), (swept.failed, "failed")) if count
    ]
    lines = [
        f"{look.paint(f'Sweep {swept.name}', 'title')}   {numbers.counted(swept.cells, 'cell')}: {', '.join(parts)}",
        f"  done before   {swept.skipped}",
        f"  took          {clock(swept.seconds)}",
        f"  leaderboard   {_shown(swept.leaderboard)}",
    ]
    return "\n".join(lines).replace(numbers.NBSP, " ") + "\n"


def plan_screen(planned: Planned, *, look: Look = PLAIN) -> str:
    """Return what a sweep would do."""
    lines = [f"{look.paint(f'Sweep {planned.matrix.name}', 'title')}   {numbers.counted(len(planned.cells), 'cell')}"]
    lines.append(f"  to run        {len(planned.pending)}")
    lines.append(f"  done before   {len(planned.cells) - len(planned.pending)}")
    lines.append(f"  goes to       {_shown(str(planned.folder))}")
    return "\n".join(line.replace(numbers.NBSP, " ") for line in lines) + "\n"


def _shown(path: str) -> str:
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
