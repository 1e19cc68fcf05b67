"""What names, defaults and plain values tell of arguments and configurations."""

from __future__ import annotations

import inspect
import os
from typing import Any, Dict, Iterator, Optional, Sequence, Set

_PLAIN = (int, float, bool, str)
_HALF = ("use_fp16", "fp16", "half", "use_half", "use_bf16", "bf16")
_WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".tar", ".safetensors")
_LEAST_SIZE = 16


def switched_off(parameters: Dict[str, inspect.Parameter], given: Dict[str, Any]) -> Dict[str, Any]:
    """Return the switches for somebody's weights and for half precision, off: loading decides about both."""
    found = {}
    for name, parameter in parameters.items():
        value = given.get(name, parameter.default)
        is_switch = isinstance(value, bool) and ("pretrain" in name or name in _HALF)
        if name == "pretrained" or (is_switch and (value or "pretrain" in name)):
            # Code that asks for the name of somebody's weights tells "none" from False: its own way of saying so.
            found[name] = parameter.default if parameter.default in (None, "") else False
    return found


def folders(chosen: Sequence[Dict[str, Any]]) -> int:
    """Return from how many folders configurations come."""
    return len({os.path.dirname(config["where"]) for config in chosen})


def is_plural(name: str) -> bool:
    return name.endswith("s") and not name.endswith("ss") and not name.startswith(("n_", "num", "is_"))


def is_no_set(value: Any) -> bool:
    """Tell whether a value is no set of settings: a plain one, or an object that a call makes."""
    return isinstance(value, _PLAIN) or (isinstance(value, dict) and ("$call" in value or "$with" in value))


def says_nothing(value: Any, parameter: Optional[inspect.Parameter]) -> bool:
    """Tell whether an argument may be left out: a file of weights, or a script's -1 that means no choice."""
    if parameter is None or parameter.default is parameter.empty:
        return False
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and value < 0 and parameter.default is None:
        return True
    return isinstance(value, str) and value.lower().endswith(_WEIGHTS)


def numbers(value: Any) -> Set[int]:
    """Return the whole numbers in a configuration that may be the size of something."""
    if isinstance(value, (dict, list)):
        return {n for item in (value.values() if isinstance(value, dict) else value) for n in numbers(item)}
    return {value} if type(value) is int and value >= _LEAST_SIZE else set()


def says(value: Any, word: str) -> bool:
    """Tell whether a configuration has a word anywhere as a value."""
    if isinstance(value, (dict, list)):
        return any(says(item, word) for item in (value.values() if isinstance(value, dict) else value))
    return bool(value == word)


def alike(first: Set[int], second: Set[int]) -> float:
    """Return how many of the numbers of two sets are in both: 1 for all, 0 for none."""
    return len(first & second) / (len(first | second) or 1)


def unknown(value: Any) -> bool:
    return isinstance(value, dict) and "$unknown" in value


def nested(values: Dict[str, Any], depth: int) -> Iterator[Dict[str, Any]]:
    yield values
    for value in values.values():
        if isinstance(value, dict) and depth < 4 and value and not any(str(k).startswith("$") for k in value):
            for inner in nested(value, depth + 1):
                yield inner


def without_sections(values: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """Yield the settings of all sections of a file together, where it has nothing else and none is named twice."""
    sections = list(values.values())
    if len(sections) > 1 and all(isinstance(section, dict) for section in sections):
        flat = {name: value for section in sections for name, value in section.items()}
        if len(flat) == sum(map(len, sections)):
            yield flat


def told(values: Dict[str, Any]) -> Dict[str, Any]:
    """Return settings without those that a file leaves to others: ``${model.width}``, ``???``."""
    return {name: value for name, value in values.items() if not _is_left_open(value)}


def _is_left_open(value: Any) -> bool:
    return isinstance(value, str) and (value == "???" or (value.startswith("${") and value.endswith("}")))
