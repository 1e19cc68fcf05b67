"""The catalogue of known families: names of tensors → repository, class, arguments, and upstream's constants."""

from __future__ import annotations

from dnnbox.sources.known.adapter import adapter_text
from dnnbox.sources.known.matching import recognise

__all__ = ["adapter_text", "recognise"]
