"""The search in the box: try the calls of every class, solve shapes, compare what fits, and say how it ended."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

from . import compiler, files, standins
from .budget import Budget
from .building import Builder, Fit, TooLarge, TooLong, accessed, best_fit, constructor_arguments, named_shapes
from .candidates import PARTS, Call, Candidates
from .comparing import Comparer
from .downloads import Downloads
from .filling import Amendment, amendment, filled, literals, pruned
from .importing import Source
from .overlaid import OWN
from .rehearsing import Rehearsals
from .rivals import error_of, rival_of
from .weights import Shapes, read, viewed
from .wholes import around, holder_of, whole_of

_LOOK_FURTHER_SECONDS = 12.0
_MOST_STRICT = 4  # for each class
_SOLVED_STARTS, _SETTING_TRIES, _IMPORT_TRIES = 6, 25, 4
_REHEARSE_BELOW_SECONDS = 45.0  # of what is left to the search
_REHEARSED_SECONDS = 10.0  # for what one run of a script built
_MOST_TIMES, _MOST_MORE = 4, 500  # tensors of a build, beside those of the checkpoint


class Match:
    """A call whose module has exactly the wanted names and shapes."""

    def __init__(self, entry: Dict[str, Any], call: Call, access: str, view: Dict[str, Any], cls: Any) -> None:
        self.entry, self.call, self.access, self.view = entry, call, access, view
        self.cls = "%s.%s" % (cls.__module__, cls.__qualname__)
        self.is_object, self.code = False, ""
        self.arguments: Dict[str, str] = {}
        self.example: Optional[Dict[str, Any]] = None
        self.tried: List[str] = []
        self.group = -1
        self.finite: Optional[bool] = None


class Search:
    """One search. ``plan`` is what ``dnnbox.sources.matching`` read from the source."""

    def __init__(
        self,
        plan: Dict[str, Any],
        roots: List[str],
        checkpoint: str,
        entry: str,
        show: Callable[[str], None],
        budget: Budget,
    ) -> None:
        self.plan, self.show, self.budget = plan, show, budget
        self.tensors, said = read(checkpoint, entry)
        self.source = Source(roots, plan["modules"])
        self.downloads = Downloads(roots)
        standins.quiet_builds()
        files.look_in(*roots)
        compiler.leave_out()
        self._folder = files.JobFolder()
        sizes = [size for tensor in self.tensors.values() for size in tensor.shape if size > 3]
        self.candidates = Candidates(self.source, plan, said, _common(sizes), checkpoint, sizes)
        self.errors: "Counter[str]" = Counter()
        self.strict: List[Match] = []
        self.starts: List[Tuple[float, int, Call, Dict[str, Any]]] = []
        self.views = {view["name"]: view for view in plan["views"]}
        self._builders: Dict[str, Builder] = {}
        self._wanted: Dict[str, Shapes] = {}
        self._tried: Dict[Tuple[str, str], Optional[Fit]] = {}
        self._amendments: Dict[Tuple[str, str], Optional[Amendment]] = {}
        uses = (plan["uses"].get(entry["ref"], {}) for entry in plan["classes"])
        # Parts that settings are handed to may read them only when they run.
        self._read = {name for used in uses for names in used.values() for name in names}.union(plan.get("read", ()))
        self.rehearsals = Rehearsals(self.source, plan, self.candidates, budget, show)
        self._runs = iter(self.rehearsals)
        self.tries = 0
        self.done = False

    def run(self) -> None:
        """Try recipes of all classes, then solve the best beginnings, then compare what fits."""
        for entry in self.plan["classes"]:
            if not self.budget.goes_on():
                break
            self.show("trying %s" % entry["name"])
            self._recipes(entry)
            if self._is_found():
                self.budget.found(_LOOK_FURTHER_SECONDS)
            elif self.budget.cpu_left_s < _REHEARSE_BELOW_SECONDS:
                self._rehearse()
        if not self._is_found() or all(match.call.origin == PARTS for match in self.strict):
            self._rehearse()
        for step in (self._put_around, self._solve) * 2:  # what is solved may be a part too
            if not self._is_found():
                step()
        order = [view["name"] for view in self.plan["views"]]
        self.strict.sort(key=lambda match: order.index(match.view["name"]))  # what explains every name first
        self.budget.compare()
        comparer = Comparer(self._builders, self.budget.goes_on, self.budget.seconds)
        for match in self.budget.each(self.strict):
            self.show("running %s" % match.cls)
            comparer.add(match, len(self.strict) == 1)
        self.done = True

    def _rehearse(self) -> None:
        """Run upstream's scripts, once, until something fits: what their constructors get is tried like a recipe."""
        runs, self._runs = self._runs, iter(())
        for entries in runs:
            if entries:
                self.budget.more(_REHEARSED_SECONDS)
            for entry in entries:
                self._recipes(entry)
            said = {entry["recipes"][0]["where"] for entry in entries}
            if any(match.call.origin in said for match in self.strict):
                self.budget.found(_LOOK_FURTHER_SECONDS)
                return

    def _put_around(self) -> None:
        """Try the classes that may hold all tensors with the part that was found as what they are given for it."""
        entries = {entry["ref"]: entry for entry in self.plan["classes"]}
        wholes = [(match, entries.get(whole_of(match, self.plan))) for match in self.strict]
        with self.budget.uncounted():
            calls = [(e, call) for match, e in wholes if e for call in around(match, e, self.source, self.candidates)]
        for entry, call in calls:
            if self._is_found() or not self.budget.goes_on():
                return
            settled, fit = self._settled(entry, call)
            if fit is not None:
                self.starts.append((fit.score, len(self.starts), settled, entry))

    def _is_found(self) -> bool:
        """Tell whether something fits that is no mere part of another class."""
        return any(not whole_of(match, self.plan) for match in self.strict)

    def wanted(self, view: Dict[str, Any]) -> Shapes:
        """Return the names and shapes of a view."""
        if view["name"] not in self._wanted:
            tensors = viewed(self.tensors, view["prefix"])
            self._wanted[view["name"]] = named_shapes(tensors)
            limits = (self.budget.seconds, _MOST_TIMES * len(tensors) + _MOST_MORE, self.budget.make_room)
            self._builders[view["name"]] = Builder(self.source, tensors, *limits)
        return self._wanted[view["name"]]

    def _recipes(self, entry: Dict[str, Any]) -> None:
        found = 0
        fitted: Set[Tuple[str, str]] = set()
        with self.budget.uncounted():
            calls = sorted(self.candidates.of_class(entry), key=lambda call: call.order)
        with self.budget.part(max(8.0, self.budget.cpu_left_s * 0.35)):
            for call in calls:
                if not self.budget.goes_on() or found >= _MOST_STRICT:
                    return
                is_late = "$path" in repr(call.kwargs) or call.origin == OWN
                if is_late and (found or (call.callee, call.origin) in fitted):
                    continue  # the same file, which was taken as a mapping already, or one that need not be read
                settled, fit = self._settled(entry, call)
                if fit is not None:
                    fitted.add((call.callee, call.origin))
                    self.starts.append((fit.score, len(self.starts), settled, entry))
                    found += fit.strict

    def _settled(self, entry: Dict[str, Any], call: Call) -> Tuple[Call, Optional[Fit]]:
        """Try a call; settings that were asked for and are not there are filled in by name, one after the other, and
        arguments are amended that were read as something else."""
        for _ in range(_SETTING_TRIES):
            fit = self.attempt(entry, call)
            lacking, amended = self._lacking(entry), self._amendments.get((entry["view"], call.key()))
            if fit is not None or not (lacking or amended) or not self.budget.goes_on():
                return call, fit
            if amended is not None:
                kwargs = amended(call.kwargs)
            else:
                kwargs = filled(call.kwargs, lacking, self.candidates.setting(lacking))
            if kwargs is None:
                return call, None
            call = call.changed(kwargs)
        return call, None

    def _lacking(self, entry: Dict[str, Any]) -> str:
        builder = self._builders[entry["view"]]
        return next((str(made.__dict__["absent"]) for made in builder.settings if "absent" in made.__dict__), "")

    def attempt(self, entry: Dict[str, Any], call: Call) -> Optional[Fit]:
        """Return the fit of a call, or None where it fails; what was tried before is not tried again."""
        key = (entry["view"], call.key())
        same = next((match for match in self.strict if match.call.key() == call.key()), None)
        if same is not None and same.call.origin == PARTS:
            same.call = call
        if key not in self._tried:
            self._tried[key] = self._attempt(entry, call)
        return self._tried[key]

    def _attempt(self, entry: Dict[str, Any], call: Call) -> Optional[Fit]:
        """Build without storage, else with."""
        view = self.views[entry["view"]]
        wanted = self.wanted(view)
        builder = self._builders[view["name"]]
        self.tries += 1
        for meta in (True, False):
            try:
                made = self._built(builder, call, meta)
                fit, access = best_fit(wanted, made)
            except (TooLong, TooLarge) as error:
                self.errors["%s: %s" % (call.callee, error)] += 1
                self._folder.sweep()
                return None
            except (Exception, SystemExit) as error:  # foreign code
                self._folder.sweep()
                self.errors["%s: %s: %s" % (call.callee, type(error).__name__, str(error)[:160])] += 1
                self._amendments[(entry["view"], call.key())] = amendment(error)
                continue
            view, fit, access = self._fuller(view, made, fit, access)
            if fit is not None and fit.strict:
                self._keep(entry, call, access, view, accessed(made, access))
            return fit
        return None

    def _built(self, builder: Builder, call: Call, meta: bool) -> Any:
        """Build; a module that is imported only now, and is not there, is stood in for as at any import, and what would
        fetch weights of others is left out."""
        build = functools.partial(builder.build, call.callee, call.kwargs, call.args, meta=meta)
        return self.downloads.built(build, self.source.helped)

    def _fuller(
        self, view: Dict[str, Any], made: Any, fit: Optional[Fit], access: str
    ) -> Tuple[Dict[str, Any], Optional[Fit], str]:
        """Return the view that a build fits: a function that builds a part may return what holds the part."""
        for fuller in self.plan["views"][: self.plan["views"].index(view)]:
            other, way = best_fit(self.wanted(fuller), made)
            if other is not None and other.strict:
                return fuller, other, way
        return view, fit, access

    def _keep(self, entry: Dict[str, Any], call: Call, access: str, view: Dict[str, Any], module: Any) -> None:
        match = Match(entry, call, access, view, type(module))
        match.is_object = self.source.resolve(call.callee) is module  # it is there once its file is imported
        if match.is_object:
            match.cls = "%s.%s" % (self.source.dotted(entry["ref"].partition(":")[0]), entry["name"])
        builder = self._builders[view["name"]]
        match.arguments = constructor_arguments(module, lambda: builder.build(call.callee, call.kwargs, call.args))
        if builder.settings:
            uses = self.plan["uses"].get(call.callee, {}).values()
            call.kwargs = pruned(call.kwargs, builder, self._read.union(*uses))
        if "$state_dict" in repr(call.kwargs):
            self._restate(entry, match)
        copies = [self.source.dotted(ref.partition(":")[0]) for ref in (entry["ref"], *entry["copies"])]
        match.code = entry["ref"] if match.cls.rpartition(".")[0] in copies else match.cls
        same = next((m for m in self.strict if m.code == match.code and m.arguments == match.arguments), None)
        if same is None:
            self.strict.append(match)
        elif same.call.origin == PARTS:  # what only the tensors said, the source says now
            self.strict[self.strict.index(same)] = match

    def _restate(self, entry: Dict[str, Any], match: Match) -> None:
        """Say by its own arguments what a function built from the weights, where they are plain values."""
        kwargs = literals(match.arguments)
        if kwargs is None:
            return
        builder = self._builders[match.view["name"]]
        call = Call(entry["ref"], kwargs, match.call.origin, match.call.order)
        try:
            fit, access = best_fit(self.wanted(match.view), builder.build(call.callee, call.kwargs))
        except (Exception, SystemExit, TooLong, TooLarge):  # then the function stays
            return
        if fit is not None and fit.strict:
            match.call, match.access = call, access

    # -- solving -----------------------------------------------------------------------------------------------------

    def _solve(self) -> None:
        from .solving import Solver

        ordered = sorted(self.starts, key=lambda start: (-round(start[0], 2), start[1]))
        last_score, least = 0.0, 0.0
        for count, (score, _, call, entry) in enumerate(_spread(ordered)):
            if self._is_found() and not least:
                least = last_score  # a class that began as near may fit as well
                self.budget.found(_LOOK_FURTHER_SECONDS)
            if score < least or count >= _SOLVED_STARTS or not self.budget.goes_on():
                return
            last_score = score
            self.show("solving the arguments of %s" % entry["name"])
            begin = self._opened(entry, call)
            wanted = self.wanted(self.views[entry["view"]])
            with self.budget.part(max(10.0, self.budget.cpu_left_s * 0.5)):
                solver = Solver(
                    lambda c, e=entry: self.attempt(e, c),  # type: ignore[misc]
                    wanted,
                    self.plan["choices"],
                    self.budget.goes_on,
                    self.plan.get("siblings"),
                )
                solved, fit = solver.solve(begin, self.source.resolve(begin.callee))
            if fit is not None:
                self.starts.append((fit.score, len(self.starts), solved, entry))

    def _opened(self, entry: Dict[str, Any], call: Call) -> Call:
        """Return what a function calls its class with, as a call of the class: then all of its arguments can be solved.

        A function may hold some of them fast, or pass on whatever it is given. Where they are no plain values, the
        function stays.
        """
        if call.callee == entry["ref"]:
            return call
        builder = self._builders[entry["view"]]
        try:
            made = builder.build(call.callee, call.kwargs, call.args)
            fit, access = best_fit(self.wanted(self.views[entry["view"]]), made)
        except (Exception, SystemExit, TooLong, TooLarge):  # foreign code that was built with storage
            return call
        module = accessed(made, access)
        kwargs = literals(constructor_arguments(module, lambda: builder.build(call.callee, call.kwargs, call.args)))
        if not kwargs or fit is None:
            return call
        opened = Call(entry["ref"], kwargs, call.origin, call.order)
        other = self.attempt(entry, opened)
        return opened if other is not None and other.score >= fit.score else call

    # -- the answer --------------------------------------------------------------------------------------------------

    def answer(self) -> Dict[str, Any]:
        """Return what was found as plain values."""
        return {
            "matches": [self._as_json(match) for match in self.strict],
            "best": [self._start_as_json(start) for start in sorted(self.starts, key=lambda s: -s[0])[:5]],
            "tries": self.tries,
            "complete": self.done and not self.budget.ran_out,
            "spent": dict(zip(("cpu_s", "wall_s"), self.budget.spent())),
            "runs": self.rehearsals.noted,
            "errors": [[text, count] for text, count in self.errors.most_common(12)],
            "import_errors": self.source.errors[:12],
            "stand_ins": self.source.missing,
            "lacking": self.source.lacking,
            "replaced": list(standins.NOTED),
            "paths": self.source.relative_paths(),
            "bare": {name: self.source.relative(folder) for name, folder in sorted(self.source.bare.items())},
        }

    def _as_json(self, match: Match) -> Dict[str, Any]:
        built = {start[3]["ref"] for start in self.starts}
        rival = rival_of(match.entry, match.call.origin, self.plan["classes"], built)
        return {
            "class": match.cls,
            "ref": match.entry["ref"],
            "copies": match.entry["copies"],
            "score": match.entry["score"],
            "distance": match.entry["distance"],
            "callee": match.call.callee,
            "module": self.source.dotted(match.call.callee.partition(":")[0]),
            "args": list(match.call.args),
            "kwargs": match.call.kwargs,
            "access": match.access,
            "is_object": match.is_object,
            "prefix": match.view["prefix"],
            "view": match.view["name"],
            "left_out": match.view["left_out"],
            "rival": rival,
            "rival_error": error_of(rival, self.errors),
            "part_of": whole_of(match, self.plan) if match.view["left_out"] else holder_of(match, self.plan),
            "origin": match.call.origin,
            "order": match.call.order,
            "arguments": match.arguments,
            "example": match.example,
            "tried": match.tried[-6:],
            "group": match.group,
            "finite": match.finite,
        }

    def _start_as_json(self, start: Tuple[float, int, Call, Dict[str, Any]]) -> Dict[str, Any]:
        score, _, call, entry = start
        fit = self.attempt(entry, call) if not self._is_found() else None
        return {
            "ref": entry["ref"],
            "callee": call.callee,
            "kwargs": call.kwargs,
            "score": round(score, 4),
            "share": round(fit.share, 4) if fit else None,
            "missing": fit.missing[:5] if fit else [],
            "unexpected": fit.unexpected[:5] if fit else [],
            "differing": fit.differing[:5] if fit else [],
        }


def _common(sizes: List[int]) -> List[int]:
    """Return the sizes that most tensors have."""
    return [int(size) for size, _ in Counter(sizes).most_common(3)]


def _spread(starts: List[Any]) -> Iterator[Any]:
    """Yield the best start of every class before the second ones."""
    seen: "Counter[str]" = Counter()
    ranked = []
    for place, start in enumerate(starts):
        seen[start[3]["ref"]] += 1
        ranked.append((seen[start[3]["ref"]], place, start))
    for _, _, start in sorted(ranked, key=lambda r: (r[0], r[1])):
        yield start
