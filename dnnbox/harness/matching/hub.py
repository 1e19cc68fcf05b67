"""What a source takes from a hub and is not here: a configuration's defaults build the model, nothing else is needed.

The default sizes of a class are those of one of its models. Where the checkpoint holds another one of them, its shapes
say what the configuration has to be: ``SIZES``, by the model's class.
"""

from __future__ import annotations

import contextlib
import importlib
from collections import Counter
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from . import standins

Shapes = Mapping[str, Sequence[int]]
WANTED: Dict[str, Sequence[int]] = {}  # the shapes of the checkpoint's tensors; empty where an adapter knows the sizes
SIZES: Dict[str, Dict[str, int]] = {}

_NAMES = "size dim hidden embd inner vocab position width channels d_model d_ff n_ctx intermediate".split()
_LAYERS, _HEADS = ("layer", "depth", "blocks"), ("num_attention_heads", "num_heads", "n_head", "n_heads")
_WIDTHS = ("hidden_size", "n_embd", "d_model", "dim", "embed_dim")


def quiet() -> None:
    """Ask no hub any more. A source imports transformers while it is searched, or an adapter does later."""
    for place, name, stand_for in (
        ("modeling_utils", "PreTrainedModel", _model),
        ("configuration_utils", "PretrainedConfig", lambda cls, _, named: _config(cls(), named)),
        ("models.auto.configuration_auto", "AutoConfig", lambda _, name, named: _config(_config_of(name), named)),
        ("models.auto.modeling_auto", "_BaseAutoModelClass", _auto_model),
        ("tokenization_utils_base", "PreTrainedTokenizerBase", lambda *_: standins.Anything()),
        ("models.auto.tokenization_auto", "AutoTokenizer", lambda *_: standins.Anything()),
        ("processing_utils", "ProcessorMixin", lambda *_: standins.Anything()),
        ("models.auto.processing_auto", "AutoProcessor", lambda *_: standins.Anything()),
    ):
        standins.after_import("transformers." + place, _without_hub(name, stand_for))


def _without_hub(name: str, stand_for: Any) -> Any:
    def change(module: Any) -> None:
        def from_pretrained(cls: Any, *given: Any, **named: Any) -> Any:
            standins.note("%s.from_pretrained" % cls.__name__)
            which = str(given[0] if given else named.get("pretrained_model_name_or_path", ""))
            return stand_for(cls, which, named)

        base = getattr(module, name)
        for each in vars(module).values():
            if isinstance(each, type) and issubclass(each, base):  # some have a copy of their own
                each.from_pretrained = classmethod(from_pretrained)  # type: ignore[attr-defined]

    return change


def _config(config: Any, named: Dict[str, Any]) -> Any:
    made = _with(config, named)
    return (made, {}) if named.get("return_unused_kwargs") else made


def _model(cls: Any, _: str, named: Dict[str, Any]) -> Any:
    return _sized(cls, _with(named.get("config") or cls.config_class(), named))


def _auto_model(cls: Any, name: str, named: Dict[str, Any]) -> Any:
    return _sized(cls.from_config, _with(named.get("config") or _config_of(name), named))


def _config_of(name: str) -> Any:
    """Return the configuration of the kind of models that a name speaks of, as the library guesses it too."""
    kinds = importlib.import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    for kind in sorted(kinds.keys(), key=len, reverse=True):
        if kind in name.lower():
            return kinds[kind]()
    raise ValueError("no kind of model is known by the name %r" % name)


def _with(config: Any, named: Dict[str, Any]) -> Any:
    """Return a configuration with what a call gives for it beside the name."""
    for name, value in named.items():
        if name != "config" and hasattr(config, name):
            with contextlib.suppress(Exception):  # outputs that this way of attention cannot give
                setattr(config, name, value)
    return config


def _sized(make: Any, config: Any) -> Any:
    """Return the model of a configuration, or of one whose sizes are those of the checkpoint."""
    made = make(config)
    name = type(made).__name__
    if name not in SIZES and WANTED:
        shapes = {key: tuple(value.shape) for key, value in made.state_dict().items()}
        SIZES[name] = differing(shapes, vars(config), WANTED)
    if not SIZES.get(name):
        return made
    for field, size in SIZES[name].items():
        setattr(config, field, size)
    return make(config)


def differing(found: Shapes, values: Mapping[str, Any], wanted: Shapes) -> Dict[str, int]:
    """Return the sizes of a configuration that would give what was ``found`` the shapes that are ``wanted``.

    A size tells where it stands in shapes: all wanted ones in its places are one other size.
    """
    prefix = _prefix(found, wanted)
    cut = {name[len(prefix) :]: shape for name, shape in wanted.items() if name.startswith(prefix)}
    seen: Dict[int, "Counter[int]"] = {}
    for name in set(found) & set(cut):
        for size, other in zip(found[name], cut[name]):
            seen.setdefault(size, Counter())[other] += 1
    numbers = {field: value for field, value in values.items() if type(value) is int and value > 1}
    sizes = {}
    for field, value in numbers.items():
        others = list(seen.get(value, ()))
        if any(part in field for part in _NAMES) and len(others) == 1 and others[0] != value:
            sizes[field] = others[0]
        elif any(part in field for part in _LAYERS) and _depth(found) == value != _depth(cut) > 0:
            sizes[field] = _depth(cut)
    return dict(sizes, **_heads(numbers, sizes))


def _heads(numbers: Mapping[str, int], sizes: Mapping[str, int]) -> Dict[str, int]:
    """Return the numbers of heads for another width: a head stays as wide as it is."""
    width = next((field for field in _WIDTHS if field in sizes), "")
    found = {field: numbers[field] for field in _HEADS if field in numbers and width}
    return {field: max(1, sizes[width] * value // numbers[width]) for field, value in found.items()}


def _prefix(found: Shapes, wanted: Shapes) -> str:
    """Return what the names of the checkpoint begin with where most names of a model follow."""
    votes: "Counter[str]" = Counter()
    for name in found:
        votes.update(other[: -len(name)] for other in wanted if ("." + other).endswith("." + name))
    return votes.most_common(1)[0][0] if votes else ""


def _depth(shapes: Shapes) -> int:
    """Return the number of items of the longest list of layers."""
    lists: Dict[Tuple[str, ...], set] = {}  # type: ignore[type-arg]
    for name in shapes:
        parts: List[str] = name.split(".")
        for place, part in enumerate(parts):
            if part.isdigit():
                lists.setdefault(tuple(parts[:place]), set()).add(part)
                break
    return max((len(items) for items in lists.values()), default=0)
