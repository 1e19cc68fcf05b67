"""The first arrows: checkpoint → Inspection → Identity, without executing anything."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from dnnbox import checkpoints, identify
from dnnbox.errors import AdapterNeeded, DnnboxError, NotReadable, SourceNotFound, Unsupported
from dnnbox.files import expanded
from dnnbox.records.inspection import Finding, Inspection
from dnnbox.records.source import SourceTree
from dnnbox.text import visible

_URL = r"[A-Za-z][A-Za-z0-9+.-]*://"


def local_path(argument: str) -> Path:
    """Return the checkpoint's path; checkpoints are never downloaded.

    Raises:
        NotReadable: a URL was given, or nothing is there.
    """
    if re.match(_URL, argument):
        raise NotReadable(
            f"`{visible(argument, 80)}` is a URL; dnnbox never downloads checkpoints",
            hint="download it to checkpoints/ yourself and give the path",
            phase="inspect",
        )
    path = expanded(argument)
    if not argument or not os.path.lexists(path):
        raise NotReadable(
            f"`{visible(argument, 120)}` does not exist", hint="give a local file or directory", phase="inspect"
        )
    return path


def identified(path: Path, *, family: str = "", with_hash: bool = False) -> Inspection:
    """Return the Inspection with its Identity and what that tells of inputs and outputs."""
    try:
        inspection = checkpoints.inspect(path, with_hash=with_hash)
    except DnnboxError as error:
        error.phase = error.phase or "inspect"
        raise
    identity = identify.identify(inspection, family=family or None)
    return replace(inspection, identity=identity, io_hints=identify.io_hints(inspection, identity.best))


def inspect_checkpoint(argument: str, *, family: str = "", with_hash: bool = False) -> Inspection:
    """Return everything that reading without executing can tell, the dependencies included.

    What stands between the file and a run (source not found, no runtime) is a finding here, not an error.
    """
    from dnnbox import dependencies

    path = local_path(argument)
    inspection = identified(path, family=family, with_hash=with_hash)
    try:
        derived = dependencies.derive(inspection, inspection.identity, _source(inspection))
    except (SourceNotFound, AdapterNeeded, Unsupported) as error:
        severity: Finding = Finding("warning", error.name.lower().replace("_", "-"), path.name, error.what)
        return replace(inspection, findings=(*inspection.findings, severity))
    return replace(inspection, dependencies=derived.requirements)


def _source(inspection: Inspection) -> SourceTree:
    """Return where the code lies that the checkpoint names; most name none, and then nothing is imported to look."""
    if not inspection.needs_code:
        return SourceTree("none")
    from dnnbox import sources

    return sources.obtain(inspection, inspection.identity, given=None, workspace=Path.cwd(), refs_dir=None)
