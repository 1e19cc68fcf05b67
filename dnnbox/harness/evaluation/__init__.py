"""The model over labelled items, and what the metrics say of its answers: the job ``evaluate``.

``RunRequest.work`` holds ``items`` (each with ``path`` and ``kind``, or ``text``, and what is right: ``label``,
``mask``, ``target``, ``boxes``, ``transcript``, ``other``), ``goal`` (which judge), ``classes``, ``own`` (a file with
the user's metrics) and ``budget_s``.
"""

from __future__ import annotations

import os
import tempfile
import time
from typing import Any, Dict, Iterator, List, Sequence

from .. import trees
from ..failures import Failure
from ..protocol import InputFile
from ..session import Context, Session
from . import own
from .base import Answered, Judge
from .judges import choose

KEPT_ANSWERS = 5000


def evaluate_job(context: Context) -> None:
    """Run every item and answer with figures, each with what its interval can be computed from."""
    work = context.request.work
    session = Session(context)
    with session.described():
        session.climb()
        context.enter("evaluate")
        judge = choose(str(work.get("goal", "")), session.runtime, work)
        stream = _Stream(session, work, judge)
        figures = own.run(str(work["own"]), stream) if work.get("own") else []
        for _ in stream:
            pass
        context.fields["findings"] = trees.plain(
            {
                "goal": work.get("goal", ""),
                "asked": len(work["items"]),
                "n": stream.done,
                "failed": len(stream.failures),
                "failures": stream.failures[:10],
                "stopped": stream.stopped,
                "seconds": round(stream.seconds, 3),
                "notes": list(judge.notes),
                "answers": [],
            }
        )
        # Not through ``plain``, which shortens long lists: the intervals need every value.
        context.fields["findings"]["figures"] = _finite(judge.figures() + figures)
        context.fields["findings"]["answers"] = _finite(judge.answers[:KEPT_ANSWERS])


def _finite(value: Any) -> Any:
    """Return JSON values of any length: numbers finite or None, anything unknown as text."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return trees.plain(value)


class _Stream:
    """The items one after the other, each with the model's answer; built-in metrics see them on the way."""

    def __init__(self, session: Session, work: Dict[str, Any], judge: Judge) -> None:
        self.session, self.work, self.judge = session, work, judge
        self.failures: List[Dict[str, str]] = []
        self.done = 0
        self.stopped = ""
        self.start = time.monotonic()
        self.seconds = 0.0
        self._answers = self._run()

    def __iter__(self) -> Iterator[Answered]:
        return self._answers

    def _run(self) -> Iterator[Answered]:
        rows: Sequence[Dict[str, Any]] = self.work["items"]
        session, size = self.session, self._batch_size()
        budget = float(self.work.get("budget_s") or 600.0)
        for start in range(0, len(rows), size):
            if time.monotonic() - self.start > budget:
                self.stopped = "the time budget of %g s is used up" % budget
                break
            session.context.progress.show("evaluate", start, len(rows))
            for answered in self._batch(rows[start : start + size], size):
                self.done += 1
                self.judge.add(answered)
                yield answered
        self.seconds = time.monotonic() - self.start
        if rows and not self.done:
            first = self.failures[0]["problem"] if self.failures else self.stopped
            raise Failure("input_failed", "no item of the dataset could be evaluated: %s" % first, "evaluate")

    def _batch_size(self) -> int:
        """An adapter gets one item at a time: only it knows how files become a batch."""
        request = self.session.context.request
        return 1 if request.runtime == "adapter" else max(1, request.batch_size)

    def _batch(self, rows: Sequence[Dict[str, Any]], size: int) -> Iterator[Answered]:
        """Yield the answers of one call; where the call fails, item by item, so that one bad file costs one item."""
        try:
            yield from self._answer(rows, size)
        except Exception as error:  # a file that cannot be read, a size that the model refuses: it is counted
            if len(rows) == 1:
                self.failures.append({"item": _name(rows[0]), "problem": _problem(error)})
                return
            for row in rows:
                yield from self._batch([row], size)

    def _answer(self, rows: Sequence[Dict[str, Any]], size: int) -> List[Answered]:
        runtime = self.session.runtime
        padded = [rows[place % len(rows)] for place in range(size)]
        items = [_item(row) for row in padded]
        inputs = runtime.preprocess(items)
        outputs = self.session.call(inputs)
        with tempfile.TemporaryDirectory(prefix="dnnbox-") as scratch:
            decoded = _decoded(runtime, outputs, items, scratch)
        found = [Answered(row, outputs, place, size, decoded.get(place)) for place, row in enumerate(rows)]
        if any("other" in row for row in rows):
            others = runtime.preprocess([row["other"] for row in padded])
            second = self.session.call(others)
            found = [answered._replace(other=second) for answered in found]
        return found


def _decoded(runtime: Any, outputs: Any, items: Sequence[Any], scratch: str) -> Dict[int, Dict[str, Any]]:
    """Return what the runtime says of each item, by place."""
    try:
        entries = runtime.postprocess(outputs, items, scratch)
    except Exception:
        if runtime.must_explain:
            raise
        return {}
    placed: Dict[int, Dict[str, Any]] = {}
    for place, entry in enumerate(entries):
        number = entry.get("item")
        placed.setdefault(number if isinstance(number, int) else place, entry)
    return placed


def _item(row: Dict[str, Any]) -> Any:
    return row["text"] if "text" in row else InputFile(row["path"], row.get("kind", "image"))


def _name(row: Dict[str, Any]) -> str:
    return os.path.basename(row["path"]) if "path" in row else str(row.get("text", ""))[:60]


def _problem(error: BaseException) -> str:
    detail = getattr(error, "detail", "") or "%s: %s" % (type(error).__name__, error)
    return str(detail).partition("\n")[0][:200]
