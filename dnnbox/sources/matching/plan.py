"""Everything that the search in the box needs, as plain JSON: classes, recipes, settings, words, examples."""

from __future__ import annotations

import ast
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dnnbox.records.inspection import Inspection
from dnnbox.sources.matching import settings
from dnnbox.sources.matching.bindings import defaults
from dnnbox.sources.matching.builders import library_builders, made_at_import
from dnnbox.sources.matching.classes import Classes, ClassInfo, called, lineage
from dnnbox.sources.matching.commands import likeness
from dnnbox.sources.matching.entries import distances
from dnnbox.sources.matching.homes import Homes
from dnnbox.sources.matching.levels import composed, defaults_of, levels, over, with_bases
from dnnbox.sources.matching.objects import objects
from dnnbox.sources.matching.options import kept_options
from dnnbox.sources.matching.parts import named_parts, parts_of
from dnnbox.sources.matching.plain import finite, jsonable
from dnnbox.sources.matching.ranking import Ranked, Ranking, best_views
from dnnbox.sources.matching.reading import Config, Tree, read_tree
from dnnbox.sources.matching.recipes import Recipe, Recipes
from dnnbox.sources.matching.scripts import scripts
from dnnbox.sources.matching.uses import called_elsewhere, inside, read_later, uses_of
from dnnbox.sources.matching.values import THE_CHECKPOINT, Evaluator, is_known
from dnnbox.sources.matching.views import View, views_of, words_of

MOST_CLASSES = 10
_MOST_RECIPES, _MOST_COMMANDS = 400, 60
_LEAST_SIZE = 16  # smaller numbers are the size of something anywhere
_ELSEWHERE = 500  # what another import root adds to the way from an entry script
_LARGEST_PLAN_BYTES = 6 << 20
_RECIPES_SHARE, _OF_ONE_CLASS = 0.85, 0.5  # of the time; of what is left of it
_SHOWN = 4


def search_plan(roots: Sequence[Path], inspection: Inspection) -> dict[str, Any]:
    """Return the plan of the search: which classes may be meant, and every way in which the source builds them.

    ``roots`` are import roots, the model's own first; they are read, never imported.
    """
    tree, own = _read(roots, words_of(inspection))
    homes = Homes(tree)
    classes = Classes(tree)
    views = views_of(inspection)
    steps = distances(homes, inspection.path)
    near = {path: distance if path in own else distance + _ELSEWHERE for path, distance in steps.items()}
    ranked = _without_copies(best_views(Ranking(classes), views, 3 * MOST_CLASSES), near)
    least = ranked[MOST_CLASSES - 1][1].score if len(ranked) > MOST_CLASSES else 0.0
    # Those that are as good as the last one too.
    several = [each for each in ranked[: 2 * MOST_CLASSES] if each[1].score >= least]
    shapes = {tensor.name: tensor.shape for tensor in inspection.tensor_list}
    sizes = {n for shape in shapes.values() for n in shape or () if isinstance(n, int) and n >= _LEAST_SIZE}
    names = {each[1].info.module.path.rpartition("/")[2].removesuffix(".py") for each in several}
    tree.commands.sort(key=lambda each: likeness(each.values.values(), sizes, names), reverse=True)
    tree.runs.sort(key=lambda run: likeness(run[2], sizes, names), reverse=True)
    del tree.commands[_MOST_COMMANDS:]
    said = {name: [value] for name, value in inspection.metadata.items() if type(value) in (bool, int, float)}
    plan = _plan(homes, classes, views, several, near, said, kept_options(inspection.metadata))
    by_name = {view.name: view for view in views}
    plan["parts"] = {
        each.info.ref: parts_of(
            each.info, classes, several, homes, named_parts(each.info, classes, by_name[view], shapes)
        )
        for view, each, _ in reversed(several)
    }
    return plan


def _read(roots: Sequence[Path], words: Collection[str]) -> tuple[Tree, set[str]]:
    """Return everything below the roots as one tree, and the paths of the first one's files: the others add theirs."""
    tree = read_tree(roots[0], words)
    own = set(tree.by_path)
    for root in roots[1:]:
        more = read_tree(root, words, tree.clock)
        tree.modules += [module for module in more.modules if module.document or module.path not in tree.by_path]
        tree.configs += more.configs
        tree.commands += more.commands
        tree.runs += more.runs
        tree.__dict__.pop("by_path", None)
    tree.configs = with_bases(tree.configs)
    return tree, own


def _without_copies(
    ranked: Sequence[tuple[str, Ranked]], near: Mapping[str, int]
) -> list[tuple[str, Ranked, list[str]]]:
    """Merge classes of the same code; the one that an entry script imports stands for all."""
    groups: dict[tuple[str, str], list[tuple[str, Ranked]]] = {}
    for view, each in ranked:
        groups.setdefault((view, each.info.digest()), []).append((view, each))
    merged = []
    for group in groups.values():
        best = min(group, key=lambda pair: _preference(pair[1].info, near))
        merged.append((best[0], best[1], [each.info.ref for _, each in group if each is not best[1]]))
    return sorted(merged, key=lambda entry: (-entry[1].score, _preference(entry[1].info, near)))


def _preference(info: ClassInfo, near: Mapping[str, int]) -> tuple[int, int, str]:
    return (near.get(info.module.path, 1_000), info.module.path.count("/"), info.ref)


def _plan(
    homes: Homes,
    classes: Classes,
    views: Sequence[View],
    ranked: Sequence[tuple[str, Ranked, list[str]]],
    near: Mapping[str, int],
    said: Mapping[str, Sequence[Any]],
    kept: Sequence[Config],
) -> dict[str, Any]:
    tree = homes.tree
    tables = settings.tables(tree)
    tree.commands = [replace(each, values=settings.as_declared(each.values, tables.values())) for each in tree.commands]
    evaluator = Evaluator(homes, {**tables, THE_CHECKPOINT: said})
    _put_reassigned(tree, tables, evaluator)
    recipes = Recipes(tree, classes, evaluator, kept)
    infos = [each.info for _, each, _ in ranked]
    found = _all_recipes(recipes, infos)
    functions = list(_functions(tree, recipes, views, near))
    configs = list(_configs(tree))
    sides = settings.sides(
        [*({n: v[0] for n, v in t.items() if v} for t in tables.values()), *(c["values"] for c in configs)]
    )
    callees = {recipe.callee for several in found.values() for recipe in several}
    callees |= {function["ref"] for function in functions}
    plan = {
        "views": [view.as_json() for view in views],
        "classes": [
            {
                "ref": each.info.ref,
                "name": each.info.name,
                "place": each.info.place,
                "view": view,
                "score": each.score,
                "copies": copies,
                "distance": near.get(each.info.module.path, 1_000),
                "recipes": [_recipe(r) for r in found[each.info.ref]],
                "examples": _examples(evaluator, recipes, each.info),
                "plain": _plainly(evaluator, recipes, each.info),
                "passed": _passed(each.info, classes, tables),
                "called": called_elsewhere(each.info, classes, tree),
                "sides": sides,
            }
            for view, each, copies in ranked
        ]
        + functions,
        "uses": dict(uses_of(tree, classes, infos, callees)),
        "read": read_later(classes),
        "inside": inside(tree),
        "objects": objects(tree),
        "choices": settings.choices(tree),
        "set": settings.set_by_name(tree),
        "siblings": settings.siblings(tree, _words(found.values())),
        "modules": _importable(tree),
        "tables": [{"where": path, "values": values} for path, values in tables.items()],
        "configs": configs,
        "cut": tree.clock.cut,
        "scripts": scripts(tree, {info.module.path for info in infos}),
        "commands": [{"where": each.path, "values": jsonable(each.values)} for each in tree.commands],
        "bases": sorted({base for info in infos for each in lineage(info, classes) for base in each.bases}),
    }
    return _bounded(finite(plan))


def _put_reassigned(tree: Tree, tables: Mapping[str, dict[str, list[Any]]], evaluator: Evaluator) -> None:
    """Put what a script makes of an option's text before the text, where it is a list, ``"3,4"`` → ``[3, 4]``; and
    what it adds to its options, ``args.latent = 512``."""
    found = [
        (tables[module.path], name, value)
        for module, name, node in settings.reassigned(tree)
        if module.path in tables
        for value in evaluator.possible(node, module)[:1]
        if isinstance(value, list) or (name not in tables[module.path] and isinstance(value, (int, float)))
    ]
    for options, name, value in found:
        options.setdefault(name, []).insert(0, value)


def _words(recipes: Iterable[Sequence[Recipe]]) -> set[str]:
    """Return the texts among the arguments of recipes."""
    given = [value for several in recipes for each in several for value in (*each.args, *each.kwargs.values())]
    return {value for value in given if isinstance(value, str)}


def _functions(
    tree: Tree, recipes: Recipes, views: Sequence[View], near: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    """Yield what makes a library's model, functions and objects: no name speaks for them, so they come last."""
    built = [
        (module, node.name, node.lineno, recipes.of_function(module, node)[:_MOST_RECIPES])
        for module, node in library_builders(tree, near)
    ]
    built += [(module, name, line, []) for module, name, line in made_at_import(tree, near)]
    for module, name, line, found in built:
        yield {
            "ref": f"{module.path}:{name}",
            "name": name,
            "place": f"{module.path}:{line}",
            "view": views[0].name,
            "score": 0.0,
            "copies": [],
            "distance": near.get(module.path, 1_000),
            "recipes": [_recipe(recipe) for recipe in found],
            "examples": [],
        }


def _recipes(recipes: Recipes, info: ClassInfo) -> list[Recipe]:
    return (recipes.calls(info) + recipes.factories(info))[:_MOST_RECIPES]


def _all_recipes(recipes: Recipes, infos: Sequence[ClassInfo]) -> dict[str, list[Recipe]]:
    """Return the recipes of each class, the likeliest class first; none may take all of the time."""
    clock, found, short = recipes.tree.clock, dict[str, list[Recipe]](), list[str]()
    with clock.until(_RECIPES_SHARE):
        for info in infos:
            with clock.share(_OF_ONE_CLASS):
                found[info.ref] = _recipes(recipes, info)
                short += [] if clock.goes_on() else [info.name]
    if short:
        clock.cut.append(f"not all calls were read of {', '.join(short[:_SHOWN])}")
    return found


def _recipe(recipe: Recipe) -> dict[str, Any]:
    return {
        "callee": recipe.callee,
        "how": recipe.how,
        "where": recipe.where,
        "args": list(recipe.args),
        "kwargs": recipe.kwargs,
        "unread": list(recipe.unread),
    }


def _importable(tree: Tree) -> dict[str, list[str]]:
    """Return the first names of imports that the tree itself can satisfy, with the folders that must be on the path."""
    found: dict[str, set[str]] = {}
    for path in tree.by_path:
        parts = path.split("/")
        stem = parts[-1].removesuffix(".py")
        if stem != "__init__":
            found.setdefault(stem, set()).add("/".join(parts[:-1]))
        for index, part in enumerate(parts[:-1]):
            found.setdefault(part, set()).add("/".join(parts[:index]))
    return {name: sorted(folders, key=lambda f: (f.count("/"), f))[:12] for name, folders in found.items()}


def _configs(tree: Tree) -> Iterator[dict[str, Any]]:
    trees = list(levels(tree))
    below = [values for _, values in trees]
    for config in tree.configs:
        yield {
            "where": config.path,
            "values": jsonable(over(config.values, [*below, *defaults_of(config, tree.configs)])),
            "file": True,
        }
    together = [(where, jsonable(values)) for where, values in composed(tree.configs)]
    for where, values in (*settings.python_configs(tree), *settings.class_configs(tree), *trees, *together):
        yield {"where": where, "values": values, "file": False}


def _examples(evaluator: Evaluator, recipes: Recipes, info: ClassInfo) -> list[dict[str, Any]]:
    """Return calls of an instance that the source shows, where all arguments are known: ``model(torch.randn(…))``."""
    shown = _calls_of_instances(evaluator, recipes, info)
    known = (entry for entry in shown if is_known(entry["args"]) and is_known(entry["kwargs"]))
    return list(itertools.islice((entry for entry in known if "$call" in json.dumps(entry["args"])), 8))


def _plainly(evaluator: Evaluator, recipes: Recipes, info: ClassInfo) -> list[dict[str, Any]]:
    """Return the plain values that calls of an instance give by their places, beside what only a run can tell:
    ``model(features, adj, True, None)``."""
    found: list[dict[str, Any]] = []
    for entry in _calls_of_instances(evaluator, recipes, info):
        plain = {str(place): value for place, value in enumerate(entry["args"]) if place and _is_scalar(value)}
        told = {"method": entry["method"], "args": plain, "count": len(entry["args"]), "where": entry["where"]}
        if plain and not is_known(entry["args"]) and all(told["args"] != other["args"] for other in found):
            found.append(told)
    return sorted(found, key=lambda each: each["method"] != "")[:4]


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float))


def _calls_of_instances(evaluator: Evaluator, recipes: Recipes, info: ClassInfo) -> Iterator[dict[str, Any]]:
    """Yield the calls of instances that are made and called in one file."""
    for module, call, function in recipes.sites(info.name):
        names = module.given.get(id(call), ()) if recipes.is_of(info, call, module) else ()
        for other in module.calls if names and recipes.tree.clock.goes_on() else ():
            method = _called_on(other, names)
            if method is None or not other.args:
                continue
            args = [evaluator.possible(argument, module, function)[0] for argument in other.args]
            kwargs = {k.arg: evaluator.possible(k.value, module, function)[0] for k in other.keywords if k.arg}
            yield {"method": method, "args": args, "kwargs": kwargs, "where": f"{module.path}:{other.lineno}"}


def _passed(info: ClassInfo, classes: Classes, tables: Mapping[str, Mapping[str, Sequence[Any]]]) -> dict[str, Any]:
    """Return what scripts have as options for parameters of the forward pass that are None without: numbers, lists."""
    forward = next((method for each in lineage(info, classes) if (method := each.method("forward"))), None)
    found: dict[str, Any] = {}
    for name, default in defaults(forward) if forward is not None else ():
        value = next((options[name][0] for options in tables.values() if options.get(name)), None)
        if isinstance(default, ast.Constant) and default.value is None and isinstance(value, (int, float, list)):
            found[name] = value
    return found


def _called_on(call: ast.Call, names: Collection[str]) -> str | None:
    """Return the method that is called on one of the names; "" for the object itself, None for anything else."""
    function = call.func
    if isinstance(function, ast.Name):
        return "" if function.id in names else None
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in names:
        name = called(call)
        return None if name in ("to", "load_state_dict", "eval", "train", "cuda", "apply") else name
    return None


def _bounded(plan: dict[str, Any]) -> dict[str, Any]:
    """Drop the largest configurations while the plan is too large to send."""
    sizes = [(len(json.dumps(config)), index) for index, config in enumerate(plan["configs"])]
    total = sum(size for size, _ in sizes)
    dropped = set()
    for size, index in sorted(sizes, reverse=True):
        if total <= _LARGEST_PLAN_BYTES:
            break
        total -= size
        dropped.add(index)
    plan["configs"] = [config for index, config in enumerate(plan["configs"]) if index not in dropped]
    return plan
