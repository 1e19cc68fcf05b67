"""The job ``match``: from a state dict and a plan of its source to calls that build the model, tried in this box.

=========  ==============================================================================
standins   what replaces missing modules and forbidden actions; stdlib only
importing  the source's modules, with paths and stand-ins as far as imports ask for them
weights    the checkpoint's tensors, and what else it says
building   plain values → a module without weights; how well it fits
candidates the calls to try
solving    arguments from shapes
forwarding inputs that a module takes
search     the order of it all
=========  ==============================================================================
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..session import Context


def match_job(context: "Context") -> None:
    """Run the search that ``work["plan"]`` describes; the answer goes into the result's findings."""
    from .search import Search

    context.enter("match")
    os.environ["PATH"] = "/nowhere"  # sources have been seen to call pip and git while they are imported
    request = context.request
    entry = str(request.work.get("entry") or "")
    search = Search(
        request.work["plan"],
        list(request.sys_path),
        request.checkpoint,
        entry,
        lambda text: context.progress.show("match", 0, 0, text),
    )
    search.run()
    context.fields["findings"] = {"match": search.answer()}
