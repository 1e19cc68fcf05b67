"""The data flow: one function per arrow, wired here and nowhere else.

::

    checkpoint ─inspect→ Inspection ─identify→ Identity ─obtain→ SourceTree ─derive→ Dependencies ─plan→ EnvSpec
       ─realise→ Box ─run(RunRequest)→ RunResult ─collect→ Measurements, Contract, Verdict ─render→ reports

``prepare`` goes as far as the plan and changes nothing; ``execute`` makes the box and runs the jobs; ``conclude``
turns their results into figures and reports. Each saves what it has before the next begins.
"""

from __future__ import annotations

from dnnbox.pipeline.inspecting import inspect_checkpoint
from dnnbox.pipeline.prepare import Prepared, prepare
from dnnbox.pipeline.running import Finished, run

__all__ = ["Finished", "Prepared", "inspect_checkpoint", "prepare", "run"]
