"""Builds every architecture of timm, torchvision or transformers on the meta device and records its tensors.

Runs in an environment that has the libraries (never in dnnbox's own). One JSON line per model: names, shapes, whether
a tensor is a buffer, the layers with their settings, and the preprocessing that the library publishes for it.
Nothing is downloaded and no memory is taken for weights.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib
import importlib.metadata
import inspect
import json
import logging
import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # a constructor that wants a download must fail, not wait
SECONDS_PER_MODEL = 60
LAYER_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")
PREPROCESS = ("input_size", "mean", "std", "interpolation", "crop_pct", "crop_mode", "num_classes", "classifier")
# Configurations whose defaults build no model, by model type (transformers 5.23): the smallest addition that does.
NEEDED: dict[str, dict[str, Any]] = {
    "esm": {"vocab_size": 33, "pad_token_id": 1},
    "autoformer": {"prediction_length": 24},
    "informer": {"prediction_length": 24},
    "time_series_transformer": {"prediction_length": 24},
    "hunyuan_v1_dense": {"head_dim": 128},
    "hunyuan_v1_moe": {"head_dim": 128},
    "hunyuan_vl_text": {"head_dim": 128},
    "ministral": {"head_dim": 128},
    "nemotron": {"num_key_value_heads": 8},
    "wav2vec2-bert": {"vocab_size": 32},
    "wav2vec2-conformer": {"vocab_size": 32},
    "reformer": {"is_decoder": True},
    "perceiver": {"num_self_attention_heads": 1, "num_cross_attention_heads": 1},
}
Build = Callable[[], Any]


def prepare_torch() -> None:
    """Import torch with one thread and with the operators that torchvision needs declared."""
    import torch

    torch.set_num_threads(1)
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        declare_torchvision_operators()


def declare_torchvision_operators() -> None:
    """Declare the two operators that torchvision's import refers to.

    The wheel on PyPI is linked against CUDA builds; beside a CPU torch its library does not load and the import
    fails at the first fake kernel. The schemas are all that defining the models needs. It may go once torchvision
    imports beside any torch.
    """
    import torch

    for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):  # the failed import may have declared one of them
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    prepare_torch.library = library  # type: ignore[attr-defined]  # the declarations live as long as this object
    importlib.import_module("torchvision")


def on_meta(build: Build) -> Any:
    """Build without memory; where a constructor computes with tensors, build on the CPU with initialisation off."""
    import torch

    try:
        with torch.device("meta"):
            return build()
    except (NotImplementedError, RuntimeError) as error:
        if "meta" not in str(error).lower():
            raise
        with initialisation_off():
            return build()


@contextlib.contextmanager
def initialisation_off() -> Iterator[None]:
    """Make torch.nn.init's in-place functions do nothing."""
    from torch.nn import init

    saved = {name: getattr(init, name) for name in dir(init) if name.endswith("_") and not name.startswith("_")}
    try:
        for name in saved:
            setattr(init, name, lambda tensor, *_, **__: tensor)
        yield
    finally:
        for name, function in saved.items():
            setattr(init, name, function)


def describe(library: str, name: str, model: Any) -> dict[str, Any]:
    """Return what the index needs of one model."""
    parameters = {key for key, _ in model.named_parameters(remove_duplicate=False)}
    tensors = [
        [key, list(value.shape), key not in parameters]
        for key, value in model.state_dict().items()
        if hasattr(value, "shape")
    ]
    return {
        "library": library,
        "name": name,
        "class": f"{type(model).__module__}.{type(model).__qualname__}",
        "tensors": tensors,
        "layers": layers(model),
    }


def layers(model: Any) -> list[list[Any]]:
    """Return the distinct (path without numbers, class, settings) of a model's modules."""
    seen: dict[str, list[Any]] = {}
    for path, module in model.named_modules():
        settings = {k: plain(v) for k, v in vars(module).items() if not k.startswith("_") and k != "training"}
        settings = {k: v for k, v in settings.items() if v is not ...}
        row = [LAYER_NUMBER.sub("*", path), type(module).__name__, settings]
        seen.setdefault(json.dumps(row, sort_keys=True), row)
    return list(seen.values())


def plain(value: Any) -> Any:
    """Return a setting as JSON, or ``...`` for what is no setting."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list) and len(value) <= 8 and all(isinstance(v, bool | int | float) for v in value):
        return list(value)
    if inspect.isfunction(value) or inspect.isbuiltin(value):
        return value.__name__
    return ...


def timm_models() -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Yield every timm architecture."""
    import timm

    tags: dict[str, int] = {}
    for full in timm.list_models(pretrained=True):
        tags[full.split(".")[0]] = tags.get(full.split(".")[0], 0) + 1
    for name in timm.list_models():

        def make(name: str = name) -> dict[str, Any]:
            model = on_meta(lambda: timm.create_model(name, pretrained=False))
            config = getattr(model, "pretrained_cfg", None) or {}
            record = describe("timm", name, model)
            record["preprocess"] = {k: config[k] for k in PREPROCESS if config.get(k) is not None}
            record["weights"] = tags.get(name, 0)
            return record

        yield name, make


def torchvision_models() -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Yield every torchvision architecture."""
    from torchvision import models

    for name in models.list_models():

        def make(name: str = name) -> dict[str, Any]:
            accepted = inspect.signature(models.get_model_builder(name)).parameters
            extra: dict[str, Any] = {"weights_backbone": None} if "weights_backbone" in accepted else {}
            if name in ("googlenet", "inception_v3"):
                extra["init_weights"] = False
            model = on_meta(lambda: models.get_model(name, weights=None, **extra))
            record = describe("torchvision", name, model)
            weights = list(models.get_model_weights(name))
            record["weights"] = len(weights)
            record["preprocess"] = torchvision_preprocess(weights)
            return record

        yield name, make


def torchvision_preprocess(weights: list[Any]) -> dict[str, Any]:
    """Return the transforms of the default weights as constants, where they are constants."""
    if not weights:
        return {}
    default = type(weights[0]).DEFAULT
    build = getattr(default.transforms, "func", default.transforms)
    defaults = {p.name: p.default for p in inspect.signature(build).parameters.values() if p.default is not p.empty}
    arguments = {**defaults, **getattr(default.transforms, "keywords", {})}
    keep = {k: plain(getattr(v, "value", v)) for k, v in arguments.items()}
    keep = {k: v for k, v in keep.items() if v is not ...}
    keep["num_classes"] = len(default.meta.get("categories") or [])
    keep["transforms"] = build.__name__
    return keep


def transformers_models() -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Yield every (model type, class) of the automatic classes, each with its default configuration."""
    import transformers
    from transformers.models.auto import modeling_auto

    wanted: dict[tuple[str, str], None] = {}
    for mapping in sorted(n for n in dir(modeling_auto) if re.fullmatch(r"MODEL_.*MAPPING_NAMES", n)):
        for kind, classes in getattr(modeling_auto, mapping).items():
            for one in [classes] if isinstance(classes, str) else classes:
                if one:
                    wanted[kind, one] = None
    seen: set[str] = set()
    for kind, name in wanted:
        if name in seen:
            continue
        seen.add(name)

        def make(name: str = name, kind: str = kind) -> dict[str, Any]:
            cls = getattr(transformers, name)
            config = configuration(cls.config_class)
            model = on_meta(lambda: cls(config))
            record = describe("transformers", name, model)
            record["model_type"] = getattr(config, "model_type", kind)
            record["main_input"] = getattr(cls, "main_input_name", "")
            record["base_prefix"] = getattr(cls, "base_model_prefix", "")
            record["config"] = whole_numbers(config.to_dict())
            return record

        yield f"{kind}/{name}", make


def configuration(config_class: Any) -> Any:
    """Return a configuration with its defaults, and with what it needs besides to build a model."""
    return config_class(**NEEDED.get(config_class.model_type, {}))


def whole_numbers(config: dict[str, Any], parent: str = "") -> dict[str, int]:
    """Return the integer fields of a configuration, nested ones with dotted names: what shapes can be compared with."""
    found: dict[str, int] = {}
    for key, value in config.items():
        if isinstance(value, dict) and parent.count(".") < 2:
            found.update(whole_numbers(value, f"{parent}{key}."))
        elif isinstance(value, int) and not isinstance(value, bool) and value > 1 and not key.endswith("token_id"):
            found[parent + key] = value
    return found


SOURCES = {"timm": timm_models, "torchvision": torchvision_models, "transformers": transformers_models}


class TooSlow(Exception):
    """A constructor took longer than SECONDS_PER_MODEL."""


def _too_slow(*_: object) -> None:
    raise TooSlow


def collect(library: str, out: Path) -> None:
    """Write ``<library>.jsonl.gz``: a header with the versions, then a line per model, then the failures."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    prepare_torch()
    signal.signal(signal.SIGALRM, _too_slow)
    versions = {name: importlib.metadata.version(name) for name in (library, "torch")}
    failed: dict[str, str] = {}
    start = time.monotonic()
    count = 0
    part = out / f"{library}.jsonl.gz.part"
    with gzip.open(part, "wt", encoding="utf-8", compresslevel=4) as file:
        file.write(json.dumps({"versions": versions}) + "\n")
        for count, (name, make) in enumerate(SOURCES[library](), 1):
            signal.alarm(SECONDS_PER_MODEL)
            try:
                file.write(json.dumps(make()) + "\n")
            except Exception as error:  # noqa: BLE001 - library code; a model that cannot be built is recorded
                failed[name] = f"{type(error).__name__}: {str(error)[:200]}"
            finally:
                signal.alarm(0)
            if count % 100 == 0:
                seconds = time.monotonic() - start
                print(f"{library}: {count} models, {len(failed)} failed, {seconds:.0f} s", file=sys.stderr, flush=True)
        file.write(json.dumps({"failed": failed}) + "\n")
    part.rename(out / f"{library}.jsonl.gz")
    print(f"{library}: {count - len(failed)} of {count} models, {time.monotonic() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    collect(sys.argv[1], Path(sys.argv[2]))
