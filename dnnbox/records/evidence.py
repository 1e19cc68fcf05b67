"""Why a derived fact is believed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Evidence:
    """One reason for one claim. ``source`` is a place (``config.json``, ``predict.py:41``, ``data.pkl byte 212``).

    ``weight`` orders reasons for the same claim, 0 (a hint) to 1 (the file says so itself). It is no probability.
    """

    claim: str
    source: str
    detail: str = ""
    weight: float = 1.0
