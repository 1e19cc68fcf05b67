"""What upstream does before and after its model: constants read from the source, each with its line, none guessed."""

from __future__ import annotations

from dnnbox.sources.constants.selecting import Constant, constants_of

__all__ = ["Constant", "constants_of"]
