"""What could go wrong, by rules: each risk is read off a field of the outputs, none is imagined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dnnbox.reports import words
from dnnbox.reports.outputs import Outputs


@dataclass(frozen=True)
class Risk:
    """``is_urgent`` ones become next steps."""

    what: str
    effect: str
    remedy: str
    is_urgent: bool = False


def of(outputs: Outputs) -> tuple[Risk, ...]:
    """Return the risks, the gravest first."""
    found = (
        *_safety(outputs),
        *_identity(outputs),
        *_contract(outputs),
        *_measurement(outputs),
        *_fallbacks(outputs),
        *_environment(outputs),
        *_limits(outputs),
    )
    return tuple(sorted(found, key=lambda risk: not risk.is_urgent))


def _safety(outputs: Outputs) -> Iterator[Risk]:
    inspection = outputs.inspection
    if inspection is None:
        return
    if inspection.verdict == "dangerous":
        yield Risk(
            "The file holds calls that act when it is loaded",
            "It can run anything with the rights of whoever loads it",
            "Ask the author for safetensors; do not load the file outside a box",
            is_urgent=True,
        )
    if inspection.verdict == "needs-code":
        yield Risk(
            "The file needs code to be loaded",
            "Loading it runs code of the packages that it names",
            "Ask the author for plain weights (safetensors)",
            is_urgent=True,
        )
    if outputs.environment is not None and outputs.environment.sandbox.startswith("none"):
        yield Risk(
            "It ran without a sandbox",
            "The model's code could reach this user's files and the network",
            "Install bubblewrap or a container engine and run again",
            is_urgent=inspection.verdict in ("dangerous", "needs-code"),
        )
    yield from _own_code(outputs)
    yield from _licences(outputs)


def _own_code(outputs: Outputs) -> Iterator[Risk]:
    source = outputs.source
    if source is None or source.origin == "none":
        return
    if source.commit:
        what, remedy = (
            "The model is built by code of its own source",
            f"Review it and keep commit `{source.commit[:12]}`",
        )
    else:
        what, remedy = "The model is built by code without a version", "Keep the copy in `refs/`, or give a commit"
    yield Risk(what, "Another version of that code may answer differently", remedy)


def _licences(outputs: Outputs) -> Iterator[Risk]:
    source, published = outputs.source, outputs.published
    if source is not None and source.origin != "none" and not source.licence:
        yield Risk(
            "The licence of the source code is not known",
            "It may not be allowed to be used",
            "Ask the supplier; the source names none",
            is_urgent=True,
        )
    if published is not None and not published.licence:
        yield Risk(
            "The licence of the weights is not known",
            "They may not be allowed to be used",
            "Ask the supplier; no file beside the weights names one",
        )


def _identity(outputs: Outputs) -> Iterator[Risk]:
    best = outputs.identity.best
    if best is not None and best.match in ("similar", "family", "signal"):
        yield Risk(
            "The architecture is a guess from the tensors",
            "A wrong architecture gives plausible but wrong results",
            "Confirm the architecture with the author, or give it with `--family`",
            is_urgent=True,
        )
    if best is not None and best.same_weights:
        names = ", ".join(twin.architecture for twin in best.same_weights[:3])
        yield Risk(
            "Another architecture has the same weights",
            "A strict load cannot tell them apart",
            f"Confirm that it is not {names}",
        )
    if not outputs.index.provenance:
        yield Risk(
            "Where the file comes from is not recorded",
            "It cannot be compared with its source",
            "Record where it comes from with `--provenance url=URL`",
        )


def _contract(outputs: Outputs) -> Iterator[Risk]:
    for warning in outputs.contract.warnings[:3]:
        yield Risk(
            f"Doubtful input: {str(warning.get('text', '')).rstrip('.')}",
            "Speed is right, results may be wrong",
            "Compare what is done before the model with the upstream code",
            is_urgent=True,
        )
    if outputs.contract.fed_back.get("runs") is False:
        yield Risk(
            "Inputs made from the contract alone do not run",
            "Whoever builds it in from the contract will fail",
            "Complete the contract with `--contract FILE`",
            is_urgent=True,
        )
    assumed = [step.step for step in outputs.contract.preprocessing if step.status == "assumed"]
    if assumed:
        yield Risk(
            "The preparation of the input is assumed",
            "Speed is right, results may be wrong",
            f"Confirm {', '.join(assumed[:4])} in the upstream code",
            is_urgent=True,
        )
    if any(step.status == "assumed" for step in outputs.contract.postprocessing):
        yield Risk(
            "The reading of the output is assumed",
            "Thresholds or labels may be wrong",
            "Confirm the postprocessing in the upstream code",
        )
    if outputs.has_run and not outputs.params.get("inputs"):
        yield Risk(
            "The input was made up",
            "It shows that the model runs, not that it is useful",
            "Run again with real input: `--input PATH`",
            is_urgent=True,
        )


def _measurement(outputs: Outputs) -> Iterator[Risk]:
    stats = outputs.stats
    if stats.warm.drift:
        effect = (
            "The first requests are slower than the usual one"
            if "falls" in stats.warm.drift
            else "A long run may be slower than shown"
        )
        yield Risk(f"Response time {stats.warm.drift}", effect, "Measure longer")
    if stats.warm.modes_ms:
        yield Risk(
            "Response time has two modes",
            "The usual value depends on which one is met",
            "Look for what switches between them before setting a limit",
        )
    if stats.warm.latency_ms.p50 is not None and stats.warm.latency_ms.p99 is None:
        yield Risk(
            "Rare slow requests are not known",
            "The slowest 1 in 100 may be much slower",
            "Run without `--quick` to collect more samples",
        )


def _limits(outputs: Outputs) -> Iterator[Risk]:
    if weaker := words.weaker_limits(outputs):
        yield Risk(
            f"Not every limit was enforced: {weaker}",
            "A model that takes too much could disturb this machine and its own figures",
            "Run it on an engine, or in a control group, that can limit it",
        )


def _fallbacks(outputs: Outputs) -> Iterator[Risk]:
    on_cpu = {name: n for name, n in outputs.profile.providers.items() if name.upper().startswith("CPU") and n}
    if outputs.index.device in ("", "cpu") or not on_cpu or len(on_cpu) == len(outputs.profile.providers):
        return
    yield Risk(
        f"{sum(on_cpu.values())} operators ran on the CPU, not on {outputs.index.device}",
        "Copies between them cost time on every request",
        "Look at the operators in the profile; another export or a newer runtime may place them",
    )


def _environment(outputs: Outputs) -> Iterator[Risk]:
    environment = outputs.environment
    if environment is None:
        return
    if not environment.lock_sha256:
        yield Risk(
            "The packages are not locked",
            "Another day may install other versions",
            "Use the new environment, which is locked with hashes",
        )
    attempts = environment.attempts
    if any(attempt.ok for attempt in attempts) and not all(attempt.ok for attempt in attempts):
        yield Risk(
            "The latest versions did not work",
            "It depends on older pins",
            "Plan for the pins in the environment report",
        )
