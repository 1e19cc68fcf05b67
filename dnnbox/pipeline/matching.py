"""Which class of the source the weights belong to: asked in the box, decided here; a tie is an error with choices."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from dnnbox import boxes, sources
from dnnbox.boxes.base import Box
from dnnbox.errors import AdapterNeeded, RunFailed
from dnnbox.events import Progress
from dnnbox.experiment import Experiment
from dnnbox.files import write_atomic
from dnnbox.harness.protocol import RunRequest
from dnnbox.pipeline.jobs import limits_of
from dnnbox.pipeline.prepare import Prepared
from dnnbox.sources import matching
from dnnbox.text import visible

_MATCH_SECONDS = 600.0
_SEARCH_SHARE = 0.9  # of the job's limit: the search ends by itself before it is stopped
_LEAST_SPARE_SECONDS = 15.0  # to start the box and write the answer
_SHOWN = 4
_MOST_ERRORS = 12
_PARTS = "parts that the tensors name"  # the origin of arguments for which no script speaks


def is_wanted(prepared: Prepared) -> bool:
    """Tell whether the model's class is still to be found."""
    return bool(prepared.source.searched) and prepared.source.recipe is None and prepared.options.adapter is None


def after_catalogue(prepared: Prepared, failure: RunFailed) -> Prepared | None:
    """Return the run as one that has to be searched, where the catalogue's own adapter did not build or load strictly.

    None where another stage failed, or the adapter is not the catalogue's: then searching would not help.
    """
    recipe = prepared.source.recipe
    is_ours = recipe is not None and bool(recipe.family) and bool(prepared.source.root)
    if not is_ours or failure.details.get("kind") != "load_failed":
        return None
    bare = replace(prepared.source, recipe=None, classes=(), files=())
    source = matching.named(bare, prepared.inspection)
    if not source.searched:
        return None
    return replace(prepared, source=source, options=replace(prepared.options, adapter=None))


def matched(
    experiment: Experiment,
    prepared: Prepared,
    open_box: Callable[[], AbstractContextManager[Box]],
    progress: Progress,
) -> Prepared:
    """Return the run with the recipe that was found and the adapter that was written from it.

    Raises:
        AdapterNeeded: nothing fits, or classes fit whose outputs differ; the skeleton says what was found.
    """
    with experiment.stage("match"):
        answer = _asked(experiment, prepared, open_box, progress)
        experiment.save("match", answer)
        try:
            best, others = decide(answer["matches"], prepared.path.name)
        except AdapterNeeded as error:
            text = matching.skeleton(prepared.inspection, error.what, answer, prepared.source)
            write_atomic(experiment.root / "scripts" / "adapter.py", text)
            error.hint = _way_out(experiment.root, prepared)
            error.details = {**error.details, "evidence": matching.evidence(answer, prepared.source)}
            if not answer["matches"]:
                error.details["errors"] = _errors(answer)
            raise
        for other in others:
            progress.note(f"{other}; taken: {visible(str(best['class']), 80)}")
        recipe = matching.recipe_of(best, answer, prepared.source)
        path = experiment.root / "scripts" / "adapter.py"
        write_atomic(path, sources.adapter_text(recipe))
    source = replace(prepared.source, recipe=recipe, classes=(recipe.cls,), files=(recipe.file,))
    return replace(prepared, source=source, options=replace(prepared.options, adapter=path))


def _errors(answer: Mapping[str, Any]) -> list[str]:
    """Return what the source's code said when it was imported and built, the most frequent first."""
    said = [*(text for text, _ in answer["errors"]), *answer["import_errors"]]
    return [visible(str(text), 200) for text in said[:_MOST_ERRORS]]


def _way_out(root: Path, prepared: Prepared) -> str:
    workspace = prepared.options.workspace
    shown = root.relative_to(workspace) if root.is_relative_to(workspace) else root
    path = f"{shown}/scripts/adapter.py"
    return f"complete {path}, which lists what was tried, and continue with `--source … --adapter {path}`"


def _asked(
    experiment: Experiment,
    prepared: Prepared,
    open_box: Callable[[], AbstractContextManager[Box]],
    progress: Progress,
) -> Mapping[str, Any]:
    root = Path(prepared.source.root)
    plan = matching.search_plan([root], prepared.inspection)
    progress.begin("match", f"{len(plan['classes'])} classes")
    for told in plan["cut"]:
        progress.note(f"the source is large: {told}")
    limit_s = min(_MATCH_SECONDS, prepared.options.timeout_s)
    with open_box() as box:
        request = RunRequest(
            job="match",
            runtime=prepared.dependencies.runtime,
            checkpoint=box.path(prepared.path.resolve()),
            seed=prepared.options.seed,
            threads=prepared.options.threads,
            sys_path=[box.path(root.resolve())],
            work={
                "plan": plan,
                "entry": prepared.inspection.entry,
                "seconds": search_seconds(limit_s),
                "memory_bytes": limits_of(prepared).memory_bytes,
            },
        )
        job_dir = experiment.outputs / "jobs" / "00-match"
        job_dir.mkdir(parents=True, exist_ok=True)
        outcome = box.run(request, job_dir, timeout_s=limit_s)
    error = boxes.error_of(outcome, limits_of(prepared), limit_s)
    if error is not None or outcome.result is None:
        what = error.what if error is not None else "the box left no answer"
        progress.note(f"the search ended early: {what}")
        return matching.unanswered(plan, what)
    found: Mapping[str, Any] = {**outcome.result.findings["match"], "ranked": matching.ranked(plan), "cut": plan["cut"]}
    progress.end("match", f"{found['tries']} builds tried", outcome.wall_s)
    return found


def search_seconds(limit_s: float) -> float:
    """Return what the search may take on the clock, so that it has answered when the job's limit is reached."""
    return max(limit_s * 0.5, min(limit_s * _SEARCH_SHARE, limit_s - _LEAST_SPARE_SECONDS))


def decide(matches: Sequence[Mapping[str, Any]], file_name: str = "") -> tuple[Mapping[str, Any], list[str]]:
    """Return the match to take, and a sentence for every other one that does something else.

    A class that the entry scripts import goes before one that they do not; recipes before arguments from shapes. Of
    several classes that are as likely, the one by which the checkpoint's file is called.

    Raises:
        AdapterNeeded: nothing fits, only a part does, or two classes fit equally well and their outputs differ.
    """
    if not matches:
        raise AdapterNeeded(
            "no class of the source builds a model with exactly these tensors",
            hint="complete scripts/adapter.py; it lists the nearest classes and what differs",
            phase="match",
        )
    ordered = sorted(matches, key=_trust)
    best = ordered[0]
    if whole := best.get("part_of"):
        raise AdapterNeeded(
            f"{visible(str(best['class']), 80)} fits a part of the tensors; {visible(str(whole), 100)} may hold all",
            hint="complete scripts/adapter.py with the whole model, or keep the part, and continue with `--adapter`",
            phase="match",
        )
    if rival := best.get("rival"):
        why = f" ({visible(str(best['rival_error']), 120)})" if best.get("rival_error") else ""
        raise AdapterNeeded(
            f"{visible(str(best['ref']), 100)} fits every tensor, and {visible(str(rival), 100)} may too: "
            f"it could not be built{why}",
            hint="keep the right one in scripts/adapter.py and continue with `--adapter`",
            phase="match",
        )
    different = [other for other in ordered[1:] if _may_differ(other, best)]
    rivals = [o for o in different if _kind(o) != _kind(best) and _is_as_likely(o, best)]
    named = _named([best, *rivals], file_name) if rivals else None
    if named is not None:
        best, different = named, [o for o in ordered if o is not named and _may_differ(o, named)]
    elif rivals:
        names = [
            visible(f"{o['class']} ({', '.join([o['ref'], *_kind(o)[1:]])})", 100) for o in [best, *rivals][:_SHOWN]
        ]
        why = "but their outputs differ" if best["group"] >= 0 else "and none of them could be run to compare them"
        raise AdapterNeeded(
            f"{len(rivals) + 1} classes fit every tensor, {why}: {', '.join(names)}",
            hint="keep the right one in scripts/adapter.py and continue with `--adapter`",
            phase="match",
            details={"choices": names},
        )
    return best, [
        f"{visible(str(o['class']), 80)} with arguments from {visible(str(o['origin']), 80)} fits too, "
        + ("and its outputs differ" if o["group"] >= 0 else "and it could not be run to compare it")
        for o in different[:_SHOWN]
    ]


def _named(matches: Sequence[Mapping[str, Any]], file_name: str) -> Mapping[str, Any] | None:
    """Return the match whose class has the longest name that the file's name holds as a word; None where none or
    several are called so."""
    names = {id(match): str(match["class"]).rpartition(".")[2] for match in matches}
    words = {key: rf"(?<![a-z0-9]){re.escape(name.lower())}(?![a-z0-9])" for key, name in names.items()}
    held = [match for match in matches if re.search(words[id(match)], file_name.lower())]
    longest = max((len(names[id(match)]) for match in held), default=0)
    found = [match for match in held if len(names[id(match)]) == longest]
    return found[0] if len(found) == 1 else None


def _may_differ(other: Mapping[str, Any], best: Mapping[str, Any]) -> bool:
    """Tell whether a match does something else, or may: classes that nobody could run are not known to be equal."""
    if other["group"] >= 0 and best["group"] >= 0:
        return bool(other["group"] != best["group"])
    return bool(_kind(other) != _kind(best))


def _is_as_likely(other: Mapping[str, Any], best: Mapping[str, Any]) -> bool:
    """Tell whether nothing speaks for the best match alone: that it could be run does not, where the source itself says
    the arguments of the other one."""
    mine, its = _trust(best), _trust(other)
    return its[:3] == mine[:3] or (its[0] == mine[0] + 1 and other["group"] < 0 <= best["group"] and its[1] < mine[1])


def _kind(match: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the class, and the classes among its arguments where only the tensors speak for them."""
    chosen = match["kwargs"] if match["origin"] == _PARTS else {}
    return (str(match["class"]), *(v["$ref"] for v in chosen.values() if isinstance(v, dict) and "$ref" in v))


def _trust(match: Mapping[str, Any]) -> tuple[int, int, int, int]:
    runs = 0 if match["group"] >= 0 else 1
    said = {"the checkpoint": 0, "solved from shapes": 2, "begun from shapes": 2, "defaults": 2, _PARTS: 2}.get(
        str(match["origin"]), 1
    )
    is_part = match.get("view", "whole") != "whole"  # what explains every name goes before what a prefix was cut for
    return (runs + (4 if match["left_out"] else 2 if is_part else 0), said, int(match["distance"]), int(match["order"]))
