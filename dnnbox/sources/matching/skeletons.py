"""The adapter that a person completes where the search found nothing sure: what is known stands at every hole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dnnbox.records.inspection import Inspection
from dnnbox.records.source import SourceTree
from dnnbox.text import visible

_SHOWN = 5
_WIDEST = 300  # characters of a piece of evidence

_BODY = '''"""Complete the holes, then continue: `dnnbox run CKPT --source SOURCE --adapter THIS_FILE`.

Missing: {missing}
"""

from __future__ import annotations


class Todo(NotImplementedError):
    """A hole: what is missing, and what was found out so far."""

    def __init__(self, what, evidence=()):
        super().__init__("\\n  ".join([what, *evidence]))


class Adapter:
    """Loads, feeds and reads the model. dnnbox imports this file inside the box only."""

    def build(self):
        """Return the model with the right class and arguments; no weights yet."""
        raise Todo(
            "which class builds this model, with which arguments?",
            evidence=[
{build}
            ],
        )

    def load(self, checkpoint: str, device: str, precision: str) -> None:
        """Build the model, load the weights strictly, move it to ``device``."""
        from dnnbox_harness.states.loading import load_into

        self.model = self.build()
        load_into(self.model, checkpoint)
        self.model = self.model.to(device)
        self.model.eval()
        self.device = device

    def example_inputs(self, batch_size: int):
        """Return made-up inputs of the right shape, type and range."""
        raise Todo(
            "which inputs? for example {{'x': torch.zeros(batch_size, 3, 224, 224)}}",
            evidence=[
{inputs}
            ],
        )

    def preprocess(self, paths: list):
        """Turn real files into inputs; the constants come from the model's own code, not from memory."""
        raise Todo("only needed with --input")

    def infer(self, inputs):
        """The timed call: inputs to outputs, nothing else."""
        import torch

        with torch.inference_mode():
            return self.model(**{{name: value.to(self.device) for name, value in inputs.items()}})

    def postprocess(self, outputs, out_dir: str) -> dict:
        """Say what the outputs mean; may write pictures to ``out_dir``."""
        return {{}}
'''


def skeleton(inspection: Inspection, missing: str, answer: Mapping[str, Any], source: SourceTree) -> str:
    """Return the skeleton with the nearest classes, what differs, and what failed."""
    return _BODY.format(
        missing=visible(missing, 200).replace('"""', "'''"),
        build=_lines(evidence(answer, source)),
        inputs=_lines(_harmless(_of_inputs(inspection, answer))),
    )


def evidence(answer: Mapping[str, Any], source: SourceTree) -> list[str]:
    """Return what is known of the class: the nearest ones, what differs, what was tried and how that failed."""
    return _harmless(_of_build(answer, source))


def _harmless(texts: Iterator[str]) -> list[str]:
    return [visible(text, _WIDEST) for text in texts]


def _lines(texts: Sequence[str]) -> str:
    return "\n".join(f"                {text!r}," for text in texts)


def _of_build(answer: Mapping[str, Any], source: SourceTree) -> Iterator[str]:
    for match in answer["matches"][:_SHOWN]:
        yield f"fits every tensor: {match['class']} by {match['callee']}({match['kwargs']}), {match['origin']}"
    yield from _nearest(answer)
    for ref in source.searched:
        if ref not in answer["ranked"]:
            yield f"explains the names: {ref}"
    if not answer["complete"]:
        yield "the search was stopped at its limit, so more may fit"
    yield from (f"the source is large: {told}" for told in answer.get("cut", ()))
    for text, count in answer["errors"][:_SHOWN]:
        yield f"tried {count} times: {text}"
    yield from answer["import_errors"][:3]


def _nearest(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield the classes, the likeliest first: by how well a build fitted, or the names where none was possible."""
    built: dict[str, Mapping[str, Any]] = {}
    for start in answer["best"]:
        built.setdefault(start["ref"], start)
    fitting = {match["ref"] for match in answer["matches"][:_SHOWN]}  # told before
    for ref in nearest_classes(answer):
        if ref in fitting:
            continue
        start = built.get(ref)
        if start is None:
            yield f"explains the names: {ref}, {answer['ranked'].get(ref, 0):.0%}"
            continue
        share = f"{start['share'] or 0:.0%} of the tensors fit"
        yield f"near: {ref} by {start['callee']}({start['kwargs']}), {share}"
        if start["missing"] or start["unexpected"] or start["differing"]:
            yield f"  lacks {start['unexpected']}, has instead {start['missing']}, differs in {start['differing']}"


def nearest_classes(answer: Mapping[str, Any]) -> list[str]:
    """Return the classes that may be meant, the likeliest first.

    A class counts by what its names explain or by its best build, whichever is more: what could not be built because a
    package is missing is no worse for that.
    """
    scores: dict[str, float] = dict(answer["ranked"])
    for start in answer["best"]:
        scores[start["ref"]] = max(scores.get(start["ref"], 0.0), float(start["score"]))
    return sorted(scores, key=lambda ref: -scores[ref])[:_SHOWN]


def ranked(plan: Mapping[str, Any]) -> dict[str, float]:
    """Return how much of the names each class of a plan explains."""
    return {entry["ref"]: entry["score"] for entry in plan["classes"]}


def unanswered(plan: Mapping[str, Any], why: str) -> dict[str, Any]:
    """Return the answer of a search that gave none: what was read from the source before it, and why."""
    return {
        "matches": [],
        "best": [],
        "tries": 0,
        "complete": False,
        "errors": [[why, 1]],
        "import_errors": [],
        "stand_ins": [],
        "lacking": [],
        "replaced": [],
        "paths": [],
        "ranked": ranked(plan),
        "cut": plan.get("cut", []),
    }


def _of_inputs(inspection: Inspection, answer: Mapping[str, Any]) -> Iterator[str]:
    first = [t for t in inspection.tensor_list if len(t.shape) > 1][:2]
    yield from (f"{tensor.name} has the shape {list(tensor.shape)}" for tensor in first)
    for match in answer["matches"][:1]:
        yield from match["tried"][-3:]
