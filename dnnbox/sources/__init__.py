"""Identity → SourceTree: where the code lies that the checkpoint needs. It is read, never imported."""

from __future__ import annotations

from dnnbox.sources.obtaining import obtain
from dnnbox.sources.snapshot import snapshot

__all__ = ["obtain", "snapshot"]
