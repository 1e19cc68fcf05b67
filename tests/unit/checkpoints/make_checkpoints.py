"""Make real checkpoints in many layouts with real torch, and write down torch's own view of each.

Run with the frameworks' interpreter: ``python make_checkpoints.py DIRECTORY``. ``expected.json`` maps a file's name to
``entry``, ``verdict``, ``format`` and the tensors ``[name, dtype, shape]`` that torch sees under the entry;
``torch.json`` holds what ``torch.load(weights_only=True)`` accepts.
"""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import decimal
import io
import json
import pathlib
import pickle
import struct
import sys
import tarfile
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

State = dict[str, torch.Tensor]
LAYOUTS: dict[str, Callable[[pathlib.Path], dict[str, Any]]] = {}


class Net(nn.Module):
    """A small network with a tie, a non-persistent buffer and a nested module."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Linear(4, 5)
        self.tied = nn.Linear(4, 5, bias=False)
        self.tied.weight = self.head.weight
        self.register_buffer("scale", torch.ones(2))
        self.register_buffer("scratch", torch.ones(3), persistent=False)

    def forward(self, image: torch.Tensor, gain: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.body(image).mean((2, 3))
        return self.head(hidden) * gain, hidden


def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


def state() -> State:
    return net().state_dict()


def view(tensors: State) -> list[list[Any]]:
    return [[name, str(t.dtype).removeprefix("torch."), list(t.shape)] for name, t in tensors.items()]


def layout(
    verdict: str = "data-only", entry: str = "", suffix: str = "pth", form: str = "torch-zip", **save: Any
) -> Any:
    """Register a function that returns (object to save, tensors under the entry)."""

    def register(make: Callable[[], tuple[Any, State]]) -> Callable[[], tuple[Any, State]]:
        def write(folder: pathlib.Path) -> dict[str, Any]:
            value, tensors = make()
            torch.save(value, folder / f"{make.__name__}.{suffix}", **save)
            return {"file": f"{make.__name__}.{suffix}", "entry": entry, "verdict": verdict, "format": form,
                    "tensors": view(tensors)}  # fmt: skip

        LAYOUTS[make.__name__] = write
        return make

    return register


def legacy(name: str, make: Callable[[], tuple[Any, State]], verdict: str = "data-only", entry: str = "") -> None:
    make_named = types.FunctionType(make.__code__, make.__globals__, name, make.__defaults__, make.__closure__)
    layout(verdict, entry, form="torch-legacy", _use_new_zipfile_serialization=False)(make_named)


@layout()
def plain() -> tuple[Any, State]:
    return state(), state()


@layout()
def plain_dict() -> tuple[Any, State]:
    return dict(state()), state()


@layout(suffix="bin")
def named_bin() -> tuple[Any, State]:
    return state(), state()


@layout(pickle_protocol=3)
def protocol_3() -> tuple[Any, State]:
    return state(), state()


@layout(pickle_protocol=4)
def protocol_4() -> tuple[Any, State]:
    return state(), state()


@layout(pickle_protocol=5)
def protocol_5() -> tuple[Any, State]:
    return state(), state()


@layout()
def parameters() -> tuple[Any, State]:
    values = {name: nn.Parameter(t) if t.is_floating_point() else t for name, t in state().items()}
    return values, values


@layout()
def dtypes() -> tuple[Any, State]:
    names = (
        "float16", "bfloat16", "float64", "int8", "int16", "int32", "uint8", "bool", "complex64", "complex128",
        "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz",
    )  # fmt: skip
    values = {name: torch.zeros(2, 3).to(getattr(torch, name)) for name in names}
    return values, values


@layout()
def quantised() -> tuple[Any, State]:
    values = {"weight": torch.quantize_per_tensor(torch.rand(4, 4), 0.1, 0, torch.qint8), "bias": torch.zeros(4)}
    return values, values


@layout()
def quantised_per_channel() -> tuple[Any, State]:
    scales, zeros = torch.ones(4).double(), torch.zeros(4).long()
    values = {"weight": torch.quantize_per_channel(torch.rand(4, 4), scales, zeros, 0, torch.qint8)}
    return values, values


@layout()
def views() -> tuple[Any, State]:
    base = torch.arange(100.0)
    values = {"a": base[:10].view(2, 5), "b": base[10:], "c": base.view(10, 10).t(), "d": base.view(10, 10)[::2, 1:3]}
    return values, values


@layout()
def scalars_and_empty() -> tuple[Any, State]:
    values = {"scalar": torch.tensor(3.0), "empty": torch.zeros(0, 4), "long": torch.tensor(7)}
    return values, values


@layout()
def sparse() -> tuple[Any, State]:
    values = {"weight": torch.eye(4).to_sparse(), "dense": torch.ones(2)}
    return values, values


@layout()
def channels_last() -> tuple[Any, State]:
    values = {"weight": torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)}
    return values, values


@layout()
def unusual_names() -> tuple[Any, State]:
    values = {"módulo.weight": torch.ones(1), "a/b.c d": torch.ones(2), "": torch.ones(3), "0.weight": torch.ones(4)}
    return values, values


@layout()
def many() -> tuple[Any, State]:
    values = {f"layers.{n}.weight": torch.zeros(1) for n in range(3000)}
    return values, values


@layout(entry="state_dict")
def nested_state_dict() -> tuple[Any, State]:
    return {"epoch": 3, "state_dict": state(), "best": 0.5}, state()


@layout(entry="model")
def nested_model_with_optimizer() -> tuple[Any, State]:
    model = net()
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.rand(1, 3, 8, 8))[0].sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "iteration": 10}, model.state_dict()


@layout(entry="model_ema")
def nested_averaged() -> tuple[Any, State]:
    return {"model": state(), "model_ema": state(), "epoch": 1}, state()


@layout(entry="model_state_dict")
def nested_model_state_dict() -> tuple[Any, State]:
    return {"model_state_dict": state(), "optimizer_state_dict": {"state": {}, "param_groups": []}}, state()


@layout(entry="module")
def nested_deepspeed() -> tuple[Any, State]:
    return {"module": state(), "global_steps": 5, "ds_version": "0.1"}, state()


@layout(entry="checkpoint.model")
def nested_twice() -> tuple[Any, State]:
    return {"checkpoint": {"model": state()}, "version": 2}, state()


@layout(entry="params_ema")
def nested_params() -> tuple[Any, State]:
    return {"params": state(), "params_ema": state()}, state()


@layout(entry="state_dict")
def lightning() -> tuple[Any, State]:
    value = {
        "epoch": 1, "global_step": 2, "pytorch-lightning_version": "2.4.0", "state_dict": state(), "loops": {},
        "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {"best_model_path": "x.ckpt"}}, "optimizer_states": [],
        "hparams_name": "kwargs", "hyper_parameters": {"lr": 0.1, "layers": [1, 2], "name": "net"},
    }  # fmt: skip
    return value, state()


@layout(entry="state_dict")
def mmengine() -> tuple[Any, State]:
    return {"meta": {"cfg": "model = dict(type='ResNet')\n", "epoch": 1, "mmengine_version": "0.10",
                     "dataset_meta": {"classes": ("cat", "dog")}}, "state_dict": state()}, state()  # fmt: skip


@layout()
def with_prefix() -> tuple[Any, State]:
    values = {f"module.{name}": tensor for name, tensor in state().items()}
    return values, values


@layout()
def lora() -> tuple[Any, State]:
    values = {f"q.lora_{x}.weight": torch.zeros(4, 4) for x in "AB"}
    return values, values


@layout(verdict="inert-known", entry="model")
def with_namespace() -> tuple[Any, State]:
    return {"model": state(), "args": argparse.Namespace(lr=0.1, arch="resnet18", out=pathlib.Path("a/b"))}, state()


@layout(verdict="inert-known", entry="model")
def with_numpy() -> tuple[Any, State]:
    value = {"model": state(), "loss": np.float64(0.25), "history": np.arange(5.0), "step": np.int64(7)}
    return value, state()


@layout(verdict="inert-known", entry="model")
def with_python_objects() -> tuple[Any, State]:
    value = {
        "model": state(), "when": dt.datetime(2026, 1, 2, 3, 4), "counts": collections.Counter("aab"),
        "table": collections.defaultdict(list, a=[1]), "set": {1, 2}, "big": 2**80, "cost": decimal.Decimal("1.5"),
        "queue": collections.deque([1, 2]), "space": types.SimpleNamespace(a=1), "bytes": b"abc", "complex": 1 + 2j,
    }  # fmt: skip
    return value, state()


@layout(verdict="needs-code")
def whole_module() -> tuple[Any, State]:
    return net(), state()


@layout(verdict="inert-known")
def whole_torch_module() -> tuple[Any, State]:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(5))
    model(torch.rand(2, 3, 8, 8))
    return model, model.state_dict()


@layout(verdict="inert-known")
def whole_transformer() -> tuple[Any, State]:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, activation="gelu"), 2)
    return model, model.state_dict()


@layout(verdict="needs-code", entry="ema")
def ultralytics_like() -> tuple[Any, State]:
    return {"epoch": -1, "model": None, "ema": net().half(), "train_args": {"imgsz": 640, "task": "detect"}}, (
        net().half().state_dict()
    )


legacy("legacy_plain", plain)
legacy("legacy_views", views)
legacy("legacy_nested", nested_model_with_optimizer, entry="model")
legacy("legacy_module", whole_module, verdict="needs-code")
legacy("legacy_lightning", lightning, entry="state_dict")


def plain_pickle(folder: pathlib.Path) -> dict[str, Any]:
    (folder / "pickled.pkl").write_bytes(pickle.dumps(state()))
    return {"file": "pickled.pkl", "entry": "", "verdict": "inert-known", "format": "pickle", "tensors": view(state())}


def numpy_pickle(folder: pathlib.Path) -> dict[str, Any]:
    values = {name: tensor.numpy() for name, tensor in state().items()}
    (folder / "arrays.pdparams").write_bytes(pickle.dumps(values, protocol=4))
    return {"file": "arrays.pdparams", "entry": "", "verdict": "inert-known", "format": "pickle",
            "tensors": view(state())}  # fmt: skip


def joblib_arrays(folder: pathlib.Path) -> dict[str, Any]:
    import joblib

    joblib.dump({"w": np.ones((3, 4), "f4"), "words": np.array([1, "a"], dtype=object), "n": 5}, folder / "a.joblib")
    return {"file": "a.joblib", "entry": "", "verdict": "needs-code", "format": "joblib",
            "tensors": [["w", "float32", [3, 4]]]}  # fmt: skip


@layout(verdict="inert-known")
def whole_normalised() -> tuple[Any, State]:
    model = nn.Sequential(nn.utils.weight_norm(nn.Linear(2, 2)), nn.utils.spectral_norm(nn.Linear(2, 2)))
    return model, model.state_dict()


@layout(verdict="inert-known", entry="model")
def with_random_states() -> tuple[Any, State]:
    import random

    value = {"model": state(), "python": random.getstate(), "numpy": np.random.get_state(),
             "torch": torch.get_rng_state(), "generator": np.random.default_rng(1)}  # fmt: skip
    return value, state()


@layout()
def lone_tensor() -> tuple[Any, State]:
    return torch.ones(2, 3), {"": torch.ones(2, 3)}


def scripted(folder: pathlib.Path) -> dict[str, Any]:
    module = torch.jit.script(net())
    module.save(str(folder / "scripted.pt"), _extra_files={"config.txt": '{"stride": 32}'})
    return {"file": "scripted.pt", "entry": "", "verdict": "inert-known", "format": "torchscript",
            "tensors": view(module.state_dict())}  # fmt: skip


def traced(folder: pathlib.Path) -> dict[str, Any]:
    module = torch.jit.trace(net(), (torch.rand(1, 3, 8, 8),))
    module.save(str(folder / "traced.pt"))
    return {"file": "traced.pt", "entry": "", "verdict": "inert-known", "format": "torchscript",
            "tensors": view(module.state_dict())}  # fmt: skip


def mobile(folder: pathlib.Path) -> dict[str, Any]:
    module = torch.jit.script(net())
    module._save_for_lite_interpreter(str(folder / "mobile.ptl"))
    return {"file": "mobile.ptl", "entry": "", "verdict": "inert-known", "format": "torchscript",
            "tensors": view(module.state_dict())}  # fmt: skip


def packaged(folder: pathlib.Path) -> dict[str, Any]:
    from torch import package

    with package.PackageExporter(folder / "packaged.pt") as exporter:
        exporter.extern("torch.**")
        exporter.save_source_string("own.model", "raise SystemExit\n")
        exporter.save_pickle("weights", "state.pkl", state())
    return {"file": "packaged.pt", "entry": "", "verdict": "needs-code", "format": "torch-package",
            "tensors": view(state())}  # fmt: skip


class _TarPickler(pickle.Pickler):
    """Pickles a tensor as torch 0.1 did: by a text that stands for it."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=2)
        self.tensors: list[torch.Tensor] = []

    def persistent_id(self, value: Any) -> str | None:
        if not isinstance(value, torch.Tensor):
            return None
        self.tensors.append(value)
        return str(100 + len(self.tensors) - 1)


def _tar_members(value: Any) -> dict[str, bytes]:
    """Return what torch 0.1.9 wrote for a value, by name."""
    kinds = {torch.float32: torch.FloatStorage, torch.int64: torch.LongStorage, torch.float16: torch.HalfStorage}
    shapes = {torch.float32: torch.FloatTensor, torch.int64: torch.LongTensor, torch.float16: torch.HalfTensor}
    main, tensors, storages = io.BytesIO(), io.BytesIO(), io.BytesIO()
    pickler = _TarPickler(main)
    pickler.dump(value)
    owners = {t.untyped_storage().data_ptr(): t for t in pickler.tensors}
    keys = {pointer: 1000 + number for number, pointer in enumerate(owners)}
    pickle.dump(len(pickler.tensors), tensors, protocol=2)
    for number, tensor in enumerate(pickler.tensors):
        key = keys[tensor.untyped_storage().data_ptr()]
        pickle.dump((100 + number, key, shapes[tensor.dtype]), tensors, protocol=2)
        facts = (*tensor.shape, *tensor.stride(), tensor.storage_offset())
        tensors.write(struct.pack(f"<ii{len(facts)}q", tensor.dim(), 0, *facts))
    pickle.dump(len(owners), storages, protocol=2)
    for pointer, tensor in owners.items():
        pickle.dump((keys[pointer], "cpu", kinds[tensor.dtype]), storages, protocol=2)
        raw = bytes(tensor.untyped_storage().tolist())
        storages.write(struct.pack("<q", len(raw) // tensor.element_size()) + raw)
    pickle.dump([], storages, protocol=2)
    sizes = {"short": 2, "int": 4, "long": 8}
    system = {"protocol_version": 1000, "little_endian": True, "type_sizes": sizes}
    return {"sys_info": pickle.dumps(system, protocol=2), "pickle": main.getvalue(),
            "tensors": tensors.getvalue(), "storages": storages.getvalue()}  # fmt: skip


def torch_tar(folder: pathlib.Path) -> dict[str, Any]:
    value = {"epoch": 2, "state_dict": collections.OrderedDict(state())}
    with tarfile.open(folder / "tarred.pth", "w", format=tarfile.PAX_FORMAT) as made:
        for name, content in _tar_members(value).items():
            facts = tarfile.TarInfo(name)
            facts.size = len(content)
            made.addfile(facts, io.BytesIO(content))
    loaded = torch.load(folder / "tarred.pth", weights_only=False)["state_dict"]
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state().items())
    return {"file": "tarred.pth", "entry": "state_dict", "verdict": "inert-known", "format": "torch-tar",
            "tensors": view(loaded)}  # fmt: skip


def exported(folder: pathlib.Path) -> dict[str, Any]:
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(net(), (torch.rand(2, 3, 8, 8),), dynamic_shapes={"image": {0: batch}})
    torch.export.save(program, folder / "exported.pt2")
    return {"file": "exported.pt2", "entry": "", "verdict": "data-only", "format": "torch-export",
            "tensors": view(program.state_dict)}  # fmt: skip


LAYOUTS.update(
    joblib_arrays=joblib_arrays,
    plain_pickle=plain_pickle,
    numpy_pickle=numpy_pickle,
    scripted=scripted,
    traced=traced,
    exported=exported,
    mobile=mobile,
    packaged=packaged,
    torch_tar=torch_tar,
)


def main(folder: pathlib.Path) -> None:
    """Write all layouts and expected.json."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = {name: make(folder) for name, make in LAYOUTS.items()}
    from torch import _weights_only_unpickler as unpickler

    names = sorted(unpickler._get_allowed_globals())
    (folder / "torch.json").write_text(json.dumps({"version": torch.__version__, "weights_only": names}))
    (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
