"""Infers constructor arguments from the shapes in which a checkpoint differs from an architecture's default.

Only what differs is inferred, in the library's own argument names, each with its reason. Not visible in shapes, so
never inferred: the number of heads of a fused attention, strides, paddings, activations, class order.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isqrt
from typing import Any

from dnnbox.identify import keys
from dnnbox.identify.compare import Comparison, Reshaped
from dnnbox.identify.index import Model
from dnnbox.identify.keys import Pair, Shape
from dnnbox.records.evidence import Evidence

_POSITION = r"(?:^|\.)(?:pos_embed\w*|pos_embedding|position_embeddings?)(?:\.weight)?$"
_CLASS_TOKEN = r"(?:^|\.)(?:cls_token|class_token|class_embedding|dist_token|reg_token|cls_pos)$"  # noqa: S105
_SIZE_WORDS = r"hidden|embed|embd|dim|size|vocab|inner|ffn|intermediate|d_model|d_ff|channels|width|positions?$|labels"
_NOT_SIZES = r"image_size|patch_size|window_size|kernel_size|num_.*heads|head_dim|n_head|chunk|batch|beam"
_DEPTHS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers", "decoder_layers",
           "num_decoder_layers", "num_encoder_layers", "depth")  # fmt: skip


@dataclass
class Inferred:
    """Arguments, the reason of each, and the names of the tensors (of any difference) that they account for."""

    arguments: dict[str, Any] = field(default_factory=dict)
    evidence: list[Evidence] = field(default_factory=list)
    explained: set[str] = field(default_factory=set)

    def add(self, name: str, value: Any, source: str, detail: str, explains: Iterable[str] = ()) -> None:
        """Note one argument."""
        self.arguments[name] = value
        self.evidence.append(Evidence(f"{name}={value}", source, f"inferred: {detail}", 0.8))
        self.explained.update(explains)


def infer(model: Model, config: dict[str, int], expected: Sequence[Pair], comparison: Comparison) -> Inferred:
    """Return the arguments with which the architecture has the checkpoint's shapes, as far as they can be seen.

    ``expected`` are the architecture's tensors; ``config`` the whole numbers of its default configuration.
    """
    found = Inferred()
    if model.library == "transformers":
        number_of_labels(comparison, found)
        configuration(config, comparison, found)
        depth(config, expected, comparison, found)
        return found
    number_of_classes(model, expected, comparison, found)
    input_channels(model, expected, comparison, found)
    image_size(model, expected, comparison, found)
    return found


def number_of_classes(model: Model, expected: Sequence[Pair], comparison: Comparison, found: Inferred) -> None:
    """num_classes: the first dimension of a classifier, or of something that is a multiple of it (anchors, boxes)."""
    default = int(model.preprocess.get("num_classes") or 1000)
    votes: dict[int, list[Reshaped]] = defaultdict(list)
    for tensor in comparison.reshaped:
        old, new = tensor.expected, tensor.found
        if not ends_in_classes(model, tensor) or old[0] % default:
            continue
        classes, remainder = divmod(new[0] * default, old[0])
        if not remainder:
            votes[classes].append(tensor)
    if votes:
        classes, tensors = max(votes.items(), key=lambda item: len(item[1]))
        first = tensors[0]
        detail = f"{text(first.found)} where the default is {text(first.expected)}"
        found.add("num_classes", classes, f"shape of {first.name}", detail, (t.name for t in tensors))
    elif model.library == "timm" and not model.preprocess.get("num_classes"):
        added_head(comparison, found)
    elif model.library == "timm" and not comparison.body_missing and head_is_missing(model, expected, comparison):
        found.add("num_classes", 0, "missing tensors", "the classifier is not in the checkpoint")


def added_head(comparison: Comparison, found: Inferred) -> None:
    """num_classes of an architecture that has no classifier by default: the rows of the one that was added."""
    heads = [(name, shape) for name, shape in comparison.unexpected if keys.is_head(name)]
    rows = [(name, shape) for name, shape in heads if name.endswith(".weight") and len(shape) == 2]
    if len(rows) == 1:
        name, shape = rows[0]
        found.add("num_classes", shape[0], f"shape of {name}", f"{text(shape)}, by default there is none", dict(heads))


def ends_in_classes(model: Model, tensor: Reshaped) -> bool:
    """Tell whether only the rows differ, of a tensor whose rows are classes.

    timm publishes the name of the classifier; in torchvision the names of the last layers say it.
    """
    old, new = tensor.expected, tensor.found
    if not old or len(old) != len(new) or old[1:] != new[1:]:
        return False
    if model.library == "timm":
        return tensor.name.startswith(tuple(f"{name}." for name in classifiers(model))) or keys.is_head(tensor.name)
    return keys.is_head(tensor.name) or re.search(r"predictor|class|_head\.", tensor.name) is not None


def classifiers(model: Model) -> tuple[str, ...]:
    """Return the names of the classifier modules as the library publishes them."""
    names = model.preprocess.get("classifier") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def head_is_missing(model: Model, expected: Sequence[Pair], comparison: Comparison) -> bool:
    """Tell whether exactly the architecture's classifier is missing: ``num_classes=0`` takes away nothing else."""
    roots = tuple(f"{name}." for name in classifiers(model))
    wanted = [name for name, _ in expected if roots and name.startswith(roots)]
    missing = {name for name, _ in comparison.missing}
    return bool(wanted) and missing == set(wanted)


def input_channels(model: Model, expected: Sequence[Pair], comparison: Comparison, found: Inferred) -> None:
    """in_chans (timm): the second dimension of the first convolution; torchvision has no argument for it."""
    default = (model.preprocess.get("input_size") or [3])[0]
    first = next((name for name, shape in expected if len(shape) >= 4), "")
    votes: dict[int, list[Reshaped]] = defaultdict(list)
    for tensor in comparison.reshaped:
        old, new = tensor.expected, tensor.found
        stem = len(old) >= 4 and (tensor.name == first or old[1] == default)
        if not stem or len(old) != len(new) or (old[0], old[2:]) != (new[0], new[2:]) or old[1] % default:
            continue
        channels, remainder = divmod(new[1] * default, old[1])
        if not remainder:
            votes[channels].append(tensor)
    if len(votes) != 1:
        return
    channels, tensors = votes.popitem()
    detail = f"{text(tensors[0].found)} where the default is {text(tensors[0].expected)}"
    if model.library == "timm":
        found.add("in_chans", channels, f"shape of {tensors[0].name}", detail, (t.name for t in tensors))
    else:
        claim = f"the first convolution takes {channels} channels"
        found.evidence.append(Evidence(claim, f"shape of {tensors[0].name}", f"{detail}; no argument for it", 0.8))


def image_size(model: Model, expected: Sequence[Pair], comparison: Comparison, found: Inferred) -> None:
    """img_size (timm) or image_size (torchvision): the side of a square position embedding times the patch size."""
    sides = model.preprocess.get("input_size") or [3, *[model.preprocess.get("crop_size") or 0] * 2]
    position = next((t for t in comparison.reshaped if re.search(_POSITION, t.name)), None)
    if position is None or sides[1] != sides[2] or not sides[1]:
        return
    old = grid(position.expected, position.expected, expected)
    new = grid(position.found, position.expected, expected)
    if old is None or new is None or sides[1] % old:
        return
    size = new * (sides[1] // old)
    positions = [t for t in comparison.reshaped if re.search(_POSITION, t.name)]
    same = [t.name for t in positions if scales(t, sides[1], size, expected)]
    detail = f"{text(position.found)} where the default is {text(position.expected)} for {sides[1]} pixels"
    name = "img_size" if model.library == "timm" else "image_size"
    found.add(name, size, f"shape of {position.name}", detail, same)


def scales(tensor: Reshaped, side: int, size: int, expected: Sequence[Pair]) -> bool:
    """Tell whether a position embedding has the grid that the image's new size gives it; a second branch may not."""
    old, new = grid(tensor.expected, tensor.expected, expected), grid(tensor.found, tensor.expected, expected)
    return old is not None and new == old * size // side


def grid(shape: Shape, default: Shape, expected: Sequence[Pair]) -> int | None:
    """Return the side of the square grid behind a position embedding, of which ``default`` is the default shape."""
    if len(shape) != len(default):
        return None
    if len(shape) == 4:
        channels_last = shape[3] == default[3] and shape[1] != default[1]
        square = shape[1:3] if channels_last or shape[1] == shape[2] else shape[2:]
        return square[0] if square[0] == square[1] else None
    if len(shape) not in (2, 3):
        return None
    tokens = sum(re.search(_CLASS_TOKEN, name) is not None for name, _ in expected)
    for extra in dict.fromkeys((tokens, 0, 1, 2, 5)):
        side, default_side = isqrt(max(shape[-2] - extra, 0)), isqrt(max(default[-2] - extra, 0))
        if side**2 == shape[-2] - extra and default_side**2 == default[-2] - extra and side > 1:
            return side
    return None


def number_of_labels(comparison: Comparison, found: Inferred) -> None:
    """num_labels (transformers): the default head has two rows."""
    for tensor in comparison.reshaped:
        only_rows = tensor.expected[:1] == (2,) and keys.is_head(tensor.name)
        if only_rows and len(tensor.expected) == len(tensor.found) and tensor.name.endswith("weight"):
            detail = f"{text(tensor.found)} where the default is {text(tensor.expected)}"
            found.add("num_labels", tensor.found[0], f"shape of {tensor.name}", detail)
            return


def configuration(config: dict[str, int], comparison: Comparison, found: Inferred) -> None:
    """Configuration fields (transformers) whose default stands in the default shapes and another in the found ones."""
    changes = dimension_changes(comparison)
    labels = found.arguments.get("num_labels")
    for name, default in config.items():
        leaf = name.rsplit(".", 1)[-1]
        if default not in changes or not re.search(_SIZE_WORDS, leaf) or re.search(_NOT_SIZES, leaf):
            continue
        tensor = changes[default][1]
        detail = f"{text(tensor.found)} where the default is {text(tensor.expected)}"
        found.add(name, changes[default][0], f"shape of {tensor.name}", detail)
    changed = {old: new for old, (new, _) in changes.items()} | ({2: labels} if labels else {})
    for tensor in comparison.reshaped:
        if tuple(changed.get(d, d) for d in tensor.expected) == tensor.found:
            found.explained.add(tensor.name)


def dimension_changes(comparison: Comparison) -> dict[int, tuple[int, Reshaped]]:
    """Return default dimension → (found dimension, first tensor), where at least 80 % of the tensors agree."""
    votes: dict[int, Counter[int]] = defaultdict(Counter)
    first: dict[tuple[int, int], Reshaped] = {}
    for tensor in comparison.reshaped:
        if len(tensor.expected) != len(tensor.found):
            continue
        for old, new in zip(tensor.expected, tensor.found, strict=True):
            votes[old][new] += 1
            first.setdefault((old, new), tensor)
    changes = {}
    for old, counter in votes.items():
        new, n = counter.most_common(1)[0]
        if new != old and n >= 0.8 * counter.total():
            changes[old] = (new, first[old, new])
    return changes


def depth(config: dict[str, int], expected: Sequence[Pair], comparison: Comparison, found: Inferred) -> None:
    """The number of layers (transformers): how far the numbers of the repeated blocks go."""
    gone = {name for name, _ in comparison.missing}
    present = [name for name, _ in expected if name not in gone] + [name for name, _ in comparison.unexpected]
    default, actual = stacks(name for name, _ in expected), stacks(present)
    for stack, layers in default.items():
        if stack not in actual or actual[stack] == layers:
            continue
        names = [n for n, value in config.items() if n.rsplit(".", 1)[-1] in _DEPTHS and value == layers]
        side = [n for n in names if ("decoder" in n) == ("decoder" in stack)] or names
        known = {keys.template(name) for name, _ in expected}
        odd = [name for name, _ in (*comparison.missing, *comparison.unexpected) if keys.template(name) in known]
        beyond = [name for name in odd if layer_number(name, stack) >= min(layers, actual[stack])]
        for name in side:
            detail = f"{actual[stack]} layers, the default is {layers}"
            found.add(name, actual[stack], f"numbers under {stack}", detail, beyond)


def stacks(names: Iterable[str]) -> dict[str, int]:
    """Return dotted path of a list of blocks → number of blocks, outermost lists only."""
    found: dict[str, int] = {}
    for name in names:
        if match := re.search(r"(?:^|\.)(\d+)\.", name):
            stack = name[: match.start(1)]
            found[stack] = max(found.get(stack, 0), int(match[1]) + 1)
    return found


def layer_number(name: str, stack: str) -> int:
    """Return the number of the block that a tensor belongs to, -1 for one outside the stack."""
    head = name[len(stack) :].split(".", 1)[0] if name.startswith(stack) else ""
    return int(head) if head.isdigit() else -1


def text(shape: Shape) -> str:
    """Return a shape as ``[64, 3, 7, 7]``."""
    return str(list(shape))
