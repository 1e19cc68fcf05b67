"""What each command does: call the pipeline, show the result."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnnbox.cli import fail, parsing, show_json
from dnnbox.consent import Ask, Choice
from dnnbox.errors import Usage, by_name, leaves
from dnnbox.events import Progress, Silent
from dnnbox.records.plan import Plan


def inspect(checkpoint: str, *, json: bool, with_hash: bool, tensors: bool, family: str) -> int:
    """``dnnbox inspect``."""
    from dataclasses import replace

    from dnnbox.cli.screens.inspect import inspect_screen
    from dnnbox.pipeline.inspecting import inspect_checkpoint

    start = time.monotonic()
    inspection = inspect_checkpoint(checkpoint, family=family, with_hash=with_hash)
    if json:
        listed = inspection if tensors else replace(inspection, tensor_list=())
        show_json({"schema": "dnnbox.inspection/1", **_fields(listed)})
    else:
        print(inspect_screen(inspection, time.monotonic() - start, tensors=tensors))
    return 0


def _fields(record: Any) -> dict[str, Any]:
    from dnnbox.codec import to_json

    fields: dict[str, Any] = to_json(record)
    return fields


def plan(values: Mapping[str, Any]) -> int:
    """``dnnbox plan``."""
    from dnnbox.cli.screens.plan import plan_screen
    from dnnbox.pipeline import prepare

    prepared = prepare(parsing.run_options(values), progress(values["progress"]))
    if values["json"]:
        show_json(prepared.plan)
    else:
        print(plan_screen(prepared.plan))
    return 0


def run(values: Mapping[str, Any]) -> int:
    """``dnnbox run``."""
    from dnnbox.pipeline import run as run_experiment

    options = parsing.run_options(values)
    finished = run_experiment(options, ask=_ask(), progress=progress(values["progress"]))
    index = finished.index
    if values["json"]:
        show_json(
            {
                "experiment": str(finished.experiment),
                "status": index.status,
                "exit_code": index.exit_code,
                "error": finished.error.as_json() if finished.error else None,
            }
        )
    else:
        _show_summary(finished.experiment, finished.seconds)
    if finished.error:
        if not values["json"]:
            fail(finished.error, [])
        else:
            print(f"dnnbox: {finished.error.line()}", file=sys.stderr)
        return finished.error.code
    return 0


def _show_summary(experiment: Path, seconds: float) -> None:
    from dnnbox.cli.screens.summary import run_summary

    print(run_summary(experiment, seconds))


def _ask() -> Ask | None:
    """Return the consent question, or None where nobody can answer it."""
    return _question if sys.stdin.isatty() and sys.stderr.isatty() else None


def _question(plan: Plan, choices: Sequence[Choice]) -> str:
    from dnnbox.cli.screens.plan import consent_keys, plan_screen

    print(plan_screen(plan), file=sys.stderr)
    keys = {choice.key: choice.answer for choice in choices}
    while True:
        print(consent_keys(plan, choices), end=" ", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return "quit"
        if (answer := keys.get(line.strip().lower())) is not None:
            return answer


def report(experiment: Path, formats: str, *, json: bool) -> int:
    """``dnnbox report``."""
    from dnnbox import reports

    wanted = tuple(part for part in formats.split(",") if part)
    for part in wanted:
        parsing.one_of("--format", part, ("md", "html"))
    if not (experiment / "experiment.json").is_file():
        raise Usage(f"{experiment.name} is no experiment folder", hint="give the folder that holds experiment.json")
    written = [str(path.relative_to(experiment)) for path in reports.render(experiment, wanted)]
    if json:
        show_json({"experiment": str(experiment), "written": written})
    else:
        print("\n".join(written))
    return 0


def doctor(*, json: bool) -> int:
    """``dnnbox doctor``."""
    from dnnbox.cli import doctor as checks
    from dnnbox.cli.screens.doctor import doctor_screen

    found = checks.collect()
    if json:
        show_json({"schema": "dnnbox.doctor/1", "checks": found})
    else:
        print(doctor_screen(found))
    return 0


def clean(*, everything: bool, older: str, json: bool) -> int:
    """``dnnbox clean``."""
    from dnnbox import boxes
    from dnnbox.store import Store

    try:
        days = float(older.removesuffix("d"))
    except ValueError as error:
        raise Usage(f"--older `{older}` is not a number of days", hint="for example --older 30") from error
    containers = [
        name for engine in ("docker", "podman") if boxes.engine_answers(engine) for name in boxes.sweep(engine)
    ]
    removed = Store.default().clean(older_than_s=0.0 if everything else days * 86400)
    if json:
        show_json({"containers": containers, "environments": list(removed)})
    else:
        print(f"removed {len(containers)} containers, {len(removed)} environments")
    return 0


def explain(code: str, *, json: bool) -> int:
    """``dnnbox explain``."""
    leaf = by_name(code)
    if leaf is None:
        raise Usage(f"unknown exit code `{code}`", hint=f"known: {', '.join(each.name for each in leaves())}")
    if json:
        show_json(
            {
                "code": leaf.code,
                "name": leaf.name,
                "meaning": leaf.meaning,
                "remedy": leaf.remedy,
                "retryable": leaf.retryable,
            }
        )
    else:
        print(f"{leaf.code} {leaf.name}\n\n  Meaning   {leaf.meaning}\n  What now  {leaf.remedy}")
        print(f"  Retry     {'may help' if leaf.retryable else 'does not help by itself'}")
    return 0


def progress(name: str) -> Progress:
    """Return the progress display for ``--progress``."""
    if parsing.one_of("--progress", name, ("auto", "plain", "none")) == "none":
        return Silent()
    from dnnbox.cli.screens.progress import TerminalProgress

    return TerminalProgress(plain=name == "plain")


def schema(name: str) -> int:
    """``dnnbox schema``."""
    from dnnbox import schema as schemas

    if name:
        show_json(schemas.schema(name))
    else:
        print("\n".join(schemas.names()))
    return 0
