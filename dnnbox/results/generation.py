"""Token after token: when the first one is there, how long the next ones take, and the rates of both parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from dnnbox.records.measurements import Generation, Statistics
from dnnbox.records.run import RunOutcome
from dnnbox.results import noise, statistics, told
from dnnbox.results.samples import ProcessSamples, read_all

_STEP = "token_"
_FIRST = ("preprocess", "prefill")
_COUNTS = ("sequences", "new_tokens", "prompt_tokens")
_MOST_TOKENS = 256


def generation(outcomes: Sequence[RunOutcome]) -> tuple[Generation | None, dict[str, str]]:
    """Return the figures of the generate jobs, or None and why there are none."""
    asked = [o for o in outcomes if o.job == "generate"]
    good = [o for o in asked if o.result is not None and o.result.error is None]
    processes = [p for p in read_all(good) if "prefill" in p.columns]
    if not processes:
        return None, {"generation": _why_not(outcomes, asked)}
    facts = next((o.result.generation for o in good if o.result and o.result.generation), {})
    steps = [name for name in processes[0].facts.columns if name.startswith(_STEP)]
    first = [_first_ms(p) for p in processes]
    between = [list(chain.from_iterable(p.columns[name] for name in steps)) for p in processes]
    prefill, whole = [p.columns["prefill"] for p in processes], [p.total_ms for p in processes]
    sequences, made, prompt = (told.whole(facts.get(name)) or 0 for name in _COUNTS)
    found = Generation(
        processes=len(processes),
        runs=sum(p.facts.n for p in processes),
        prompt_tokens=prompt,
        sequences=sequences,
        new_tokens=made,
        first_token_ms=_summary(first),
        prefill_ms=_summary(prefill),
        between_tokens_ms=_summary(between),
        total_ms=_summary(whole),
        by_position_ms=tuple(_median([p.columns[name] for p in processes]) for name in steps[:_MOST_TOKENS]),
        prefill_tokens_per_s=_rate(prompt, _median(prefill)),
        decode_tokens_per_s=_rate(sequences * len(steps), _decode_ms(processes, steps)),
        tokens_per_s=_rate(sequences * made, _mean(whole)),
        quality=noise.judge(good, processes)[0],
    )
    return found, _tail_reasons(found)


def _why_not(outcomes: Sequence[RunOutcome], asked: Sequence[RunOutcome]) -> str:
    """Return what the box said: of the generation itself, else of whether the model continues a text at all."""
    for outcome in asked:
        error = outcome.result.error if outcome.result is not None else None
        return error.detail[:300] if error else "the process did not survive it"
    for outcome in outcomes:
        said = outcome.result.findings.get("generates") if outcome.result is not None else None
        if isinstance(said, str) and said:
            return said[:300]
    return "it was not tried"


def _first_ms(process: ProcessSamples) -> list[float]:
    """Return the time to the first token of each run: reading the text and the prompt."""
    parts = [process.columns[name] for name in _FIRST if name in process.columns]
    return [sum(values) for values in zip(*parts, strict=True)]


def _summary(by_process: Sequence[Sequence[float]]) -> Statistics:
    """Summarise all samples, the interval widened to the medians of the single processes."""
    found = statistics.summarise(list(chain.from_iterable(by_process)))
    if found.ci95 is None:
        return found
    medians = [_median([values]) for values in by_process if values]
    return replace(found, ci95=(min(found.ci95[0], *medians), max(found.ci95[1], *medians)))


def _median(by_process: Sequence[Sequence[float]]) -> float:
    return statistics.percentile(sorted(chain.from_iterable(by_process)), 0.5)


def _mean(by_process: Sequence[Sequence[float]]) -> float:
    return sum(map(sum, by_process)) / sum(map(len, by_process))


def _decode_ms(processes: Sequence[ProcessSamples], steps: Sequence[str]) -> float:
    """Return the mean time of a run's tokens after the first."""
    return sum(_mean([p.columns[name] for p in processes]) for name in steps)


def _rate(tokens: int, milliseconds: float) -> float | None:
    return round(1e3 * tokens / milliseconds, 6) if tokens and milliseconds > 0 else None


def _tail_reasons(found: Generation) -> dict[str, str]:
    return {
        f"generation.{name}.{tail}": f"n too small: {summary.n} of {needed}"
        for name, summary in (("first_token_ms", found.first_token_ms), ("between_tokens_ms", found.between_tokens_ms))
        for tail, needed in statistics.MIN_SAMPLES.items()
        if getattr(summary, tail) is None
    }
