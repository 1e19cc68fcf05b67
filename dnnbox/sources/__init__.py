"""Identity → SourceTree: where the code lies that the checkpoint needs. It is read, never imported."""

from __future__ import annotations

from dnnbox.sources.copies import snapshot
from dnnbox.sources.known import adapter_text, recognise
from dnnbox.sources.obtaining import obtain

__all__ = ["adapter_text", "obtain", "recognise", "snapshot"]
