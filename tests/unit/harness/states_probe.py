"""Runs in the frameworks' environment: writes checkpoints as people do, loads each, prints what came of it as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrizations, weight_norm

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from dnnbox.harness.failures import Failure
from dnnbox.harness.states.loading import cast, load_into

torch.manual_seed(7)
FOLDER = Path(sys.argv[1])


class Net(nn.Module):
    """Two layers, a norm and a tied output."""

    def __init__(self, wrap: Callable[[nn.Module], nn.Module] = lambda layer: layer) -> None:
        super().__init__()
        self.body = nn.Sequential(wrap(nn.Conv1d(2, 4, 3)), nn.BatchNorm1d(4))
        self.head = nn.Linear(4, 3)


NET = Net().eval()
STATE = NET.state_dict()
AVERAGE = {name: value + 1 if value.is_floating_point() else value for name, value in STATE.items()}
OPTIMIZER = {"state": {0: {"exp_avg": torch.zeros(4, 2, 3)}}, "param_groups": [{"lr": 0.1}]}


def prefixed(start: str, state: dict[str, Any] = STATE) -> dict[str, Any]:
    """Return the state with every name behind ``start``."""
    return {start + name: value for name, value in state.items()}


class Config:
    """Stands for a class of somebody's project: it is named so in the file, and not there when the file is read."""

    def __init__(self, value: Any) -> None:
        self.value = value


PROJECT = types.ModuleType("their_project")
vars(PROJECT)["Config"] = Config
Config.__module__ = "their_project"


def save(data: Any, path: Path, *, legacy: bool = False) -> None:
    """Write a file while the project is importable."""
    sys.modules["their_project"] = PROJECT
    torch.save(data, path, _use_new_zipfile_serialization=not legacy)
    del sys.modules["their_project"]


def shards(folder: Path, indexed: bool) -> Path:
    """Write the state in two files."""
    folder.mkdir()
    names = list(STATE)
    halves = {"pytorch_model-00001-of-00002.bin": names[:3], "pytorch_model-00002-of-00002.bin": names[3:]}
    for file, part in halves.items():
        torch.save({name: STATE[name] for name in part}, folder / file)
    if indexed:
        index = {"weight_map": {name: file for file, part in halves.items() for name in part}}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def quantised() -> dict[str, Any]:
    """Return the state with one tensor quantised."""
    weight = torch.quantize_per_tensor(STATE["head.weight"], 0.01, 0, torch.qint8)
    return {**STATE, "head.weight": weight}


def lightning() -> dict[str, Any]:
    """Return what Lightning writes, with hyperparameters of a class of the project."""
    return {
        "epoch": 3,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": prefixed("model."),
        "optimizer_states": [OPTIMIZER],
        "hyper_parameters": {"config": Config(5), "args": argparse.Namespace(width=4)},
        "callbacks": {},
    }


def mmengine() -> dict[str, Any]:
    """Return what mmengine writes: state_dict, meta with the configuration as text, hooks, message hub."""
    hub = {"log_scalars": {"train/loss": Config([1.0])}}
    return {
        "meta": {"cfg": "model = dict()", "epoch": 2},
        "state_dict": STATE,
        "message_hub": hub,
        "optimizer": OPTIMIZER,
    }


def with_norm(spelling: Callable[[nn.Module], nn.Module]) -> Net:
    """Return the net with weight normalisation in one of its two spellings, answering as the net does."""

    def wrap(layer: nn.Module) -> nn.Module:
        layer.load_state_dict(NET.body[0].state_dict())
        return spelling(layer)

    made = Net(wrap).eval()
    made.load_state_dict({name: value for name, value in STATE.items() if name != "body.0.weight"}, strict=False)
    return made


SAVED: dict[str, Any] = {
    "plain": STATE,
    "state_dict": {"state_dict": STATE, "epoch": 3, "optimizer": OPTIMIZER},
    "model": {"model": STATE, "opt": {"x": torch.zeros(2)}},
    "net": {"net": prefixed("module."), "acc": 95.1},
    "generator": {"generator": STATE, "discriminator": prefixed("d.")},
    "params_ema": {"params": STATE, "params_ema": AVERAGE},
    "ema": {"model": STATE, "ema": {"module": AVERAGE}},
    "counter_beside": {"step": torch.tensor(4), "network": STATE},
    "compiled": prefixed("_orig_mod."),
    "compiled_in_parallel": prefixed("module._orig_mod."),
    "compiled_inside": {name.replace("body.", "body._orig_mod."): value for name, value in STATE.items()},
    "prefix": {"state_dict": prefixed("backbone."), "hyper_parameters": {"width": 4}},
    "prefix_among_others": {**prefixed("student.net."), "loss.weight": torch.zeros(3)},
    "profiled": {**STATE, "total_ops": torch.zeros(1), "head.total_params": torch.zeros(1)},
    "no_counters": {name: value for name, value in STATE.items() if "num_batches" not in name},
    "half": {name: value.half() if value.is_floating_point() else value for name, value in STATE.items()},
    "bfloat16": {name: value.bfloat16() if value.is_floating_point() else value for name, value in STATE.items()},
    "quantised": quantised(),
    "lightning": lightning(),
    "mmengine": mmengine(),
    "old_into_new": with_norm(weight_norm).state_dict(),
    "new_into_old": with_norm(parametrizations.weight_norm).state_dict(),
    "normed_into_plain": with_norm(parametrizations.weight_norm).state_dict(),
    "plain_into_normed": STATE,
    "extra": {**STATE, "extra.weight": torch.zeros(3)},
    "misshapen": {**STATE, "head.bias": torch.zeros(4)},
    "packed": {**STATE, "head._packed_params.dtype": torch.zeros(1)},
    "nothing": {"epoch": 3},
}
SPELLINGS = {
    "old_into_new": parametrizations.weight_norm,
    "new_into_old": weight_norm,
    "plain_into_normed": parametrizations.weight_norm,
}


def attempt(name: str, path: Path) -> dict[str, Any]:
    """Load into an untrained net and compare its answer with the original's."""
    model = Net(SPELLINGS.get(name, lambda layer: layer))
    try:
        done = load_into(model, str(path))
    except Failure as failure:
        return {"error": failure.detail, "kind": failure.kind}
    sample = torch.linspace(-1, 1, 12).reshape(1, 2, 6)
    given, wanted = (net.head(net.body(sample).mean(-1)) for net in (model.eval(), NET))
    raised = model.head.bias - NET.head.bias
    same = bool(torch.allclose(given, wanted, atol=2e-2 if name in ("bfloat16", "half", "quantised") else 1e-5))
    return {"same": same, "raised": round(float(raised.mean()), 3),
            "entry": done.entry, "tensors": done.tensors, "notes": done.notes}  # fmt: skip


def widened() -> list[str]:
    """Return the kinds of weights of a model in half precision, one of them complex, as they are when it is widened."""
    model = Net().half()
    model.spectrum = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    return sorted({str(weight.dtype) for weight in cast(model, torch.float32).parameters()})


def main() -> None:
    """Write, load, print."""
    results: dict[str, Any] = {}
    for name, data in SAVED.items():
        path = FOLDER / f"{name}.pth"
        save(data, path)
        results[name] = attempt(name, path)
    results["sharded"] = attempt("sharded", shards(FOLDER / "sharded", indexed=True))
    results["sharded_without_index"] = attempt("shards", shards(FOLDER / "numbered", indexed=False))
    first = FOLDER / "numbered" / "pytorch_model-00001-of-00002.bin"
    results["one_of_the_shards"] = attempt("shards", first)
    (FOLDER / "numbered" / "pytorch_model-00002-of-00002.bin").unlink()
    results["shard_missing"] = attempt("shards", first)
    for name, data in {"legacy": STATE, "legacy_lightning": lightning()}.items():
        save(data, FOLDER / f"{name}.pth", legacy=True)
        results[name] = attempt(name, FOLDER / f"{name}.pth")
    results["widened"] = widened()
    results["imported"] = "their_project" in sys.modules
    print(json.dumps(results))


with torch.no_grad():
    main()
