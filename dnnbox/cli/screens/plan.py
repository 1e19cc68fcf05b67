"""The screen of ``dnnbox plan``, which is also the one consent screen of ``dnnbox run``: Enter runs what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dnnbox.cli.screens.layout import PLAIN, Cell, Look, grid, heading, listed, rule
from dnnbox.records.environment import LockedPackage
from dnnbox.records.plan import InputChoice, Plan
from dnnbox.reports import numbers
from dnnbox.text import redact, visible

_WHAT, _COST, _INDENT = 14, 30, 2
_MOST_OTHERS = 60


class Option(Protocol):
    """One way to go on, as dnnbox.consent offers it: the key to type ("" is Enter) and what it does."""

    @property
    def key(self) -> str: ...

    @property
    def text(self) -> str: ...


def plan_screen(plan: Plan, *, look: Look = PLAIN) -> str:
    """Return the whole plan: choices with their costs, every package, and what will and will not be done."""
    blocks = [
        [heading(look, f"Plan for {visible(plan.checkpoint, 60)}", _title(plan))],
        _table(look, plan),
        _packages(look, plan),
        _promises(look, plan),
        _fit(look, plan),
        _questions(look, plan),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _title(plan: Plan) -> str:
    return f"({visible(plan.title, 80)})" if plan.title else ""


def _table(look: Look, plan: Plan) -> list[str]:
    rows: list[tuple[Cell | str, ...]] = [
        _row("File", _verdict(look, plan)),
        _row("Source", *_source(plan)),
        _row("Box", _box(look, plan), visible(plan.box_reason, 160)),
        _row(
            "Python", visible(plan.python, 40) or "not resolved", "is there already" if plan.environment_exists else ""
        ),
        _row("Packages", *_package_row(plan)),
        _row("Device", plan.device or "cpu", visible(str(plan.details.get("device_reason", "")), 120)),
        _row("Precision", f"{plan.precision or 'auto'}, batch {plan.batch}"),
        *(_row("" if position else "Input", *_input(choice)) for position, choice in enumerate(plan.inputs)),
        _row("Measure", plan.measure),
    ]
    columns = (_WHAT, 0, _COST)
    head = grid(
        look, columns, [(Cell("What", "quiet"), Cell("Choice", "quiet"), Cell("Cost or reason", "quiet"))], _INDENT
    )
    return [*head, rule(look, _INDENT), *grid(look, columns, rows, _INDENT), rule(look, _INDENT)]


def _row(what: str, choice: str | Cell, cost: str = "") -> tuple[Cell | str, ...]:
    """Leave the last column out where it is empty, so that a long choice may use it."""
    first = Cell(what, "accent")
    return (first, choice, Cell(cost, "quiet")) if cost else (first, choice)


def _verdict(look: Look, plan: Plan) -> Cell:
    words = {
        "no-code": ("ok", "no-code: the format cannot hold code"),
        "data-only": ("ok", "data-only: no code in the file"),
        "inert-known": ("ok", "inert-known: known classes without effects"),
        "needs-code": ("warning", "needs-code: the file names classes that are run in the box"),
        "dangerous": ("failed", "dangerous: the file names calls that act; they run in the box"),
    }
    return look.mark(*words.get(plan.verdict, ("unknown", f"{visible(plan.verdict, 40) or 'not judged'}")))


def _source(plan: Plan) -> tuple[str, str]:
    source = plan.source
    if source.origin == "none":
        return f"none needed, {visible(plan.runtime, 40)} runs it", ""
    if source.origin == "git":
        version = visible(source.commit[:10] or source.tag or "default branch", 40)
        return f"{visible(redact(source.url), 120)} at {version}", source.licence or "clone, shallow"
    files = listed([visible(name, 60) for name in source.files], 3)
    where = {"adjacent": "beside the checkpoint", "workspace": "in the workspace", "given": "given with --source"}
    licence = f", {source.licence}" if source.licence else ", licence not found"
    return files or "your directory", where[source.origin] + licence


_PIXI = {
    "current": "the current pixi environment",
    "feature": "one more environment in your pixi manifest",
    "new": "a new pixi environment for this model",
}


def _box(look: Look, plan: Plan) -> Cell:
    names = {
        "current": "the current environment",
        "venv": "a new venv for this model",
        "pixi": _PIXI.get(str(plan.details.get("packages", "")), "a pixi environment"),
        "docker": "container (docker)",
        "podman": "container (podman)",
    }
    text = names.get(plan.box, visible(plan.box, 40))
    if plan.sandbox.startswith("none"):
        return look.mark("warning", f"{text}, not sandboxed: {visible(plan.sandbox[6:], 80)}".rstrip(": "))
    how = "read-only root" if plan.box in ("docker", "podman") else f"inside {visible(plan.sandbox, 60)}"
    return Cell(f"{text}, {how}, no network while the model runs")


def _package_row(plan: Plan) -> tuple[str, str]:
    if not plan.packages:
        return f"{len(plan.requirements)} required, not resolved", ""
    lock = f", lock {visible(plan.lock_sha256[:6], 12)}" if plan.lock_sha256 else ""
    text = f"{len(plan.packages)}, pinned by hash{lock}"
    if plan.environment_exists:
        return text, "nothing to download"
    if plan.download_bytes is None:
        return text, "download size not known"
    if not plan.download_bytes:
        sizes_known = all(package.cached or package.size_bytes is not None for package in plan.packages)
        return text, "nothing to download" if sizes_known else "download size not known"
    return text, f"download {numbers.size(plan.download_bytes)}"


def _input(choice: InputChoice) -> tuple[str, str]:
    name = visible(choice.path.rpartition("/")[2], 60) if choice.path else f"synthesised {choice.kind}"
    label = f"{visible(choice.name, 40)} = {name}" if choice.name else name
    return label, visible(choice.reason, 200)


def _packages(look: Look, plan: Plan) -> list[str]:
    """Name every package with its version: what is asked for first, with the limits set on it, then what that needs."""
    if not plan.packages:
        rows = [(Cell("Required", "accent"), ", ".join(visible(r.line(), 60) for r in plan.requirements))]
        return grid(look, (_WHAT, 0), rows, _INDENT) if plan.requirements else []
    asked = {_canonical(requirement.name): requirement.specifier for requirement in plan.requirements}
    direct = [package for package in plan.packages if _canonical(package.name) in asked]
    others = [_pinned(package) for package in plan.packages if _canonical(package.name) not in asked]
    rows = [(Cell("Asked for", "accent"), ", ".join(_asked(package, asked) for package in direct))]
    if others:
        rows.append((Cell("They need", "accent"), listed(others, _MOST_OTHERS, "more in --json")))
    return grid(look, (_WHAT, 0), rows, _INDENT)


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _pinned(package: LockedPackage) -> str:
    # Glued with a non-breaking space, so that a name and its version stay on one line.
    return f"{visible(package.name, 60)}\u00a0{visible(package.version, 30)}"


def _asked(package: LockedPackage, asked: dict[str, str]) -> str:
    limit = visible(asked[_canonical(package.name)], 40)
    return f"{_pinned(package)} ({limit})" if limit else _pinned(package)


def _promises(look: Look, plan: Plan) -> list[str]:
    rows = [
        *_list("Will do", plan.will),
        *_list("Will not do", plan.will_not),
        *_list("Network", plan.network or ("nobody is contacted",)),
    ]
    if plan.writes_to:
        rows.append((Cell("Writes to", "accent"), visible(plan.writes_to, 160)))
    return grid(look, (_WHAT, 0), rows, _INDENT)


def _list(label: str, sentences: Sequence[str]) -> list[tuple[Cell | str, ...]]:
    return [(Cell("" if n else label, "accent"), visible(redact(text), 300)) for n, text in enumerate(sentences)]


def _fit(look: Look, plan: Plan) -> list[str]:
    """Show only what does not fit: a plan is long enough without the good news."""
    bad = [check for check in plan.fit if check.status != "ok"]
    rows: list[tuple[Cell | str, ...]] = []
    for number, check in enumerate(bad):
        way_out = f"; {visible(check.fix, 160)}" if check.fix else ""
        text = f"{visible(check.name, 30)}: {visible(check.detail, 160)}{way_out}"
        rows.append((Cell("" if number else "Fit", "accent"), look.mark(check.status), text))
    if plan.fit and not bad:
        names = ", ".join(visible(check.name, 30) for check in plan.fit)
        rows.append((Cell("Fit", "accent"), look.mark("ok"), f"this machine can do it: {names} checked"))
    return grid(look, (_WHAT, 10, 0), rows, _INDENT)


def _questions(look: Look, plan: Plan) -> list[str]:
    rows = [
        (Cell("" if n else "To answer", "accent"), look.mark("unknown", visible(question, 240)))
        for n, question in enumerate(plan.questions)
    ]
    return grid(look, (_WHAT, 0), rows, _INDENT)


def consent_keys(plan: Plan, options: Sequence[Option], *, look: Look = PLAIN) -> str:
    """Return the keys under the plan and the prompt, without a final newline.

    The first option is the one that Enter takes, named with its cost so that nobody has to look up.
    """
    cost = _cost(plan)
    rows = []
    for option in options:
        text = visible(option.text, 120)
        rows.append((Cell(_key(option), "title"), f"{text}: {cost}" if not option.key and cost else text))
    prompt = "/".join(_key(option) for option in options)
    return "\n".join(grid(look, (6, 0), rows, _INDENT)) + f"\n\nRun? [{look.fold(prompt)}] "


def _key(option: Option) -> str:
    return visible(option.key, 8) or "Enter"


def _cost(plan: Plan) -> str:
    if plan.environment_exists:
        return "nothing to install"
    size = f", {numbers.size(plan.download_bytes)} to download" if plan.download_bytes else ""
    packages = len(plan.packages) or len(plan.requirements)
    return f"installs {packages} packages{size}" if packages else ""
