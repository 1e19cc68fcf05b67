"""The job ``match``: from a state dict and a plan of its source to calls that build the model, tried in this box.

=========  ==============================================================================
standins   what replaces missing modules and forbidden actions; ``hub``: and models of a hub; stdlib only
importing  the source's modules, with paths and stand-ins as far as imports ask for them
weights    the checkpoint's tensors, and what else it says
building   plain values → a module without weights; how well it fits
candidates the calls to try; ``configs``: classes of settings among their arguments
rehearsing what upstream's own scripts give to their models' constructors; ``rehearsal``: how they are run
solving    arguments from shapes; ``wholes``: a class around the part that fits
forwarding inputs that a module takes; ``calling``: made up, and called with; ``ladder``: shapes for the main one;
           ``arguments``: one of them; ``describing``: by its comments; ``kinds``: by the code that uses it;
           ``repairing``: by what its errors say
budget     what all of it may cost; ``room``: in memory
comparing  equal weights and inputs for what fits
search     the order of it all
=========  ==============================================================================
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what only the box needs
    from ..session import Context

_LAST_SHARE = 0.96  # of the wall time: then the answer so far is written, whatever the search is doing


def match_job(context: "Context") -> None:
    """Run the search that ``work["plan"]`` describes; the answer goes into the result's findings.

    ``work["seconds"]`` is what it may take on the clock, ``work["memory_bytes"]`` what the box has.
    A search that hangs in compiled code is left behind: what was
    found before stands in the result.
    """
    from . import hub
    from .budget import WALL_SECONDS, Budget
    from .building import named_shapes
    from .room import bounded
    from .search import Search
    from .values import finite

    context.enter("match")
    request = context.request
    wall_s = float(request.work.get("seconds") or WALL_SECONDS)
    budget = Budget(wall_s=wall_s)
    search = Search(
        request.work["plan"],
        list(request.sys_path),
        request.checkpoint,
        str(request.work.get("entry") or ""),
        lambda text: context.progress.show("match", 0, 0, text),
        budget,
    )

    hub.WANTED.update(named_shapes(search.tensors))

    def answer() -> None:
        sizes = {name: dict(values) for name, values in list(hub.SIZES.items()) if values}
        context.fields["findings"] = {"match": dict(finite(search.answer()), **({"sizes": sizes} if sizes else {}))}

    answering = threading.Lock()

    def last_moment() -> None:
        if answering.acquire(blocking=False):
            try:
                context.leave(answer)
            finally:
                answering.release()  # still here: the search may have changed what was read, and ends by itself

    last = threading.Timer(wall_s * _LAST_SHARE - budget.spent()[1], last_moment)
    last.daemon = True
    last.start()
    try:
        with bounded(int(request.work.get("memory_bytes") or 0)):
            search.run()
        answering.acquire()  # where the last moment has come first, the process ends here
    finally:
        last.cancel()
    answer()
