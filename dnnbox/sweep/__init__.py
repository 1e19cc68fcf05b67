"""Many runs: a matrix becomes cells, each cell one ``dnnbox run``, done once wherever it runs.

=============  ==============================================================================
matrix         MATRIX.toml → cells
cells          a cell, its key, and what is kept of it on disk
worker         one cell, as an executor runs it
executors      where cells run: on this machine, on Slurm, or what an entry point brings
local          a lane for each device of this machine
slurm          arrays of jobs that share a list of cells
slurm_options  the table [slurm]
pulling        such a list, and what a job does with it
preparing      environments, made in parallel before anything is timed
running        plan, prepare, submit, wait; interrupted sweeps go on
emit           the cells as a matrix for CI
leaderboard    all cells on one page
ranking        which cells are worth a look
pareto         the plot of the leaderboard
=============  ==============================================================================
"""
