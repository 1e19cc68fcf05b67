"""outputs/*.json to files under reports/: the same bytes for the same outputs."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnnbox import text
from dnnbox.files import write_atomic
from dnnbox.reports import blocks, pages, stakeholder
from dnnbox.reports.blocks import Page
from dnnbox.reports.marker import Marker
from dnnbox.reports.outputs import Outputs, load
from dnnbox.reports.prose import NOTHING, Prose, data, unbroken
from dnnbox.reports.style import TEMPLATES, page_style, policy_hash
from dnnbox.reports.style import environment as templates

if TYPE_CHECKING:
    from jinja2 import Environment

FORMATS = ("md", "html")
EXPERIMENT, STAKEHOLDER = "experiment-report", "stakeholder-report"


def render(experiment: Path, formats: Sequence[str] = FORMATS, outputs: Outputs | None = None) -> tuple[Path, ...]:
    """Write both reports and their figures from ``outputs/`` and return the files written.

    A stakeholder report that somebody edited is left alone; the new one is written beside it only where there is none.
    """
    outputs = outputs or load(experiment)
    reports = experiment / "reports"
    (reports / "figures").mkdir(parents=True, exist_ok=True)
    page = pages.experiment(outputs, experiment)
    written = _figures(page, reports / "figures")
    for kind in formats:
        written.append(_write(reports / f"{EXPERIMENT}.{kind}", to_text(page, kind)))
    decision = stakeholder.page(outputs)
    marker = Marker(reports)
    for kind in formats:
        path = reports / f"{STAKEHOLDER}.{kind}"
        if marker.is_ours(path):
            written.append(_write(path, to_text(decision, kind)))
            marker.remember(path)
    return tuple(written)


def to_text(page: Page, kind: str) -> str:
    """Return a page as ``md`` or ``html``."""
    if kind == "html":
        template = _html_environment().get_template("page.html.j2")
        return template.render(page=page, style=page_style(), policy_hash=policy_hash()).strip() + "\n"
    if kind == "md":
        rendered = _markdown_environment().get_template("page.md.j2").render(page=page)
        return _tidy(rendered)
    raise ValueError(f"unknown report format {kind!r}")


def preload() -> None:
    """Compile the templates: most of a small run's report is that."""
    _html_environment().get_template("page.html.j2")
    _markdown_environment().get_template("page.md.j2")


def _write(path: Path, content: str) -> Path:
    write_atomic(path, content, durable=False)
    return path


def _figures(page: Page, folder: Path) -> list[Path]:
    every = [block for section in page.sections for block in section.blocks]
    written = [_write(folder / f"{figure.name}.svg", figure.file + "\n") for figure in blocks.figures(every)]
    for picture in blocks.pictures(every):
        path = folder / picture.name
        write_atomic(path, base64.b64decode(picture.data_uri.partition(",")[2]), durable=False)
        written.append(path)
    return written


def _tidy(markdown: str) -> str:
    """Return Markdown without trailing spaces and with one blank line between blocks."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in markdown.split("\n"))).strip() + "\n"


_TESTS: dict[str, type] = {
    "figure": blocks.Figure,
    "table": blocks.Table,
    "pairs": blocks.Pairs,
    "gallery": blocks.Gallery,
    "lines": blocks.Lines,
    "steps": blocks.Steps,
    "words": blocks.Words,
    "findings": blocks.Findings,
    "beside": blocks.Beside,
    "article": blocks.Article,
    "status": blocks.Status,
    "chip": blocks.Chip,
}


def _environment(finalize: Any = None) -> Environment:
    environment = templates(TEMPLATES, finalize)
    for name, kind in _TESTS.items():
        environment.tests[name] = lambda value, kind=kind: isinstance(value, kind)
    environment.globals["untitled"] = lambda block: replace(block, title=NOTHING, measured=NOTHING)
    return environment


@cache
def _html_environment() -> Environment:
    from markupsafe import Markup

    environment = _environment()
    environment.filters["prose"] = data  # may break at its joints, as all data may
    environment.filters["unbroken"] = lambda line: Markup(unbroken(line))  # noqa: S704 - it has escaped the line
    return environment


@cache
def _markdown_environment() -> Environment:
    """Escape by default, as autoescape does for HTML: whatever is no markup of ours becomes literal Markdown."""
    from markupsafe import Markup

    def literal(value: object) -> Markup:
        if isinstance(value, Markup):
            return value
        if isinstance(value, Prose):
            return Markup(value.markdown())  # noqa: S704 - escaped for Markdown, which is not HTML
        return Markup(text.markdown_escape(str(value)))  # noqa: S704

    environment = _environment(literal)
    environment.filters["fence"] = _fence
    environment.filters["code"] = lambda value: Markup(text.markdown_code(value, limit=500))  # noqa: S704
    return environment


def _fence(lines: Sequence[str]) -> str:
    """Return a fence longer than any run of backticks in the lines."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    return "`" * max(3, longest + 1)
