"""The gate for machines: JUnit XML, a Markdown summary of a job, and GitHub's annotations."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from dnnbox.files import write_atomic
from dnnbox.handoff.gating import Gate, Rule
from dnnbox.reports import words
from dnnbox.reports.numbers import NBSP, fixed
from dnnbox.text import markdown, visible

_MARKS = {"met": "✓ met", "missed": "✕ missed", "unknown": "? unknown"}


def value_words(rule: Rule, value: float | None) -> str:
    """Return a figure of a rule with its unit."""
    return words.metric_value(rule.metric, value)


def change_words(rule: Rule) -> tuple[str, str]:
    """Return the change and its interval in words: ("+ 5 %", "+ 4 to + 6"); empty for a target."""
    if rule.change is None:
        return "", ""
    low, high = rule.change.interval
    shown = "no difference shown" if low <= 0 <= high else f"{_signed(rule.change.share)}{NBSP}%"
    return shown, f"{_signed(low)} to {_signed(high)}"


def _signed(share: float) -> str:
    percent = 100 * share
    decimals = 0 if abs(percent) >= 1 or round(percent, 1) == 0 else 1
    text = fixed(abs(percent), decimals)
    return f"{'−' if percent < 0 else '+'}{NBSP}{text}"


def verdict_words(gate: Gate) -> str:
    """Return the last line: PASS, FAIL or UNKNOWN and how many rules say so."""
    required = [rule for rule in gate.rules if rule.required]
    counts = {status: sum(rule.status == status for rule in required) for status in ("met", "missed", "unknown")}
    wanted = sum(not rule.required and rule.status != "met" for rule in gate.rules)
    tail = f", {wanted} wanted not met" if wanted else ""
    total = len(required)
    if not gate.rules:
        return "PASS  no rule was given: say what must hold with --target or --baseline"
    if gate.code == 0:
        return f"PASS  {counts['met']} of {total} required rules met{tail}."
    if counts["missed"]:
        return f"FAIL  {counts['missed']} of {total} required rules missed{tail}."
    return f"UNKNOWN  {counts['unknown']} of {total} required rules cannot be judged{tail}."


def junit(gate: Gate) -> str:
    """Return the gate as JUnit XML: missed is a failure, unknown an error, a wanted rule that is not met is skipped."""
    failures = sum(rule.required and rule.status == "missed" for rule in gate.rules)
    errors = sum(rule.required and rule.status == "unknown" for rule in gate.rules)
    skipped = sum(not rule.required and rule.status != "met" for rule in gate.rules)
    counts = {"tests": len(gate.rules), "failures": failures, "errors": errors, "skipped": skipped}
    suite = ET.Element("testsuite", {"name": "dnnbox gate", **{key: str(n) for key, n in counts.items()}})
    for rule in gate.rules:
        case = ET.SubElement(suite, "testcase", {"classname": f"dnnbox.{rule.kind}", "name": _plain(rule.name)})
        if rule.status != "met":
            kind = {"missed": "failure", "unknown": "error"}[rule.status] if rule.required else "skipped"
            ET.SubElement(case, kind, {"message": _plain(_sentence(rule))})
    root = ET.Element("testsuites", {key: str(n) for key, n in counts.items() if key != "skipped"})
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _plain(text: str) -> str:
    return visible(text.replace(NBSP, " ").replace("\u202f", " "), 400)


def _sentence(rule: Rule) -> str:
    change, interval = change_words(rule)
    parts = [f"measured {value_words(rule, rule.value)}"]
    if rule.base is not None:
        parts.append(f"baseline {value_words(rule, rule.base)}")
        parts.append(f"change {change} ({interval} %)")
    if rule.reason:
        parts.append(rule.reason)
    return ", ".join(parts)


def summary(gate: Gate) -> str:
    """Return the gate as Markdown, for a job's summary or a comment."""
    against = f" against {markdown(gate.baseline)}" if gate.baseline else ""
    verdict = f"**{markdown(verdict_words(gate))}** Exit code {gate.code}."
    head = f"### Gate: {markdown(gate.experiment)}{against}\n\n{verdict}\n"
    rows = [
        "| Rule | Baseline | Measured | Change | 99 % interval | Result |",
        "|---|---:|---:|---:|---:|---|",
        *(_row(rule) for rule in gate.rules),
    ]
    notes = "".join(f"\n{markdown(note)}\n" for note in gate.notes)
    return f"{head}\n" + "\n".join(rows) + f"\n{notes}"


def _row(rule: Rule) -> str:
    change, interval = change_words(rule)
    result = _MARKS[rule.status] + (f": {rule.reason}" if rule.reason else "")
    name = rule.name if rule.required else f"{rule.name}, wanted"
    base = value_words(rule, rule.base) if rule.base is not None else ""
    cells = (name, base, value_words(rule, rule.value), change, interval, result)
    return f"| {' | '.join(markdown(cell, 300) for cell in cells)} |"


def workflow_commands(gate: Gate) -> Iterator[str]:
    """Yield a workflow command of GitHub's for each rule that is not met."""
    for rule in gate.rules:
        if rule.status == "met":
            continue
        kind = ("error" if rule.status == "missed" else "warning") if rule.required else "notice"
        yield f"::{kind} title={_escaped(_plain(rule.name), in_property=True)}::{_escaped(_plain(_sentence(rule)))}"


def _escaped(text: str, *, in_property: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if in_property else text


def write(path: Path, content: str) -> None:
    """Write a file of the gate's; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content)


def append(path: Path, content: str) -> None:
    """Add to a file that others write to as well: GITHUB_STEP_SUMMARY."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(content)
