"""Calls to try for one class: the recipes with their gaps filled from checkpoint, configurations and options."""

from __future__ import annotations

import enum
import inspect
import itertools
import os
import sys
from collections import Counter
from typing import Any, Collection, Dict, Iterator, List, Tuple

from .beginnings import begin, on_cpu
from .building import signature_of
from .configs import begun, config_classes, defaults, is_partly_known, settable
from .importing import Source, file_of
from .overlaid import OWN, of_parameters, overlaid
from .telling import (
    alike,
    folders,
    is_no_set,
    is_plural,
    nested,
    numbers,
    says,
    says_nothing,
    switched_off,
    told,
    unknown,
    without_sections,
)

PARTS = "parts that the tensors name"
GUESSES = ("solved from shapes", "begun from shapes", PARTS)
_STATE_NAMES = ("state_dict", "sd", "checkpoint", "weights", "ckpt", "params")
_MOST_SETS = 14
_MOST_TOGETHER, _MOST_PAIRS = 4, 8  # configurations for each of several parameters, and ways to choose
_MOST_COMMANDED = 4  # places that call a function, and readings of each, that command lines are applied to
_FEW_GAPS = 3
_DEEPEST = 3
_FILE_NAMES = "cfg config yaml cfg_path config_file config_path path model_cfg cfg_file yaml_file".split()


class Call:
    """One call to try. ``origin`` says where it comes from, for people; lower ``order`` is more trusted."""

    def __init__(
        self, callee: str, kwargs: Dict[str, Any], origin: str, order: int, args: Tuple[Any, ...] = ()
    ) -> None:
        self.callee, self.kwargs, self.origin, self.order, self.args = callee, kwargs, origin, order, args

    def key(self) -> str:
        """Return what makes two calls the same."""
        return repr((self.callee, self.args, sorted(self.kwargs.items(), key=str)))

    def changed(self, kwargs: Dict[str, Any], origin: str = "") -> "Call":
        """Return it with other arguments."""
        return Call(self.callee, kwargs, origin or self.origin, self.order, self.args)


class Candidates:
    """Makes the calls for one class of the plan."""

    def __init__(
        self,
        source: Source,
        plan: Dict[str, Any],
        said: List[Dict[str, Any]],
        common: List[int],
        checkpoint: str,
        sizes: Collection[int] = (),
    ) -> None:
        self.sizes = set(sizes)
        self.source, self.plan, self.said, self.common = source, plan, said, common or [16]
        self.checkpoint = os.path.basename(checkpoint).lower()
        self.sets = [("the checkpoint", values) for values in said]
        self.sets += [(config["where"], inner) for config in plan["configs"] for inner in nested(config["values"], 0)]
        self.sets += [
            (config["where"], flat) for config in plan["configs"] for flat in without_sections(config["values"])
        ]
        self.commands = [(command["where"], command["values"]) for command in plan.get("commands", ())]
        self.sets = [(where, told(values)) for where, values in self.sets] + self.commands
        self.tables = [
            (table["where"], {name: values[0] for name, values in table["values"].items() if values})
            for table in plan["tables"]
        ]

    def of_class(self, entry: Dict[str, Any]) -> Iterator[Call]:
        """Yield the calls for a class, most trusted first, each once."""
        seen = set()
        given: Dict[str, List[Call]] = {}
        for call in self._of_class(entry):
            if call.key() not in seen:
                seen.add(call.key())
                yield call
                given.setdefault(call.callee, []).append(call)
        for call in self._overlaid(entry["ref"].rpartition(":")[2], given):
            yield call

    def _overlaid(self, name: str, given: Dict[str, List[Call]]) -> Iterator[Call]:
        """Yield the first calls of each callee with files read over the objects that hold the source's settings; those
        files first that name the class."""
        objects = self.plan.get("objects", ())
        configs = sorted(self.configs([]), key=lambda config: not says(config["values"], name)) if objects else []
        for callee, calls in given.items():
            for kwargs, file in overlaid(objects, callee, [call.kwargs for call in calls], configs):
                yield Call(callee, kwargs, file, 1, calls[0].args)

    def _of_class(self, entry: Dict[str, Any]) -> Iterator[Call]:
        by_callee: Dict[str, List[Dict[str, Any]]] = {entry["ref"]: []}
        for recipe in entry["recipes"]:
            by_callee.setdefault(recipe["callee"], []).append(recipe)
        for callee, recipes in by_callee.items():
            function = self._resolved(callee)
            if function is None:
                continue
            for call in self._of_recipes(callee, function, recipes):
                yield call
            for call in self._from_sets(callee, function):
                yield call
            if not recipes:
                for call in self._completed(callee, function, {}, "defaults"):
                    yield call

    def _of_recipes(self, callee: str, function: Any, recipes: List[Dict[str, Any]]) -> Iterator[Call]:
        commanded: "Counter[str]" = Counter()
        for recipe in recipes:
            given = self._whole(self._named(function, recipe))
            for call in self._completed(callee, function, given, recipe["where"]):
                yield call
            opened = self._opened(function, recipe, given)
            for call in self._completed(callee, function, opened, "begun from shapes") if opened != given else ():
                yield call
            unread = self._without_words(callee, function, given)
            if unread != given:
                for call in self._completed(callee, function, unread, recipe["where"]):
                    yield call
            commanded[recipe["where"]] += 1
            if commanded[recipe["where"]] <= _MOST_COMMANDED and len(commanded) <= _MOST_COMMANDED:
                for call in self._commanded(callee, function, given):
                    yield call

    def _resolved(self, callee: str) -> Any:
        try:
            return self.source.resolve(callee)
        except (Exception, SystemExit):  # foreign code; the source notes why its import failed
            return None

    def _named(self, function: Any, recipe: Dict[str, Any]) -> Dict[str, Any]:
        """Return a recipe's arguments by name, those that the signature knows."""
        parameters = signature_of(function)
        names = [n for n, p in parameters.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        found = dict(zip(names, recipe["args"]))
        found.update(recipe["kwargs"])
        any_name = any(p.kind == p.VAR_KEYWORD for p in parameters.values())
        known = {k: on_cpu(k, v) for k, v in found.items() if (k in parameters or any_name) and not unknown(v)}
        return {k: v for k, v in known.items() if not says_nothing(v, parameters.get(k))}

    def _opened(self, function: Any, recipe: Dict[str, Any], given: Dict[str, Any]) -> Dict[str, Any]:
        """Return the arguments with something to begin with for those that the source gives, nobody knows what, where
        none would stand otherwise."""
        parameters = signature_of(function)
        unread = set(recipe.get("unread", ())).union(n for n, v in zip(parameters, recipe["args"]) if unknown(v))
        names = [n for n in unread if n in parameters and n not in given and parameters[n].default is None]
        return dict(given, **{n: self._begun(parameters[n], self._by_name(n), 0, False) for n in sorted(names)})

    def _whole(self, given: Dict[str, Any]) -> Dict[str, Any]:
        """Return the arguments with the gaps filled of calls among them that are known in part."""
        filled = {name: self._begun_inside(value) for name, value in given.items()}
        return {name: value for name, value in filled.items() if not is_partly_known(value)}

    def _without_words(self, callee: str, function: Any, given: Dict[str, Any]) -> Dict[str, Any]:
        """Leave out what settings are read from and is none: the name of a file, an object over somebody's data."""
        uses, parameters = self.plan["uses"].get(callee, {}), signature_of(function)
        required = [name for name in uses if name in parameters and parameters[name].default is inspect.Parameter.empty]
        words = {name for name in required if given.get(name) is None or is_no_set(given[name])}
        return {name: value for name, value in given.items() if name not in words}

    def _begun_inside(self, value: Any) -> Any:
        function = self._resolved(value["$call"][0]["$ref"]) if is_partly_known(value) else None
        if function is None:
            return value
        return begun(value, function, lambda gap: self._begun(gap, self._by_name(gap.name), 0, False))

    def _completed(self, callee: str, function: Any, given: Dict[str, Any], origin: str) -> Iterator[Call]:
        """Yield the call with each required parameter filled in every way that is known."""
        parameters = signature_of(function)
        given = dict(given, **switched_off(parameters, given))
        gaps = [
            p
            for p in parameters.values()
            if p.default is p.empty
            and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY, p.POSITIONAL_ONLY)
            and p.name not in given
        ]
        order = 0 if origin != "defaults" else 5
        if not gaps:
            yield Call(callee, given, origin, order)
            return
        for filled, where in self._fillings(callee, function, gaps):
            yield Call(callee, dict(given, **filled), where or origin, order + 1)

    def _commanded(self, callee: str, function: Any, given: Dict[str, Any]) -> Iterator[Call]:
        """Yield the call with the options that a command line gives together in place of the scripts' defaults."""
        known = signature_of(function)
        for where, values in self.commands:
            shared = {name: value for name, value in values.items() if name in known}
            if len(shared) > 1 and any(given.get(name) != value for name, value in shared.items()):
                for call in self._completed(callee, function, dict(given, **shared), where):
                    yield call

    def _fillings(
        self, callee: str, function: Any, gaps: List[inspect.Parameter]
    ) -> Iterator[Tuple[Dict[str, Any], str]]:
        if len(gaps) == 1 and gaps[0].name in _STATE_NAMES:
            yield {gaps[0].name: {"$state_dict": True}}, "the state dict itself"
        rest = {gap.name: self._by_name(gap.name) for gap in gaps}
        others = {gap.name: self._begun(gap, rest[gap.name], 0, False) for gap in gaps}
        read = {gap.name: self.plan["uses"].get(callee, {}).get(gap.name) for gap in gaps if rest[gap.name] is None}
        others.update(
            {n: {"$settings": {each: self.setting(each) for each in names}} for n, names in read.items() if names}
        )
        for filled in self._parts(callee, gaps):
            yield dict(others, **filled), PARTS
        for filled, where in self._together(callee, function, gaps):
            yield dict(others, **filled), where
        for gap in gaps:
            for value, where in self._structured(callee, function, gap):
                yield dict(others, **{gap.name: value}), where
        used = self.plan["uses"].get(callee, {})
        own = [(dict(others, **filled), OWN) for filled in of_parameters(self.plan.get("objects", ()), used, gaps)]
        for filled, where in itertools.chain(own, self._mostly(gaps, rest)):
            yield filled, where
        yield rest, ""
        if any(value is None for value in rest.values()):
            beginnings = [
                {gap.name: self._begun(gap, rest[gap.name], number, flat) for gap in gaps}
                for number, flat in ((0, False), (0, True), (1, True))
            ]
            unknown = [name for name, value in rest.items() if value is None]
            several = [{name: [2] * 4 for name in unknown if is_plural(name)}]
            if len(unknown) <= _FEW_GAPS:
                several += [{name: [beginnings[0][name]] * length} for name in unknown for length in (4, 5)]
            for filled in beginnings + [dict(beginnings[0], **lists) for lists in several if lists]:
                yield filled, "begun from shapes"

    def _parts(self, callee: str, gaps: List[inspect.Parameter]) -> Iterator[Dict[str, Any]]:
        """Yield what decides which parts a class has: a class that it calls, a name that it looks up, keys of parts."""
        parts = self.plan.get("parts", {}).get(callee) or {"choices": {}, "keyed": {}}
        choices = {gap.name: parts["choices"].get(gap.name, []) for gap in gaps}
        choices.update({gap.name: [parts["keyed"][gap.name]] for gap in gaps if gap.name in parts["keyed"]})
        names = [name for name, values in choices.items() if values]
        for chosen in itertools.product(*[choices[name] for name in names]) if names else ():
            yield dict(zip(names, chosen))

    def _together(
        self, callee: str, function: Any, gaps: List[inspect.Parameter]
    ) -> Iterator[Tuple[Dict[str, Any], str]]:
        """Yield configurations for several parameters that all want one, those of the same folder first."""
        used = self.plan["uses"].get(callee, {})
        several = [gap for gap in gaps if used.get(gap.name)]
        if len(several) < 2:
            return
        choices = [list(itertools.islice(self.configs(used[gap.name]), _MOST_TOGETHER)) for gap in several]
        for chosen in sorted(itertools.product(*choices), key=folders)[:_MOST_PAIRS]:
            where = ", ".join(dict.fromkeys(config["where"] for config in chosen))
            yield {gap.name: config["values"] for gap, config in zip(several, chosen)}, where

    def _mostly(self, gaps: List[inspect.Parameter], rest: Dict[str, Any]) -> Iterator[Tuple[Dict[str, Any], str]]:
        """Yield sets that hold most of what is required but not all; the solver finds the others."""
        for where, values in self.sets:
            shared = {gap.name: values[gap.name] for gap in gaps if gap.name in values}
            if max(2, 0.5 * len(gaps)) <= len(shared) < len(gaps):
                others = {gap.name: self._begun(gap, rest[gap.name], 0, False) for gap in gaps}
                yield dict(others, **shared), where

    def _begun(self, gap: inspect.Parameter, value: Any, number: int, flat: bool) -> Any:
        """Return a value to begin with for a parameter of which nothing is known, by its annotation and name."""
        if value is not None:
            return value
        annotation = str(getattr(gap.annotation, "__name__", gap.annotation))
        return self.beginning(gap.name, annotation, number, flat)

    def beginning(self, name: str, annotation: str = "", number: int = 0, flat: bool = False) -> Any:
        """Return a value to begin with for a name of which nothing is known; the solver changes it."""
        return begin(self.plan["choices"].get(name), self.common, name, annotation, number, flat)

    def setting(self, name: str, depth: int = 0) -> Any:
        """Return a value for a setting: what a script sets, one of that name, an object of names, or a beginning."""
        if name in self.plan.get("set", ()):
            return self.plan["set"][name]
        for _, values in self.sets + self.tables:
            if name in values:
                return values[name]
        inside = self.plan.get("inside", {}).get(name, ())
        if inside and depth < _DEEPEST:
            return {each: self.setting(each, depth + 1) for each in inside}
        return self.beginning(name)

    def _by_name(self, name: str) -> Any:
        """Return a value that is called so in the checkpoint or among the options; None is left to the solver."""
        for values in self.said:
            if name in values:
                return values[name]
        for _, values in self.tables:
            if values.get(name) is not None:
                return on_cpu(name, values[name])
        return None

    def _structured(self, callee: str, function: Any, gap: inspect.Parameter) -> Iterator[Tuple[Any, str]]:
        """Yield what a parameter may be that is a set of settings, a configuration or its file."""
        used = self.plan["uses"].get(callee, {}).get(gap.name, [])
        for cls in config_classes(function, gap):
            for value in self._of_config_class(cls):
                yield value
        if used:
            for value, where in self._of_settings(used, callee.partition(":")[0]):
                yield value, where
        if used or gap.name in _FILE_NAMES:
            for config in self.configs(used):
                yield config["values"], config["where"]
                if config["file"]:
                    yield {"$path": config["where"]}, config["where"]

    def configs(self, used: List[str]) -> List[Dict[str, Any]]:
        """Return the configurations that hold something that is read: those named like the checkpoint first, then those
        whose numbers are the sizes of its tensors."""

        def hits(config: Dict[str, Any]) -> int:
            return sum(name in config["values"] for name in used)

        def is_named_so(config: Dict[str, Any]) -> bool:
            stem = os.path.splitext(os.path.basename(config["where"]))[0].lower()
            return len(stem) > 2 and stem in self.checkpoint

        fitting = [config for config in self.plan["configs"] if hits(config) or not used]
        likeness = {id(config): alike(self.sizes, numbers(config["values"])) for config in fitting}
        return sorted(fitting, key=lambda config: (not is_named_so(config), -hits(config), -likeness[id(config)]))

    def _of_settings(self, used: List[str], file: str) -> Iterator[Tuple[Any, str]]:
        """Yield the sets that hold most of the names that are read, then all settings of the source together."""
        pool = self._pool(used)
        hits = {id(values): sum(name in values for name in used) for _, values in pool}
        most = max(hits.values(), default=0)
        likeness = {id(values): alike(self.sizes, numbers(values)) for _, values in pool}

        def order(entry: Tuple[str, Dict[str, Any]]) -> Tuple[int, bool, float]:
            return -hits[id(entry[1])], entry[0].partition(":")[0] != file, -likeness[id(entry[1])]

        ordered = sorted(pool, key=order)
        for where, values in ordered[:_MOST_SETS]:
            # The rest is filled in by name and ends where these do, one build at a time.
            if hits[id(values)] * 2 > most:
                yield {"$settings": values}, where
        merged: Dict[str, Any] = {}
        for _, values in reversed(pool):
            merged.update(values)
        yield {"$settings": {name: merged[name] for name in used if name in merged}}, "all settings of the source"

    def _pool(self, used: List[str]) -> List[Tuple[str, Dict[str, Any]]]:
        """Return all sets; what a command line gives goes over the defaults of the options that hold most names."""
        pool = self.sets + self.tables
        base = max(self.tables, key=lambda table: sum(name in table[1] for name in used), default=None)
        given = [(where, values) for where, values in self.commands if any(name in values for name in used)]
        if base is not None:
            pool = [(where, dict(base[1], **values)) for where, values in given] + pool
        return pool

    def _of_config_class(self, cls: Any) -> Iterator[Tuple[Any, str]]:
        names = settable(cls)
        module = sys.modules.get(cls.__module__)
        place = file_of(module, self.source.roots) or cls.__module__
        ref = {"$ref": "%s:%s" % (place, cls.__qualname__)}
        for where, values in self.sets + self.tables:
            shared = {name: values[name] for name in names if name in values}
            if shared and len(shared) >= 0.6 * len(names):
                yield {"$call": [ref, [], shared]}, where
        yield {"$call": [ref, [], defaults(cls)]}, "defaults of %s" % cls.__name__

    def _from_sets(self, callee: str, function: Any) -> Iterator[Call]:
        """Yield calls whose keyword arguments stand together in one configuration, or in the checkpoint."""
        parameters = signature_of(function)
        known = [
            n
            for n, p in parameters.items()
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and not isinstance(p.default, enum.Enum)
        ]
        required = [n for n in known if parameters[n].default is inspect.Parameter.empty]
        for where, values in self.sets + self.tables:
            shared = {name: values[name] for name in known if name in values}
            if shared and all(n in shared for n in required) and len(shared) >= min(2, len(known)):
                order = 0 if where == "the checkpoint" else 2
                yield Call(callee, dict(shared, **switched_off(parameters, shared)), where, order)
        name = next((n for n in known if n in _FILE_NAMES), None)
        if name is not None and required in ([], [name]):
            for config in self.configs(self.plan["uses"].get(callee, {}).get(name, [])):
                yield Call(callee, {name: config["values"]}, config["where"], 2)
                if config["file"]:
                    yield Call(callee, {name: {"$path": config["where"]}}, config["where"], 2)
