"""Identity → SourceTree: where the code lies that the checkpoint needs. It is read, never imported."""

from __future__ import annotations

from dnnbox.sources.copies import snapshot
from dnnbox.sources.obtaining import obtain

__all__ = ["obtain", "snapshot"]
