"""What the user asked for beyond running and measuring: data to judge by, a reference, a training check, a contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dnnbox import inputs
from dnnbox.dependencies.imports import external_imports, requirements_of
from dnnbox.errors import NotReadable, Usage
from dnnbox.records.dependencies import Dependencies, Requirement
from dnnbox.records.environment import Mount
from dnnbox.records.evaluation import LabelledSet
from dnnbox.records.evidence import Evidence
from dnnbox.records.options import RunOptions
from dnnbox.results import stated as contracts
from dnnbox.text import visible

if TYPE_CHECKING:
    from dnnbox.pipeline.prepare import Prepared

DATASET, METRICS = "/dnnbox/dataset", "/dnnbox/metrics"
_GOAL_NEEDS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "boxes": (("pycocotools", "computes average precision"),),
    "transcripts": (("jiwer", "computes error rates"),),
    "pictures": (("scikit-image", "computes structural similarity"), ("numpy", "compares pictures")),
    "masks": (("numpy", "compares masks"),),
}
_ONNX_NEEDS = (("onnx", "writes the model as ONNX"), ("onnxscript", "writes the model as ONNX"),
               ("onnxruntime", "runs the ONNX form"))  # fmt: skip
_EXPORTABLE = ("timm", "torchvision", "transformers", "torch_module", "lightning")
_TRAINABLE = (*_EXPORTABLE, "sentence_transformers", "torchscript", "open_clip", "keras", "adapter")


@dataclass(frozen=True)
class Asked:
    """``reference`` is the other checkpoint's own preparation; ``outputs`` are saved outputs instead."""

    stated: contracts.Stated | None = None
    dataset: LabelledSet | None = None
    metrics: Path | None = None
    reference: Prepared | None = None
    outputs: Path | None = None
    train_check: bool = False
    is_onnx: bool = False

    def mounts(self) -> Iterator[Mount]:
        """Yield what the box sees of it, read-only."""
        if self.dataset is not None:
            yield Mount(str(Path(self.dataset.root).resolve()), DATASET)
        if self.metrics is not None:
            yield Mount(str(self.metrics.resolve()), f"{METRICS}/{self.metrics.name}")

    def will(self) -> Iterator[str]:
        """Yield the plan's sentences about it."""
        if self.dataset is not None:
            name = visible(self.dataset.name, 60)
            yield f"run {len(self.dataset.rows)} labelled items of {name} and judge the answers ({self.dataset.goal})"
        if self.metrics is not None:
            yield f"run your metrics in {visible(self.metrics.name, 60)} inside the box"
        if self.train_check:
            yield "train twenty steps on one batch, and keep nothing of it"
        if self.reference is not None:
            lock = self.reference.lock
            count = f", {len(lock.packages)} packages" if lock else ""
            yield f"run {visible(self.reference.path.name, 60)} on the same inputs, in an environment of its own{count}"
        if self.is_onnx:
            yield "write the model as ONNX inside the box and compare its outputs"
        if self.outputs is not None:
            yield f"compare the outputs with {visible(self.outputs.name, 60)}"


def read(options: RunOptions) -> Asked:
    """Return what can be known before the checkpoint is.

    Raises:
        Usage, NotReadable: the contract, or a reference that is not there.
    """
    path = Path(options.reference).expanduser() if options.reference not in ("", "onnx") else None
    if path is not None and not path.exists():
        raise NotReadable(
            f"--reference `{visible(path.name, 80)}` does not exist",
            hint="give a checkpoint, a folder of .npy files, or `onnx`",
            phase="inspect",
        )
    is_saved = path is not None and _is_saved(path)
    return Asked(
        stated=contracts.read(options.contract) if options.contract else None,
        metrics=options.metrics,
        outputs=path if is_saved else None,
        train_check=options.train_check,
        is_onnx=options.reference == "onnx",
    )


def _is_saved(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() == ".npy"
    return (path / "outputs" / "arrays").is_dir() or any(path.glob("*.npy"))


def labelled(asked: Asked, options: RunOptions, task: str) -> Asked:
    """Add the rows of the dataset, now that the task is known."""
    if options.dataset is None:
        if options.metrics is not None:
            raise Usage("`--metrics` needs items to judge", hint="give them with `--dataset`", phase="inputs")
        return asked
    found = inputs.labelled(
        options.dataset, task=options.task or task, has_own=options.metrics is not None, seed=options.seed
    )
    return replace(asked, dataset=found)


def with_stated(derived: Dependencies, asked: Asked) -> Dependencies:
    """Let the user's contract steer the run."""
    return derived if asked.stated is None else replace(derived, options={**derived.options, **asked.stated.options()})


def with_needs(derived: Dependencies, asked: Asked, options: RunOptions) -> Dependencies:
    """Add the packages that judge, each with its reason; refuse a training check that cannot be.

    Raises:
        Usage: the runtime is for inference only.
    """
    if options.train_check and derived.runtime not in _TRAINABLE:
        raise Usage(
            f"--train-check: {derived.runtime} is for inference only, so there is nothing to train",
            hint="give the weights from which this file was made, or leave it out",
            phase="dependencies",
        )
    if asked.is_onnx and derived.runtime not in _EXPORTABLE:
        raise Usage(
            f"--reference onnx: {derived.runtime} holds no torch model that could be written as ONNX",
            hint="give an ONNX file as the reference",
            phase="dependencies",
        )
    wanted = [_need(name, reason, "--dataset") for name, reason in _needs_of(asked)]
    wanted += [_need(name, reason, "--reference onnx") for name, reason in (_ONNX_NEEDS if asked.is_onnx else ())]
    if asked.metrics is not None:
        found, _ = requirements_of(external_imports(asked.metrics.parent.absolute(), (asked.metrics.name,)), {})
        wanted += found
    known = {_normal(requirement.name) for requirement in derived.requirements}
    new: list[Requirement] = []
    for requirement in wanted:
        if _normal(requirement.name) not in known:
            known.add(_normal(requirement.name))
            new.append(requirement)
    return replace(derived, requirements=(*derived.requirements, *new))


def _needs_of(asked: Asked) -> Iterator[tuple[str, str]]:
    if asked.dataset is None:
        return
    yield from _GOAL_NEEDS.get(asked.dataset.goal, ())
    if any(row.get("kind") == "image" for row in asked.dataset.rows):
        yield "pillow", "reads the pictures of the dataset"


def _need(name: str, reason: str, source: str) -> Requirement:
    return Requirement(name, "", "utility", (Evidence(f"{name} is needed", source, reason),))


def _normal(name: str) -> str:
    return name.replace("_", "-").replace(".", "-").lower()


def with_reference(asked: Asked, options: RunOptions, prepare: Callable[[RunOptions], Prepared]) -> Asked:
    """Prepare the other checkpoint as a run of its own: same box, device and precision, nothing else of it."""
    if not options.reference or asked.is_onnx or asked.outputs is not None:
        return asked
    other = replace(
        options,
        checkpoint=options.reference,
        reference="",
        source="",
        adapter=None,
        family="",
        inputs=(),
        targets=(),
        wants=(),
        dataset=None,
        metrics=None,
        contract=None,
        train_check=False,
    )
    return replace(asked, reference=prepare(other))
