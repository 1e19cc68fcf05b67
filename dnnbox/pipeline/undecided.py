"""Where dnnbox cannot decide how to build a model: an experiment with what is known, and a skeleton to complete."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dnnbox import __version__, codec, reports
from dnnbox.dependencies.skeleton import adapter_skeleton
from dnnbox.errors import AdapterNeeded
from dnnbox.experiment import Experiment, default_root, utc_now
from dnnbox.files import expanded, write_atomic
from dnnbox.pipeline import resuming
from dnnbox.pipeline.inspecting import identified
from dnnbox.records.experiment import ExperimentIndex
from dnnbox.records.options import RunOptions
from dnnbox.reports import readmes
from dnnbox.store import Store

SKELETON = "scripts/adapter.py"


def leave_skeleton(options: RunOptions, error: AdapterNeeded) -> tuple[Path, ExperimentIndex, AdapterNeeded]:
    """Write the experiment of a run that stopped before its plan; return its folder, its index and the error.

    The error's hint then names the skeleton as the user may type it.
    """
    path = expanded(options.checkpoint)
    inspection = identified(path, family=options.family, with_hash=True)
    root = options.out or default_root(options.workspace, path.name)
    experiment = Experiment.create(
        root, ExperimentIndex(checkpoint=path.name, dnnbox_version=__version__, command=options.command)
    )
    resuming.remember_asked(experiment.index.id, options, path, Store.default())  # for `dnnbox verify`
    try:
        shown = root.relative_to(options.workspace) if root.is_relative_to(options.workspace) else root
        error.hint = f"complete {shown}/{SKELETON} and continue with `--adapter {shown}/{SKELETON}`"
        write_atomic(root / SKELETON, adapter_skeleton(inspection, error.what))
        known = replace(inspection, path=path.name, tensor_list=())
        experiment.save("inspection", {"schema": "dnnbox.inspection/1", **codec.to_json(known)})
        experiment.save("identity", inspection.identity)
        experiment.finish("failed", error.code, {**error.as_json(), "hint": f"complete {SKELETON}"})
        readmes.update(root, {"": "no adapter yet", "scripts": "skeleton of the adapter"}, when=utc_now())
        reports.render(root)
    finally:
        experiment.close()
    return root, experiment.index, error
