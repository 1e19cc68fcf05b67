"""Progress as data: stages report to a Progress and never print.

The command line gives a rich display, plain lines or nothing; a library user gives whatever has these methods.
"""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives what happens. Texts are dnnbox's own words; foreign text in them has passed text.visible()."""

    def begin(self, stage: str, text: str = "") -> None:
        """A stage starts."""

    def advance(self, stage: str, done: float, total: float | None, text: str = "") -> None:
        """Some of it is done; ``total`` None = not known."""

    def end(self, stage: str, text: str = "", seconds: float | None = None) -> None:
        """It is done; ``text`` says what came out (``31 packages, lock 5be2f0``)."""

    def fail(self, stage: str, text: str = "", seconds: float | None = None) -> None:
        """It failed."""

    def note(self, text: str) -> None:
        """A sentence that the user should see now."""


class Silent:
    """A Progress that shows nothing."""

    def begin(self, stage: str, text: str = "") -> None: ...

    def advance(self, stage: str, done: float, total: float | None, text: str = "") -> None: ...

    def end(self, stage: str, text: str = "", seconds: float | None = None) -> None: ...

    def fail(self, stage: str, text: str = "", seconds: float | None = None) -> None: ...

    def note(self, text: str) -> None: ...
