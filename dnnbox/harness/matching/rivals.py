"""Classes that may be meant as well as the one that fits."""

from __future__ import annotations

from typing import Any, Collection, Dict, Sequence

from .candidates import GUESSES


def rival_of(entry: Dict[str, Any], origin: str, classes: Sequence[Dict[str, Any]], built: Collection[str]) -> str:
    """Return a class of the same file that explains the names of the tensors as well and was never built; "" for none.

    ``entry``: the class that fits. Where the source says its arguments (``origin``), no other one is asked for.
    """
    if origin not in GUESSES:
        return ""
    place = entry["ref"].partition(":")[0]
    others = [each for each in classes if each["ref"].partition(":")[0] == place and each["ref"] not in built]
    return next((str(each["ref"]) for each in others if each["score"] >= entry["score"] > 0), "")
