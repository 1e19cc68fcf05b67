"""Training sanity: one batch, twenty steps. Is everything finite, does every weight get a gradient, does the loss fall.

Nothing is saved, and nothing is claimed of a real training: the labels are made up and seeded.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from . import memory, trees
from .failures import Failure
from .session import Context, Session

STEPS = 20
LEARNING_RATE = 1e-3
BUDGET_S = 60.0
SHOWN = 8
UNUSED_SHARE = 0.1


def train_job(context: Context) -> None:
    """Overfit one batch and record what happened."""
    session = Session(context)
    with session.described():
        session.climb_to_train()
        context.enter("train")
        trainer = session.runtime.trainer(session.inputs)
        report = _run(context, trainer)
        context.fields["findings"] = trees.plain(report)
        context.fields["effective"] = trees.plain(session.runtime.effective())


class Gradients(NamedTuple):
    """What one backward pass left: counts of weights and names of the odd ones."""

    expected: int
    missing: List[str]
    zero: List[str]
    infinite: List[str]
    norm: float


class Trainer:
    """One step of a torch model: forward, loss, backward, step. ``optimizer`` and ``loss`` are for the record."""

    def __init__(self, torch: Any, modules: Sequence[Any], step: Any, loss: str, optimizer: Any = None) -> None:
        self.torch, self.modules, self._step, self.loss = torch, list(modules), step, loss
        self.named = [(name, p) for module in self.modules for name, p in module.named_parameters() if p.requires_grad]
        self.frozen = sum(not p.requires_grad for module in self.modules for p in module.parameters())
        if not self.named:
            raise Failure("unsupported", "no weight takes a gradient, so there is nothing to train", "train")
        weights = [p for _, p in self.named]
        self.is_ours = optimizer is None
        self.optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=0.0) if self.is_ours else optimizer

    def step(self) -> float:
        """Do one step and return the loss before it."""
        self.optimizer.zero_grad(set_to_none=True)
        return float(self._step())

    def apply(self) -> None:
        """Change the weights."""
        self.optimizer.step()

    def gradients(self) -> Gradients:
        """Look at the gradients of the step that was just done."""
        missing, zero, infinite, total = [], [], [], 0.0
        for name, weight in self.named:
            if weight.grad is None:
                missing.append(name)
                continue
            norm = float(weight.grad.detach().float().norm())
            total += norm * norm if math.isfinite(norm) else 0.0
            if not math.isfinite(norm):
                infinite.append(name)
            elif norm == 0.0:
                zero.append(name)
        return Gradients(len(self.named), missing, zero, infinite, math.sqrt(total))

    def describe(self) -> Dict[str, Any]:
        """Return the settings."""
        group = self.optimizer.param_groups[0]
        name = type(self.optimizer).__name__
        return {
            "optimizer": name if self.is_ours else "%s of the adapter" % name,
            "learning_rate": float(group.get("lr", math.nan)),
            "weight_decay": float(group.get("weight_decay", 0.0)),
            "loss": self.loss,
            "trained_weights": len(self.named),
            "frozen_weights": self.frozen,
            "parameters": sum(weight.numel() for _, weight in self.named),
        }


def _run(context: Context, trainer: Trainer) -> Dict[str, Any]:
    losses: List[float] = []
    times: List[float] = []
    first = None
    begin = time.monotonic()
    before = _weights(trainer)
    for number in range(STEPS):
        context.progress.show("train", number, STEPS)
        start = time.perf_counter()
        losses.append(trainer.step())
        first = first or trainer.gradients()
        trainer.apply()
        times.append(1e3 * (time.perf_counter() - start))
        if not math.isfinite(losses[-1]) or time.monotonic() - begin > BUDGET_S:
            break
    assert first is not None
    changed = sum(old != new for old, new in zip(before, _weights(trainer)))
    report = trainer.describe()
    report.update(
        batch=context.request.batch_size,
        precision=context.request.precision,
        device=context.request.device,
        steps=len(losses),
        losses=losses,
        first_loss=losses[0],
        last_loss=losses[-1],
        gradient_norm=first.norm,
        without_gradient=first.missing[:SHOWN],
        without_gradient_n=len(first.missing),
        zero_gradient=first.zero[:SHOWN],
        zero_gradient_n=len(first.zero),
        changed_weights=changed,
        first_step_ms=times[0],
        step_ms=statistics.median(times[1:] or times),
        stopped="the time budget is used up" if len(losses) < STEPS and math.isfinite(losses[-1]) else "",
        checks=[dict(zip(("name", "passed", "detail"), check)) for check in _checks(losses, first, changed)],
        memory=_memory(trainer),
    )
    return report


def _weights(trainer: Trainer) -> List[float]:
    return [float(weight.detach().double().sum()) for _, weight in trainer.named]


def _checks(losses: Sequence[float], first: Gradients, changed: int) -> Iterator[Tuple[str, bool, str]]:
    finite = all(math.isfinite(loss) for loss in losses)
    yield "finite_loss", finite, "%d losses" % len(losses)
    text = "none is NaN or infinite" if not first.infinite else ", ".join(first.infinite[:SHOWN])
    yield "finite_gradients", not first.infinite, text
    text = "all %d weights that can be trained got one" % first.expected
    if first.missing:
        text = "%d of %d got none: %s" % (len(first.missing), first.expected, ", ".join(first.missing[:SHOWN]))
    # A head that the outputs do not pass through gets none, and that is no fault of the model.
    yield "gradients", len(first.missing) <= UNUSED_SHARE * first.expected, text
    yield "weights_change", changed > 0, "%d of %d weights changed" % (changed, first.expected)
    tail = losses[-3:]
    falls = finite and len(losses) > 3 and sum(tail) / len(tail) < losses[0]
    yield "loss_falls", falls, "from %.6g to %.6g in %d steps on one batch" % (losses[0], losses[-1], len(losses))


def _memory(trainer: Trainer) -> Dict[str, Any]:
    found: Dict[str, Any] = {"host_peak_bytes": memory.peak()}
    cuda = trainer.torch.cuda
    found["vram_peak_bytes"] = cuda.max_memory_reserved() if cuda.is_available() else None
    return found


def trainer_of(torch: Any, model: Any, forward: Any, seed: int) -> Trainer:
    """Return the trainer of a torch model; ``forward()`` returns its outputs for the one batch.

    Scores of classes are trained towards made-up classes, any other output towards made-up numbers.
    """
    model.train()
    outputs = [value for value in _floats(torch, forward()) if value.requires_grad]
    if not outputs:
        raise Failure("unsupported", "no output depends on the weights in a way that can be trained", "train")
    goals = [_goal(torch, value, seed + place) for place, value in enumerate(outputs)]

    def step() -> float:
        made = [value for value in _floats(torch, forward()) if value.requires_grad]
        loss = sum(goal(value) for (_, goal), value in zip(goals, made))
        loss.backward()
        return float(loss.detach())

    names = sorted({name for name, _ in goals})
    return Trainer(torch, [model], step, "%s, made-up labels, seed %d" % (" + ".join(names), seed))


def _floats(torch: Any, outputs: Any) -> List[Any]:
    found: List[Any] = []

    def take(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.dtype.is_floating_point and value.numel():
            found.append(value)
        return value

    plain = dict(outputs.items()) if hasattr(outputs, "items") else outputs
    trees.convert(list(plain) if isinstance(plain, tuple) else plain, take)
    return found


def _goal(torch: Any, output: Any, seed: int) -> Tuple[str, Any]:
    """Return the name of a loss and the function from an output to it."""
    rng = random.Random(seed)
    functional = torch.nn.functional
    if output.ndim in (2, 3, 4) and output.shape[-1 if output.ndim != 4 else 1] > 1 and output.ndim != 4:
        rows, width = output.numel() // output.shape[-1], output.shape[-1]
        labels = torch.tensor([rng.randrange(width) for _ in range(rows)], device=output.device)
        return "cross-entropy", lambda value: functional.cross_entropy(value.float().reshape(rows, width), labels)
    generator = torch.Generator().manual_seed(seed)
    wanted = torch.rand(tuple(output.shape), generator=generator).to(output.device)
    return "mean squared error", lambda value: functional.mse_loss(value.float(), wanted)
