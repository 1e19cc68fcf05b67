"""The data flow: one function per arrow, wired in this package and nowhere else.

::

    checkpoint ─inspect→ Inspection ─identify→ Identity ─obtain→ SourceTree ─derive→ Dependencies ─plan→ EnvSpec
       ─realise→ Box ─run(RunRequest)→ RunResult ─collect→ Measurements, Contract, Verdict ─render→ reports

===========  =========================================================================
inspecting   the first arrows; what ``dnnbox inspect`` needs, and nothing heavier
prepare      as far as the plan; changes nothing
planning     the plan in words
execute      makes the environment, opens the box, runs the jobs
conclude     figures, contract, verdict, scripts, reports
running      the whole experiment, and what is left when it stops half-way
===========  =========================================================================

Each saves what it has before the next begins. Import the module that you need: a package that imported them all would
cost every command the start-up of the largest.
"""
