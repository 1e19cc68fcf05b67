"""The stylesheet: read once, hashed for the page's policy, and cut down for figures that stand alone."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"


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
