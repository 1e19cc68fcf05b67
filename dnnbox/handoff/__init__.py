"""Whole experiments given to others or held against one another. Above the pipeline, because it runs it.

==============  ==========================================================================
experiments     opens an experiment for a comparison: what it must have, its hardware class
spread          how far a figure may be off: the noise of one side of a comparison
gating          targets and baseline → met, missed, unknown, and the one exit code
gate_files      the gate for machines: JUnit XML, a Markdown summary, annotations
comparing       several experiments side by side
bundling        experiment → one file
unpacking       that file → a folder, as hostile data
replaying       the folder → rebuilt, rerun, compared
tensors         two arrays: same bits, within tolerance, or different
explaining      what differs between two runs, the likeliest cause first
history         an index of a workspace's experiments
==============  ==========================================================================
"""
