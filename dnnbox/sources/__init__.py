"""Identity → SourceTree: where the code lies that the checkpoint needs. It is read, never imported."""

from __future__ import annotations

from dnnbox.sources.cards import published
from dnnbox.sources.constants import Constant, constants_of
from dnnbox.sources.copies import snapshot
from dnnbox.sources.known import adapter_text, recognise
from dnnbox.sources.obtaining import obtain

__all__ = ["Constant", "adapter_text", "constants_of", "obtain", "published", "recognise", "snapshot"]
