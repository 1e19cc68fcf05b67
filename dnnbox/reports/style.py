"""Templates and the stylesheet: read once, hashed for the page's policy, and cut down for figures that stand alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


def environment(templates: Path, finalize: Callable[[Any], Any] | None = None) -> Environment:
    """Return how templates are read: everything is escaped but what passes the filter ``own``, our own markup."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        finalize=finalize,
    )
    made.filters["own"] = Markup  # the stylesheet, figures drawn here, template punctuation, scripts
    return made


@cache
def page_style() -> str:
    """Return the stylesheet of the pages."""
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


@cache
def policy_hash() -> str:
    """Return the stylesheet's hash as a Content-Security-Policy source."""
    digest = hashlib.sha256(page_style().encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


@cache
def svg_style() -> str:
    """Return the colours and the shape classes, for an SVG file that no page styles."""
    sheet = page_style()
    colours = sheet[sheet.index("/* colours */") : sheet.index("/* end colours */")]
    shapes = sheet[sheet.index("/* shapes */") : sheet.index("/* end shapes */")]
    return f"{colours}{shapes}text{{font-family:sans-serif}}.fbg{{fill:var(--bg)}}"
