"""The experiment report as a page."""

from __future__ import annotations

from pathlib import Path

from dnnbox.reports import border, cold, examples, failed, generation, profile, quality, sections, speed, summary
from dnnbox.reports.blocks import Page, Section
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import say


def experiment(outputs: Outputs, root: Path) -> Page:
    """Return the page; ``root`` is where the pictures among the artifacts lie."""
    is_failed = failed.is_failed(outputs)
    found: list[Section | None] = [
        *(failed.sections(outputs) if is_failed else ()),
        sections.identity(outputs),
        speed.speed(outputs),
        generation.generation(outputs),
        profile.profile(outputs),
        cold.cold(outputs),
        border.contract(outputs),
        quality.quality(outputs, root),
        quality.training(outputs),
        examples.section(outputs, root),
        sections.environment(outputs),
        sections.repeat(outputs),
        sections.definitions(outputs),
    ]
    return Page(
        kind="experiment",
        id=outputs.index.id,
        title=failed.title(outputs) if is_failed else summary.title(outputs),
        lede=failed.lede(outputs) if is_failed else summary.lede(outputs),
        eyebrow=summary.eyebrow(outputs),
        sections=tuple(section for section in found if section is not None),
        summary=summary.targets_table(outputs),
        answers=summary.answers(outputs),
        ladder=failed.ladder(outputs) if is_failed else (),
        footer=(say("Every number on this page stands in `outputs/`; the names in Definitions say where."),),
    )
