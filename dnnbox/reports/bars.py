"""Small drawings for table cells, beside the number that they show."""

from __future__ import annotations


def share_bar(share: float, css: str = "f1") -> str:
    """Return a bar for a table cell, beside its number."""
    width = 120 * min(max(share, 0.0), 1.0)
    return (
        '<svg class="bar1" viewBox="0 0 120 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="ftrack" width="120" height="8"/><rect class="{css}" width="{width:.1f}" height="8"/></svg>'
    )


def bullet(value: float, interval: tuple[float, float] | None, limit: float, *, upper: bool, state: str) -> str:
    """Return a dot with its interval on a track whose thick part is the allowed side of the limit."""
    low, high = interval or (value, value)
    reach = max(abs(x - limit) for x in (value, low, high)) or abs(limit) or 1.0
    span = max(reach * 1.15, abs(limit) * 0.05)

    def x(number: float) -> float:
        return 5 + 210 * min(max((number - limit + span) / (2 * span), 0.0), 1.0)

    allowed = (5.0, x(limit)) if upper else (x(limit), 215.0)
    whisker = f'<path class="lt" d="M{x(low):.1f} 9H{x(high):.1f}"/>' if high > low else ""
    dot = {"met": "ftext", "missed": "fmiss"}.get(state, "hollow")
    return (
        '<svg class="bul" viewBox="0 0 220 18" width="220" height="18" aria-hidden="true">'
        '<path class="gr2" d="M5 9H215"/>'
        f'<rect class="fzone" x="{allowed[0]:.1f}" y="4" width="{allowed[1] - allowed[0]:.1f}" height="10"/>'
        f'<path class="lt" d="M{x(limit):.1f} 1V17"/>{whisker}'
        f'<circle class="{dot}" cx="{x(value):.1f}" cy="9" r="4.2"/></svg>'
    )
