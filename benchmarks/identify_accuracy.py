"""How often the right architecture is named: real models, rebuilt with changed arguments or damaged, then identified.

    .venv-zoo/bin/python benchmarks/identify_accuracy.py --sample 100 --seed 1 [--left-out 0.1] [--libraries timm …]

Runs where torch and the libraries are installed; models are built on the meta device. Each case gets a random wrapper
prefix, half lose ``num_batches_tracked``, a third are shuffled. "EMA nesting" and "fp16" are real files (one number for
each tensor, so that they stay small), read by dnnbox's own readers. "right" is the architecture itself or one with the
same names and shapes; "named" demands the very name. "in set" looks at all candidates and their twins. "strict" builds
the first candidate with the inferred arguments and compares every name and shape.
With ``--left-out`` a share of the index is hidden (with everything that has the same tensors), and the hidden ones are
asked for: the answer should be unknown, family or signal.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import struct
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]
os.environ["HF_HUB_OFFLINE"] = "1"

from fingerprint_zoo import configuration, on_meta, prepare_torch  # type: ignore[import-not-found]  # noqa: E402

from dnnbox.checkpoints import inspect  # noqa: E402
from dnnbox.identify import identify, index, keys, match  # noqa: E402
from dnnbox.records.identity import Candidate, Identity  # noqa: E402
from dnnbox.records.inspection import Inspection, TensorInfo  # noqa: E402

PREFIXES = (
    "",
    "module.",
    "model.",
    "backbone.",
    "_orig_mod.",
    "model.module.",
    "net.",
    "encoder.",
    "model_ema.module.",
)
Pairs = list[tuple[str, tuple[int, ...]]]


def build(library: str, name: str, arguments: dict[str, Any]) -> Pairs:
    """Return names and shapes of a model built on the meta device."""
    model = on_meta(lambda: BUILDERS[library](name, arguments))
    return [(key, tuple(value.shape)) for key, value in model.state_dict().items() if hasattr(value, "shape")]


def build_timm(name: str, arguments: dict[str, Any]) -> Any:
    import timm

    return timm.create_model(name, pretrained=False, **arguments)


def build_torchvision(name: str, arguments: dict[str, Any]) -> Any:
    import inspect

    from torchvision import models

    accepted = inspect.signature(models.get_model_builder(name)).parameters
    extra: dict[str, Any] = {"weights_backbone": None} if "weights_backbone" in accepted else {}
    if name in ("googlenet", "inception_v3"):
        extra["init_weights"] = False
    return models.get_model(name, weights=None, **extra, **arguments)


def build_transformers(name: str, arguments: dict[str, Any]) -> Any:
    import transformers

    cls = getattr(transformers, name)
    config = configuration(cls.config_class)
    for key, value in arguments.items():
        place, leaf = config, key
        while "." in leaf:
            parent, leaf = leaf.split(".", 1)
            place = getattr(place, parent)
        setattr(place, leaf, value)
    return cls(config)


BUILDERS: dict[str, Callable[[str, dict[str, Any]], Any]] = {
    "timm": build_timm,
    "torchvision": build_torchvision,
    "transformers": build_transformers,
}


def drop_head(pairs: Pairs) -> Pairs:
    return [(name, shape) for name, shape in pairs if not keys.is_head(name)]


def unchanged(library: str, name: str, _rng: random.Random) -> Pairs:
    return build(library, name, {})


def classes(library: str, name: str, rng: random.Random) -> Pairs:
    return build(library, name, {"num_classes": rng.choice([2, 3, 10, 37, 100, 365])})


def headless(library: str, name: str, _rng: random.Random) -> Pairs:
    if library == "timm":
        return build(library, name, {"num_classes": 0})
    return drop_head(build(library, name, {}))


def channels(library: str, name: str, rng: random.Random) -> Pairs:
    if library != "timm":
        raise NotApplicable
    return build(library, name, {"in_chans": rng.choice([1, 2, 4, 6]), "num_classes": rng.choice([2, 10, 37])})


def size(library: str, name: str, rng: random.Random) -> Pairs:
    if library == "timm":
        return build(library, name, {"img_size": rng.choice([192, 256, 320, 448])})
    if library == "torchvision" and name.startswith("vit_"):
        return build(library, name, {"image_size": rng.choice([256, 320, 448])})
    raise NotApplicable


def projection(library: str, name: str, rng: random.Random) -> Pairs:
    extra = [
        ("proj.0.weight", (128, 512)),
        ("proj.0.bias", (128,)),
        ("proj.2.weight", (64, 128)),
        ("proj.2.bias", (64,)),
    ]
    return classes(library, name, rng) + extra


def damaged(library: str, name: str, rng: random.Random) -> Pairs:
    pairs = build(library, name, {})
    return rng.sample(pairs, max(1, round(0.6 * len(pairs))))


def smaller(library: str, name: str, _rng: random.Random) -> Pairs:
    """Another configuration of a transformers model: half the layers, another vocabulary, twice the widths."""
    changed = {}
    for key, value in index.load().config(index.load().by_name[library, name]).items():
        leaf = key.rsplit(".", 1)[-1]
        if leaf == "vocab_size":
            changed[key] = value + 1234
        elif leaf in ("num_hidden_layers", "n_layer", "num_layers", "encoder_layers", "decoder_layers"):
            changed[key] = max(1, value // 2)
        elif leaf in ("hidden_size", "n_embd", "d_model", "intermediate_size", "d_ff", "n_inner"):
            changed[key] = value * 2
    return build(library, name, changed)


class NotApplicable(Exception):
    """The perturbation makes no sense for the library."""


PERTURBATIONS = {
    "none": unchanged,
    "num_classes": classes,
    "head removed": headless,
    "in_chans+classes": channels,
    "img_size": size,
    "projection+classes": projection,
    "40 % deleted": damaged,
    "EMA nesting": classes,
    "fp16": classes,
}


def tensors_of(pairs: Pairs, kind: str = "float32") -> dict[str, Any]:
    """Return tensors that store one number each and are expanded to their shape."""
    import torch

    dtypes = {True: torch.int64, False: getattr(torch, kind)}
    return {n: torch.zeros((), dtype=dtypes[n.endswith("num_batches_tracked")]).expand(s) for n, s in pairs}


def averaged(pairs: Pairs, rng: random.Random) -> Any:
    """Return a training checkpoint that holds the weights twice: as trained, and averaged."""
    import torch

    plain = tensors_of(pairs)
    ema = dict(plain)
    first = {"step": torch.ones(()), "exp_avg": torch.ones(4), "exp_avg_sq": torch.ones(4)}
    rest = {"epoch": 3, "optimizer": {"state": {0: first}, "param_groups": [{"lr": 0.1, "params": [0]}]}}
    wrapped = {f"module.{name}": tensor for name, tensor in ema.items()}
    both = {f"model.{n}": t for n, t in plain.items()} | {f"ema_model.{n}": t for n, t in ema.items()}
    forms: tuple[dict[str, Any], ...] = (
        {"state_dict": plain, "state_dict_ema": ema},
        {"model": plain, "model_ema": wrapped},
        {"params": plain, "params_ema": ema},
        {"model": plain, "ema": {"model": ema, "decay": 0.999, "updates": 7}},
        {"state_dict": both | {"ema_model.decay": torch.ones(())}},
    )
    return rest | rng.choice(forms)


def write_halves(pairs: Pairs, path: Path) -> None:
    """Write a safetensors file of half precision, without its numbers: a hole takes no space on disk."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in pairs:
        size = 2
        for extent in shape:
            size *= extent
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    raw = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + end)


def read_back(what: str, pairs: Pairs, rng: random.Random) -> Inspection:
    """Write a real file and return what dnnbox reads from it."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "weights"
        place.mkdir()
        path = place / "checkpoint.pth"
        if what == "fp16" and rng.random() < 0.5:
            path = place / "checkpoint.safetensors"
            write_halves(pairs, path)
        else:
            torch.save(averaged(pairs, rng) if what == "EMA nesting" else tensors_of(pairs, "float16"), path)
        return inspect(path)


def disguise(pairs: Pairs, rng: random.Random) -> tuple[Pairs, str]:
    """Add a wrapper's prefix, drop counters, shuffle."""
    prefix = rng.choice(PREFIXES)
    kept = [p for p in pairs if not p[0].endswith("num_batches_tracked")] if rng.random() < 0.5 else list(pairs)
    if rng.random() < 0.3:
        rng.shuffle(kept)
    return [(prefix + name, shape) for name, shape in kept], prefix


def inspection_of(pairs: Pairs) -> Inspection:
    tensors = tuple(TensorInfo(name, "float32", shape) for name, shape in pairs)
    return Inspection("checkpoint.pth", "file", "torch-zip", "pytorch", 1, "data-only", tensor_list=tensors)


def names_of(candidate: Candidate) -> list[tuple[str, str]]:
    """Return a candidate and its twins as (library, architecture)."""
    found = [(candidate.library, candidate.architecture)]
    for twin in candidate.same_weights:
        library, _, name = twin.architecture.rpartition("/")
        found.append((library or candidate.library, name))
    return found


def same_class(known: index.Index, a: tuple[str, str], b: tuple[str, str]) -> bool:
    """Tell whether two architectures have the same tensors, or the same but for the head's size."""
    if a == b:
        return True
    if a not in known.by_name or b not in known.by_name:
        return False
    return known.by_name[b] in [other for other, _ in known.twins(known.by_name[a])]


def loads_strictly(candidate: Candidate, pairs: Pairs) -> bool:
    """Tell whether the first candidate, built with its arguments, has exactly these names and shapes."""
    try:
        built = build(candidate.library, candidate.architecture, dict(candidate.arguments))
    except Exception:  # noqa: BLE001 - library code; what cannot be built does not load
        return False
    start = len(candidate.prefix)
    wanted = {(n[start:], s) for n, s in pairs if n.startswith(candidate.prefix) and keys.counts(n)}
    return {(n, s) for n, s in built if keys.counts(n)} == wanted


def evaluate(models: list[tuple[str, str]], what: str, sample: int, seed: int, verbose: bool) -> dict[str, Any]:
    """Return counts for one perturbation."""
    rng = random.Random(f"{seed} {what}")
    known = index.load()
    count: Counter[str] = Counter()
    milliseconds: list[float] = []
    for library, name in rng.sample(models, len(models)):
        if count["n"] == sample:
            break
        try:
            pairs, prefix = disguise((PERTURBATIONS | {"other sizes": smaller})[what](library, name, rng), rng)
        except Exception:  # noqa: BLE001 - many models lack an argument
            continue
        inspection = read_back(what, pairs, rng) if what in ("EMA nesting", "fp16") else inspection_of(pairs)
        pairs = [(tensor.name, tensor.shape) for tensor in inspection.tensor_list]
        start = time.perf_counter()
        identity = identify(inspection)
        milliseconds.append((time.perf_counter() - start) * 1e3)
        told = judged(known, identity, (library, name), pairs, prefix, what == "EMA nesting")
        count.update(told)
        if verbose and (not told["right"] or not told["strict"]):
            print(f"  {'weak' if told['right'] else 'MISS'} {what}: {library} {name} → {shown(identity)}")
    milliseconds.sort()
    n = max(1, len(milliseconds))
    return {**count, "median_ms": round(milliseconds[n // 2], 1), "p95_ms": round(milliseconds[int(0.95 * n)], 1)}


def shown(identity: Identity) -> str:
    """Return the first candidate on one line."""
    if not identity.candidates:
        return "nothing"
    best = identity.candidates[0]
    return f"{best.library} {best.architecture} {best.match} {best.score} {dict(best.arguments)}"


def same(known: index.Index, identity: Identity, truth: tuple[str, str]) -> bool:
    first = identity.candidates[0] if identity.candidates else None
    return first is not None and same_class(known, (first.library, first.architecture), truth)


def judged(
    known: index.Index, identity: Identity, truth: tuple[str, str], pairs: Pairs, prefix: str, nested: bool
) -> Counter[str]:
    """Return what is right about one answer; ``nested``: a wrapper of its own may stand before the prefix."""
    told: Counter[str] = Counter(n=1)
    first = identity.candidates[0] if identity.candidates else None
    told["right"] += same(known, identity, truth)
    told["in set"] += any(same_class(known, one, truth) for c in identity.candidates for one in names_of(c))
    if first is None:
        return told
    told["named"] += (first.library, first.architecture) == truth
    told["prefix"] += first.prefix == prefix or (nested and first.prefix.endswith(prefix))
    told["strict"] += loads_strictly(first, pairs)
    return told


def left_out(models: list[tuple[str, str]], share: float, seed: int, verbose: bool) -> dict[str, Any]:
    """Hide a share of the index and ask for the hidden ones; returns how sure the answers were."""
    full = index.load()
    rng = random.Random(f"{seed} left out")
    chosen = rng.sample(models, round(share * len(models)))
    hidden = {full.by_name[one] for one in chosen}
    hidden |= {other for number in hidden for other, _ in full.twins(number)}
    masked = index.Index(index.Table(index.data_file("models.bin")), index.data_file("hashes.bin"))
    masked.hidden = frozenset(hidden)
    vars(match)["index"] = replace_loader(masked)
    count: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for library, name in chosen:
        pairs, _ = disguise(full.tensors.pairs(full.by_name[library, name]), rng)
        identity = identify(inspection_of(pairs))
        first = identity.best
        told = first.match if first else "unknown"
        count[told] += 1
        if told in ("exact", "body", "similar") and first:
            strict = loads_strictly(first, pairs)
            kinds[told]["builds the same tensors" if strict else "wrong"] += 1
            if verbose and not strict:
                print(
                    f"  left out: {library} {name} → {first.library} {first.architecture} {first.match} {first.score}"
                )
    vars(match)["index"] = index
    return {"n": len(chosen), **count, **{kind: dict(c) for kind, c in kinds.items()}}


def replace_loader(masked: index.Index) -> Any:
    """Return a stand-in for the index module whose load() gives the masked index."""
    import types

    stand_in = types.SimpleNamespace(**{k: v for k, v in vars(index).items() if not k.startswith("__")})
    stand_in.load = lambda: masked
    return stand_in


def main() -> None:
    """Print one line per perturbation, and JSON with --json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--left-out", type=float, default=0.0)
    parser.add_argument("--libraries", nargs="+", default=["timm", "torchvision"])
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--verbose", action="store_true", help="print every miss")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    prepare_torch()
    models = sorted(one for one in index.load().by_name if one[0] in options.libraries)
    wanted = options.only or (["none", "other sizes"] if options.libraries == ["transformers"] else list(PERTURBATIONS))
    results: dict[str, Any] = {}
    total: Counter[str] = Counter()
    for what in wanted:
        results[what] = evaluate(models, what, options.sample, options.seed, options.verbose)
        total.update({k: v for k, v in results[what].items() if isinstance(v, int)})
        print(f"{what:20}", results[what], flush=True)
    print("all", dict(total))
    if options.left_out:
        results["left out"] = left_out(models, options.left_out, options.seed, options.verbose)
        print("left out", results["left out"])
    if options.json:
        options.json.write_text(
            json.dumps({"seed": options.seed, "versions": dict(index.load().versions), **results}, indent=1)
        )


if __name__ == "__main__":
    main()
