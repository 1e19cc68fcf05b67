"""The token figure: how long each token after the first takes, in the order in which they come."""

from __future__ import annotations

from collections.abc import Sequence

from dnnbox.reports import numbers
from dnnbox.reports.canvas import Canvas, Size
from dnnbox.reports.figures import RIGHT_MARGIN, Draw, canvas_for, value_scale


def tokens(by_position_ms: Sequence[float], between_ms: float) -> Draw:
    """A bar for each token after the first; the line is the median over all of them."""

    def draw(size: Size) -> Canvas:
        said = f"{numbers.duration(between_ms)} between two tokens, median of {len(by_position_ms)} positions"
        canvas = canvas_for(size, 220, f"Time of each token after the first: {said}.")
        bottom, right = 176.0, canvas.width - RIGHT_MARGIN
        left, y = value_scale(canvas, "ms", max(*by_position_ms, between_ms), 26.0, bottom)
        step = (right - left) / len(by_position_ms)
        for place, ms in enumerate(by_position_ms):
            canvas.rect(left + step * place + step * 0.14, y(ms), step * 0.72, bottom - y(ms), "f1", 1)
        canvas.line(left, y(between_ms), right, y(between_ms), "ref")
        canvas.line(left, bottom, right, bottom, "ax")
        last = len(by_position_ms) + 1
        canvas.text(left + step / 2, bottom + 17, "2", "tk", "middle")
        canvas.text(right - step / 2, bottom + 17, str(last), "tk", "middle")
        canvas.text(left, bottom + 33, "token, in order", "tk")
        return canvas

    return draw
