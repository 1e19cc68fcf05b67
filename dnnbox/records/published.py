"""Arrow 3, obtain: what upstream publishes of the model, as it stands in its documents."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedFigure:
    """One figure as somebody published it. ``metric`` is a name of ``outputs/`` where there is one for it, else a word.

    ``value`` is the number that the document has, ``unit`` what stands behind it (%, ms, M …) or "". ``quote`` is the
    line, ``source`` its file:line.
    """

    metric: str
    value: float
    unit: str = ""
    dataset: str = ""
    quote: str = ""
    source: str = ""


@dataclass(frozen=True)
class Published:
    """``outputs/published.json``: quotes, labelled as such. Nothing of it was measured here or is believed.

    ``looked`` names the documents that were read; ``reason`` says why there is no figure. ``licence`` is what they say
    of the weights' licence, "" where nothing does.
    """

    schema: str = "dnnbox.published/1"
    figures: tuple[PublishedFigure, ...] = ()
    looked: tuple[str, ...] = ()
    reason: str = ""
    licence: str = ""
