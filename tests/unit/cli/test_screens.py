"""Every screen against its golden text, in two widths, in ASCII, and with hostile text in every foreign field."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dnnbox.cli.screens.doctor import abilities, doctor_screen
from dnnbox.cli.screens.error import error_screen
from dnnbox.cli.screens.inspect import inspect_screen, not_known
from dnnbox.cli.screens.layout import Look, cells
from dnnbox.cli.screens.plan import consent_keys, plan_screen
from dnnbox.cli.screens.summary import RunNames, margin, run_summary
from dnnbox.consent import choices
from dnnbox.errors import Busy, UnsafeCheckpoint
from dnnbox.records.experiment import ExperimentIndex
from dnnbox.records.identity import Identity
from dnnbox.records.inspection import Inspection
from dnnbox.records.measurements import Contract, Stats, Target, Verdict
from dnnbox.records.plan import FitCheck, Plan
from dnnbox.records.source import SourceTree
from tests.unit.cli import made
from tests.unit.text import hostile

GOLDEN = Path(__file__).parent / "golden"
NAMES = RunNames(
    "timm resnet18",
    "tmp/resnet18-10-20260312-101500",
    ("tmp/resnet18-10-20260312-101500/reports/experiment-report.html",),
    next_step="dnnbox gate tmp/resnet18-10-20260312-101500 in CI",
)

SCREENS: dict[str, Callable[[Look], str]] = {
    "inspect": lambda look: inspect_screen(made.INSPECTION, 0.4123, tensors=True, look=look),
    "plan": lambda look: (
        plan_screen(made.PLAN, look=look)
        + "\n"
        + consent_keys(made.PLAN, choices(made.PLAN, managers=("venv",), has_engine=True), look=look)
    ),
    "summary": lambda look: run_summary(made.INDEX, made.STATS, made.VERDICT, made.CONTRACT, NAMES, 372.0, look=look),
    "error": lambda look: error_screen(made.ERROR, log="tmp/x/logs/load.log", kept=("the environment",), look=look),
    "doctor": lambda look: doctor_screen(made.CHECKS, look=look),
}
LOOKS = {"100": Look(), "80-ascii": Look(columns=80, unicode=False), "colour": Look(colour=True, columns=90)}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("screen", SCREENS)
def test_screen__made_record__matches_golden_text(screen: str, look: str) -> None:
    """Set DNNBOX_GOLDEN=1 to write the texts anew, and read the difference."""
    shown = SCREENS[screen](LOOKS[look])
    path = GOLDEN / f"{screen}-{look}.txt"
    if os.environ.get("DNNBOX_GOLDEN") == "1":
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("screen", SCREENS)
def test_screen__any_look__keeps_to_its_columns(screen: str, look: str) -> None:
    lines = _without_colour(SCREENS[screen](LOOKS[look])).split("\n")
    assert max(map(cells, lines)) <= LOOKS[look].columns
    assert not any(line != line.rstrip() for line in lines[:-1])


def test_screen__ascii_look__is_ascii() -> None:
    assert all(SCREENS[screen](LOOKS["80-ascii"]).isascii() for screen in SCREENS)


def test_screen__colour__changes_nothing_but_colour() -> None:
    for screen in SCREENS.values():
        assert _without_colour(screen(Look(colour=True))) == screen(Look())


def _without_colour(text: str) -> str:
    return re.sub(r"\x1b\[[0-9]+m", "", text)


@pytest.mark.parametrize("poison", [*hostile.TERMINAL, *hostile.INVISIBLE], ids=ascii)
def test_screens__hostile_text_in_every_field__show_nothing_live(poison: str) -> None:
    error = UnsafeCheckpoint(
        poison, hint=poison, phase=poison, details={"where": poison, "excerpt": [poison], poison: poison}
    )
    names = RunNames(poison, poison, (poison,), poison, poison)
    plan = made.poisoned(made.PLAN, poison)
    shown = [
        inspect_screen(made.poisoned(made.INSPECTION, poison), 0.4, tensors=True),
        plan_screen(plan),
        consent_keys(plan, choices(plan, managers=("venv",), has_engine=True)),
        run_summary(
            made.poisoned(made.INDEX, poison), made.poisoned(made.STATS, poison), made.poisoned(made.VERDICT, poison),
            made.poisoned(made.CONTRACT, poison), names, 3.0,
        ),
        error_screen(error, log=poison, report=poison, kept=(poison,)),
        doctor_screen([made.poisoned(check, poison) for check in made.CHECKS]),
    ]  # fmt: skip
    lines = [line for screen in shown for line in screen.split("\n")]
    assert all(line.isprintable() for line in lines)
    # A command or a path is never wrapped: it is there to be pasted.
    pasted = ("Next", "  Reports", "  Experiment")
    assert max(cells(line) for line in lines if not line.startswith(pasted)) <= 100


def test_screens__credentials_in_texts__are_gone() -> None:
    secret = "https://bob:hunter2@example.org/x.git"
    source = SourceTree("git", url=secret, commit="0" * 40)
    shown = [
        error_screen(Busy(secret, hint=secret, details={"where": secret, "help": [secret]})),
        doctor_screen([FitCheck("Proxy", "failed", secret, secret)]),
        plan_screen(Plan(source=source, network=(secret,), will=(secret,))),
    ]
    assert not any("hunter2" in text for text in shown)


# -- inspect ---------------------------------------------------------------------------------------------------------


def test_inspect__unknown_identity__says_so_first_and_lists_what_is_not_known() -> None:
    inspection = Inspection("x.bin", "file", "safetensors", "pytorch", 12, "no-code", identity=Identity())
    text = inspect_screen(inspection, 0.1)
    assert "? unknown" in text
    assert not_known(inspection)[:3] == ("architecture", "input shape", "outputs")


def test_inspect__needs_code__next_step_names_the_package_to_give() -> None:
    inspection = Inspection(
        "m.pt", "file", "torch-zip", "pytorch", 12, "needs-code", needs_code=("sitecam.heads.Helmet",)
    )
    assert "--source PATH, the folder that holds sitecam" in inspect_screen(inspection, 0.1)


def test_inspect__dangerous__does_not_offer_a_plain_plan() -> None:
    inspection = Inspection("m.pt", "file", "torch-zip", "pytorch", 12, "dangerous")
    text = inspect_screen(inspection, 0.1)
    assert "✕ dangerous" in text
    assert "Next         dnnbox plan m.pt --allow unsafe-pickle\n" in text


def test_inspect__path_with_space__next_command_can_be_pasted() -> None:
    inspection = Inspection("my models/x y.pt", "file", "onnx", "onnx", 12, "no-code")
    assert "dnnbox plan 'my models/x y.pt'" in inspect_screen(inspection, 0.1)


def test_inspect__hundreds_of_findings__shows_the_worst_and_counts_the_rest() -> None:
    from dnnbox.records.inspection import Finding

    findings = (*(Finding("info", "x", "a", "small") for _ in range(300)), Finding("danger", "x", "b", "worst of all"))
    text = inspect_screen(Inspection("m.pt", "file", "torch-zip", "pytorch", 1, "dangerous", findings=findings), 0.1)
    assert "worst of all" in text
    assert "… and 291 more in --json" in text


# -- plan ------------------------------------------------------------------------------------------------------------


def test_plan__environment_exists__enter_installs_nothing() -> None:
    plan = Plan(box="venv", sandbox="bubblewrap", environment_exists=True, packages=made.PLAN.packages)
    keys = consent_keys(plan, choices(plan, managers=(), has_engine=False))
    assert "Enter   run this plan: nothing to install" in keys
    assert keys.endswith("Run? [Enter/q] ")


def test_plan__no_sandbox__warns_with_the_reason() -> None:
    text = plan_screen(Plan(box="venv", sandbox="none: bubblewrap is not installed"))
    assert "! a new venv for this model, not sandboxed: bubblewrap is not installed" in " ".join(text.split())


def test_plan__sizes_not_known__says_so_instead_of_zero() -> None:
    from dnnbox.records.environment import LockedPackage

    text = plan_screen(Plan(packages=(LockedPackage("torch", "2.13"),), download_bytes=0))
    assert "download size not known" in text


def test_plan__every_package__is_on_the_screen() -> None:
    text = " ".join(plan_screen(made.PLAN).split())
    assert all(f"{package.name} {package.version}" in text for package in made.PLAN.packages)


# -- summary ---------------------------------------------------------------------------------------------------------


def test_summary__nothing_measured__keeps_the_cells_and_says_not_measured() -> None:
    text = run_summary(
        ExperimentIndex(status="failed", error={"message": "boom"}), Stats(), Verdict(), Contract(), NAMES, 3.0
    )
    labels = ["Runs", "Latency", "Throughput", "Cold start", "Memory", "Bound by", "Noise"]
    positions = [text.index(f"\n  {label}") for label in labels]
    assert positions == sorted(positions)
    assert text.count("not measured") == 5
    assert "✕ no             boom" in text


@pytest.mark.parametrize(
    ("measured", "delta", "status", "words"),
    [
        (14.6, -5.4, "met", "margin 5.4\u00a0ms"),
        (25.0, 5.0, "missed", "over by 5.0\u00a0ms"),
        (None, None, "unknown", ""),
    ],
)
def test_margin__each_side_of_the_limit__says_which_with_the_unit(
    measured: float | None, delta: float | None, status: str, words: str
) -> None:
    target = Target("latency_p50_ms<=20", "latency_p50_ms", measured, 20.0, delta, status, "x")  # type: ignore[arg-type]
    assert margin(target) == words


def test_margin__throughput_too_low__is_short() -> None:
    target = Target("throughput_items_s>=100", "throughput_items_s", 80.0, 100.0, -20.0, "missed", "x")
    assert margin(target) == "short by 20.0\u00a0items/s"


def test_summary__narrow_terminal__breaks_neither_words_nor_paths() -> None:
    report = "tmp/a-model-with-a-name-of-some-length-20260312-140809/reports/experiment-report.html"
    noise = {"checks": [{"ok": False, "text": "the process waited for a CPU that others used for a while"}]}
    stats = replace(made.STATS, quality="contended", noise=noise)
    names = RunNames("net", "tmp/net", (report,))
    text = run_summary(made.INDEX, stats, made.VERDICT, made.CONTRACT, names, 3.0, look=Look(columns=60))
    assert report in text
    lines = [line.strip() for line in text.split("\n")]
    assert "the process waited for a" in " ".join(lines)
    assert all(cells(line) <= 60 for line in lines if report not in line)
    assert "Latency p50" in text


# -- error and doctor ------------------------------------------------------------------------------------------------


def test_error__without_hint__helps_with_the_remedy_of_its_class() -> None:
    text = error_screen(Busy("another run holds it"))
    assert f"help: {Busy.remedy}" in text
    assert "it may work when you try again" in text


def test_abilities__warning_counts_as_there__failed_does_not() -> None:
    checks = [FitCheck("git", "warning", ""), FitCheck("GPU 1", "ok", ""), FitCheck("bubblewrap", "failed", "")]
    can, cannot = abilities(checks)
    assert can == ("run on a GPU", "clone source code")
    assert "run in a sandboxed venv" in cannot


def test_doctor__failed_check__stands_with_its_fix_and_is_counted() -> None:
    text = doctor_screen(made.CHECKS)
    assert "→ start it with `systemctl start docker`" in text
    assert text.endswith("7 checks: 4 ok, 1 failed, 1 warning, 1 unknown\n")
