"""Classes that may be meant as well as the one that fits."""

from __future__ import annotations

from typing import Any, Collection, Dict, Iterable, Sequence

from .candidates import GUESSES


def rival_of(entry: Dict[str, Any], origin: str, classes: Sequence[Dict[str, Any]], built: Collection[str]) -> str:
    """Return a class that explains the names of the tensors as well and was never built; "" for none.

    ``entry``: the class that fits. A class of its name in another folder, as near to the scripts, counts where the
    source builds it too or says the arguments of neither (``origin``); one of the same file only then.
    """
    others = [each for each in classes if each["ref"] not in built and each["score"] >= entry["score"] > 0]
    is_guessed = origin in GUESSES
    copied = [each for each in others if _is_copied(each, entry) and (is_guessed or each.get("recipes"))]
    beside = [each for each in others if _file(each) == _file(entry)] if is_guessed else []
    return next((str(each["ref"]) for each in copied + beside), "")


def error_of(ref: str, errors: Iterable[str]) -> str:
    """Return what the first of the errors that tell of a class says of it; "" for none."""
    return next((text[len(ref) + 2 :] for text in errors if ref and text.startswith("%s: " % ref)), "")


def _is_copied(other: Dict[str, Any], entry: Dict[str, Any]) -> bool:
    """Tell whether a class may be meant as well as one of a file of the same name: nothing speaks for either folder."""
    is_same = other["ref"].rpartition("/")[2] == entry["ref"].rpartition("/")[2]
    return is_same and other["ref"] != entry["ref"] and other.get("distance", 0) <= entry.get("distance", 0)


def _file(entry: Dict[str, Any]) -> str:
    return str(entry["ref"].partition(":")[0])
