"""Settings that remember what a constructor asked them for."""

from __future__ import annotations

from typing import Any, Dict, Iterator

from . import standins


class Recorded(standins.Settings):
    """Settings that remember which names were asked for, and which of them were not there."""

    def _note(self, name: Any) -> None:
        self.__dict__.setdefault("asked", {})[name] = name in self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name] if self._has(name) else self._absent(name, AttributeError)

    def __getitem__(self, name: Any) -> Any:
        return dict.__getitem__(self, name) if self._has(name) else self._absent(name, KeyError)

    def get(self, name: Any, default: Any = None) -> Any:
        """Return the value or the default."""
        return dict.__getitem__(self, name) if self._has(name) else default

    def _has(self, name: Any) -> bool:
        self._note(name)
        return name in self

    def _absent(self, name: Any, kind: Any) -> Any:
        self.__dict__["absent"] = name
        raise kind(name)

    def __iter__(self) -> Iterator[Any]:
        for name in dict.__iter__(self):
            self._note(name)
            yield name

    def keys(self) -> Any:
        """Return all names: who goes through them asks for all."""
        return {name: None for name in self}.keys()

    def items(self) -> Any:
        """Return all names with their values."""
        return {name: dict.__getitem__(self, name) for name in self}.items()

    def copy(self) -> Dict[Any, Any]:
        """Return a mapping of the same."""
        return dict(self.items())


def recorded(values: Dict[str, Any]) -> Recorded:
    """Return plain values as settings, those inside too."""
    made = Recorded()
    for key, value in values.items():
        plain = isinstance(value, dict) and not isinstance(value, Recorded)
        dict.__setitem__(made, key, recorded(value) if plain else value)
    return made
