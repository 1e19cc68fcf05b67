"""What upstream's own scripts give to the constructors of their models, as entries of the plan to try."""

from __future__ import annotations

import itertools
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple

from .budget import Budget
from .candidates import Candidates
from .importing import Source
from .rehearsal.running import rehearsed
from .rehearsal.staging import CONFIGURATIONS

_SECONDS, _ALL_SECONDS = 20.0, 100.0  # one script, of the processor; all of them, on the clock
_MOST_CONFIGS, _MOST_VIEWS, _MOST_NOTED = 2, 3, 12

Entry = Dict[str, Any]
Run = Tuple[Dict[str, Any], str]


class Rehearsals:
    """Runs the scripts of the plan. ``noted``: for each that was run, which classes it made."""

    def __init__(
        self, source: Source, plan: Dict[str, Any], candidates: Candidates, budget: Budget, show: Callable[[str], None]
    ) -> None:
        self.source, self.plan, self.budget, self.show = source, plan, budget, show
        self.noted: List[Dict[str, Any]] = []
        self._known = {ref: entry for entry in reversed(plan["classes"]) for ref in (entry["ref"], *entry["copies"])}
        self._runs = _runs(plan, candidates)
        self._seen: Set[str] = set()
        self._left_s = _ALL_SECONDS

    def __iter__(self) -> Iterator[List[Entry]]:
        """Yield, for each script as it is run, the classes that it makes with the arguments that they got.

        Each is an entry of the plan with one recipe; a class that the plan does not rank is one for every view.
        """
        for run, config in self._runs:
            before = self.budget.wall_left_s
            self._left_s = min(self._left_s, 0.5 * before)
            if self._left_s <= 1.0:
                return
            self.show("running %s" % _named(run, config))
            with self.budget.uncounted():
                self.budget.make_room()
                seconds = min(_SECONDS, self._left_s)
                said = list(rehearsed(self.source, run["path"], run["argv"], config, set(self._known), seconds))
            self._left_s -= before - self.budget.wall_left_s
            notes = [note for note in said if "ref" in note]
            made = [note["ref"] for note in notes][:_MOST_NOTED]
            self.noted.append(
                {"run": _named(run, config), "made": made, "ended": "".join(n.get("ended", "") for n in said)}
            )
            new = filter(self._is_new, notes)
            found = [entry for note in new for entry in self._entries(note, _where(note, run, config))]
            yield sorted(found, key=lambda entry: -float(entry["score"]))

    def _is_new(self, note: Dict[str, Any]) -> bool:
        key = repr((note["ref"], note["kwargs"], note["args"]))
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new

    def _entries(self, note: Dict[str, Any], where: str) -> Iterator[Entry]:
        recipe = {"callee": note["ref"], "how": "run", "where": where, "args": note["args"], "kwargs": note["kwargs"]}
        if note["ref"] in self._known:
            yield dict(self._known[note["ref"]], recipes=[recipe])
            return
        place, _, name = note["ref"].partition(":")
        for view in self.plan["views"][:_MOST_VIEWS]:
            yield {"ref": note["ref"], "name": name, "place": place, "view": view["name"], "score": 0.0, "copies": [],
                   "distance": 1_000, "recipes": [recipe], "examples": []}  # fmt: skip


def _runs(plan: Dict[str, Any], candidates: Candidates) -> Iterator[Run]:
    """Yield the runs that documents show, then those with a configuration for a script that asks for one."""
    scripts = plan.get("scripts", ())
    asks = any(name in table["values"] for table in plan["tables"] for name in CONFIGURATIONS)
    configs = [config["where"] for config in candidates.configs([]) if config["file"]][:_MOST_CONFIGS] if asks else []
    bare = [run for run in scripts if not run["argv"]]
    for shown, alone in itertools.zip_longest(
        ((run, "") for run in scripts), ((run, config) for config in configs for run in bare)
    ):
        for each in filter(None, (shown, alone)):
            yield each


def _where(note: Dict[str, Any], run: Dict[str, Any], config: str) -> str:
    return "%s as run by %s" % (note["where"] or run["path"], _named(run, config))


def _named(run: Dict[str, Any], config: str) -> str:
    return run["path"] + (" with %s" % config if config else " (%s)" % run["where"] if run["argv"] else "")
