"""What each command does: call the pipeline, show the result."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnnbox.cli import fail, parsing, show_json
from dnnbox.errors import IntegrityFailed, Usage, by_name, leaves

if TYPE_CHECKING:  # what only `run` needs would cost `inspect` a tenth of its time
    from dnnbox.cli.screens.progress import TerminalProgress as Display
    from dnnbox.consent import Ask, Choice
    from dnnbox.pipeline.running import Finished
    from dnnbox.records.plan import Plan


def plan(values: Mapping[str, Any]) -> int:
    """``dnnbox plan``."""
    from dnnbox.cli.screens.layout import look_of
    from dnnbox.cli.screens.plan import plan_screen
    from dnnbox.pipeline.prepare import prepare

    with progress(values["progress"]) as display:
        prepared = prepare(parsing.run_options(values), display)
    if values["json"]:
        show_json(prepared.plan)
    else:
        print(plan_screen(prepared.plan, look=look_of(sys.stdout)), end="")
    return 0


def env(values: Mapping[str, Any]) -> int:
    """``dnnbox env``. What could be written is written; the first format that could not decides the exit code."""
    from dnnbox.environments import exports
    from dnnbox.pipeline import exporting

    asked = tuple(dict.fromkeys(part for part in values["format"].split(",") if part))
    formats = tuple(exports.FORMATS) if asked == ("all",) else asked
    if not formats:
        raise Usage("--format names no format", hint=f"use {','.join(exports.FORMATS)} or all")
    accelerator: Any = parsing.one_of("--accelerator", values["accelerator"], exporting.ACCELERATORS)
    with progress(values["progress"]) as display:
        done = exporting.export(
            parsing.export_options(values),
            values["out"],
            formats,
            display,
            accelerator=accelerator,
            python=values["python"] or None,
        )
    if values["json"]:
        _show_export(done)
    else:
        print("\n".join(f"{values['out']}/{name}" for name in done.files))
    for name, error in done.failed:
        print(f"dnnbox: {name} was not written", file=sys.stderr)
        last = error
    return fail(last, []) if done.failed else 0


def _show_export(done: Any) -> None:
    failed = [{"format": name, **error.as_json()} for name, error in done.failed]
    show_json(
        {
            "schema": "dnnbox.env/1",
            "folder": str(done.folder),
            "formats": done.formats,
            "files": done.files,
            "lock": f"sha256:{done.lock_sha256}",
            "failed": failed,
        }
    )


def run(values: Mapping[str, Any]) -> int:
    """``dnnbox run``."""
    from dnnbox.pipeline import running

    resume = values.get("resume")
    if not (values["checkpoint"] or values["endpoint"]) and resume is None:
        raise Usage("Missing argument 'CKPT'", hint="see `dnnbox run --help`")
    options = parsing.run_options(values) if values["checkpoint"] or values["endpoint"] else None
    if options is None:
        parsing.refuse_others(values)
    with progress(values["progress"]) as display:
        if resume is not None:
            finished = running.resume(resume, options, progress=display)
        else:
            assert options is not None
            finished = running.run(options, ask=asking(display), progress=display)
    if values["json"]:
        index = finished.index
        error = finished.error.as_json() if finished.error else None
        show_json(
            {
                "experiment": str(finished.experiment),
                "status": index.status,
                "exit_code": index.exit_code,
                "error": error,
            }
        )
    elif finished.index.status == "success":
        _show_summary(finished)
    return _show_error(finished, values["json"]) if finished.error else 0


def _show_summary(finished: Finished) -> None:
    from dnnbox.cli.screens.layout import look_of
    from dnnbox.cli.screens.summary import RunNames, run_summary
    from dnnbox.codec import loads
    from dnnbox.records.evaluation import Quality, TrainingCheck
    from dnnbox.records.measurements import Contract, Profile, Stats, Verdict

    outputs = finished.experiment / "outputs"
    metrics, trained = outputs / "metrics.json", outputs / "training.json"
    shown = _shown(finished.experiment)
    names = RunNames(
        title=finished.title,
        experiment=shown,
        reports=tuple(f"{shown}/reports/{name}-report.html" for name in ("experiment", "stakeholder")),
        device=(finished.index.identities.get("device_class") or ""),
    )
    print(
        run_summary(
            finished.index,
            loads(Stats, (outputs / "stats.json").read_text(encoding="utf-8")),
            loads(Verdict, (outputs / "verdict.json").read_text(encoding="utf-8")),
            loads(Contract, (outputs / "io_contract.json").read_text(encoding="utf-8")),
            names,
            finished.seconds,
            look=look_of(sys.stdout),
            profile=loads(Profile, (outputs / "profile.json").read_text(encoding="utf-8")),
            quality=loads(Quality, metrics.read_text(encoding="utf-8")) if metrics.is_file() else None,
            training=loads(TrainingCheck, trained.read_text(encoding="utf-8")) if trained.is_file() else None,
        ),
        end="",
    )


def _shown(path: Path) -> str:
    """Return a path as the user may type it from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _show_error(finished: Finished, json: bool) -> int:
    """Say why it failed: on a terminal with the places to look at, else in one line."""
    from dnnbox.cli.screens.error import error_screen
    from dnnbox.cli.screens.layout import look_of

    assert finished.error is not None
    if json or not sys.stderr.isatty() or finished.error.name == "TARGET_MISSED":
        return fail(finished.error, [])
    shown = _shown(finished.experiment)
    screen = error_screen(
        finished.error,
        log=f"{shown}/logs",
        report=f"{shown}/reports/experiment-report.html",
        kept=("the environment; the next run reuses it",),
        look=look_of(sys.stderr),
    )
    print(screen, end="", file=sys.stderr)
    return finished.error.code


def asking(display: Display) -> Ask | None:
    """Return the consent question, or None where nobody can answer it."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def question(plan: Plan, choices: Sequence[Choice]) -> str:
        display.close()
        return _question(plan, choices)

    return question


def _question(plan: Plan, choices: Sequence[Choice]) -> str:
    from dnnbox.cli.screens.layout import look_of
    from dnnbox.cli.screens.plan import consent_keys, plan_screen
    from dnnbox.consent import answer_of
    from dnnbox.text import visible

    look = look_of(sys.stderr)
    print(plan_screen(plan, look=look), file=sys.stderr)
    with suppress(ImportError, OSError):
        import termios

        # What was typed before the question was there is no answer to it.
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
    while True:
        print(consent_keys(plan, choices, look=look), end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return "quit"
        if (answer := answer_of(line, choices)) is not None:
            return answer
        print(f"`{visible(line.strip(), 40)}` is none of these:", file=sys.stderr)


def doctor(*, deep: bool, bench: bool, json: bool) -> int:
    """``dnnbox doctor``; with ``deep`` a damaged store is an error, with ``bench`` the machine is measured first."""
    from dnnbox.cli import doctor as checks
    from dnnbox.cli.screens.doctor import doctor_screen
    from dnnbox.cli.screens.layout import look_of

    figures, measured = _benched() if bench else (None, ())  # before the other checks, which keep the machine busy
    found = checks.collect()
    damage = checks.store() if deep else ()
    found = (*found, *damage, *measured)
    if json:
        told = {"bench": figures} if figures is not None else {}
        show_json({"schema": "dnnbox.doctor/1", "checks": found, **told})
    else:
        print(doctor_screen(found, look=look_of(sys.stdout)), end="")
    return IntegrityFailed.code if any(check.status == "failed" for check in damage) else 0


def _benched() -> tuple[Any, tuple[Any, ...]]:
    from dnnbox.cli import doctor_bench

    print("measuring this machine for about 15 seconds", file=sys.stderr)
    return doctor_bench.bench()


def clean(*, everything: bool, older: str, keep: str, json: bool) -> int:
    """``dnnbox clean``. What is in use stays, and is counted."""
    from dnnbox import boxes
    from dnnbox.reports import numbers
    from dnnbox.store import Store

    days, keep_bytes = _days(older), parsing.size_bytes("--keep", keep) if keep else None
    containers = [
        name for engine in ("docker", "podman") if boxes.engine_available(engine) for name in boxes.sweep(engine)
    ]
    store = Store.default()
    doomed = list(store.stale(time.time() - (0.0 if everything else days * 86400), keep_bytes))
    removed = [entry for entry in doomed if store.remove(entry.path)]
    store.remove_leftovers()
    caches = store.remove_caches() if everything else None
    freed = sum(entry.bytes for entry in removed)
    in_use = len(doomed) - len(removed)
    if json:
        names = [entry.path.name for entry in removed]
        found = {"containers": containers, "environments": names, "freed_bytes": freed, "in_use": in_use}
        show_json({**found, "caches": caches})
        return 0
    print(f"removed {len(containers)} containers, {len(removed)} environments ({numbers.size(freed)})")
    if in_use:
        print(f"{numbers.counted(in_use, 'environment')} in use stayed")
    if caches is False:
        print("the caches stayed: an environment is being made from them")
    return 0


def _days(text: str) -> float:
    try:
        days = float(text.removesuffix("d"))
        if not 0 <= days < 1e6:
            raise ValueError
    except ValueError as error:
        raise Usage(f"--older `{text}` is not a number of days", hint="for example --older 30") from error
    return days


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


def progress(name: str) -> Display:
    """Return the progress display for ``--progress``."""
    from dnnbox.cli.screens.progress import TerminalProgress

    return TerminalProgress(parsing.one_of("--progress", name, ("auto", "plain", "none")))


def schema(name: str) -> int:
    """``dnnbox schema``."""
    from dnnbox import schema as schemas

    if name:
        show_json(schemas.schema(name))
    else:
        print("\n".join(schemas.names()))
    return 0
