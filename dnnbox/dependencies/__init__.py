"""Arrow 4, derive: Inspection, Identity and SourceTree → what must be installed to run the model, with reasons."""

from __future__ import annotations

from pathlib import Path

from dnnbox.dependencies.choosing import STATE_DICT_FORMATS, builds_from_library, choose
from dnnbox.records.dependencies import Dependencies
from dnnbox.records.identity import Identity
from dnnbox.records.inspection import Inspection
from dnnbox.records.source import SourceTree

__all__ = ["STATE_DICT_FORMATS", "builds_from_library", "derive", "mend"]


def mend(dependencies: Dependencies, failure: str, missing: str, source_root: str) -> tuple[str, Dependencies] | None:
    """Return what is different and the dependencies for another try, None where nothing is known to help."""
    from dnnbox.dependencies.mending import mended  # only after a failure

    found = mended(dependencies, failure, missing, source_root)
    return (found.what, found.dependencies) if found else None


def derive(
    inspection: Inspection, identity: Identity, source: SourceTree, *, adapter: Path | None = None
) -> Dependencies:
    """Return the runtime for a checkpoint, its requirements and its options.

    Raises:
        AdapterNeeded: how to build or feed the model is not known; the error says what is missing.
        Unsupported: nothing here runs this format.
    """
    chosen = choose(inspection, identity, source, has_adapter=adapter is not None)
    from dnnbox.dependencies.deriving import dependencies_of  # needless for what nothing runs

    return dependencies_of(chosen, inspection, identity, source, adapter)
