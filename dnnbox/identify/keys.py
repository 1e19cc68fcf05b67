"""Names of tensors: which ones count, which belong to a head, and how they are hashed and collapsed.

The index is built and read with the same functions, so a change here means that the index must be built again
(tools/build_fingerprints.py); ``SCHEME`` guards that. Knows nothing of libraries or files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

try:  # hashlib itself loads OpenSSL, which takes longer than hashing every name
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

SCHEME = 1  # raise it when hash(), counts(), is_head() or template() change their answers
MASK = (1 << 64) - 1
Shape = tuple[int, ...]
Pair = tuple[str, Shape]

_DERIVED = (  # buffers that the constructor computes: some savers keep them, others drop them
    "num_batches_tracked",
    "relative_position_index",
    "relative_coords_table",
    "rel_pos_index",
    "attn_mask",
    "position_ids",
    "inv_freq",
    "attention_bias_idxs",
)
_HEAD = re.compile(
    r"(?:fc|heads?|head_dist|classif\w*|last_linear|logits\w*|lm_head|score|output|qa_outputs|cls|"
    r"out_proj|projection|contact_head|start_logits|end_logits|aux\d?\.(?:fc2|classifier)|"
    r"AuxLogits\.fc|aux_classifier)(?:\.|$)"
)
_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")


def counts(name: str) -> bool:
    """Tell whether a tensor takes part in fingerprints."""
    return not name.endswith(_DERIVED)


def is_head(name: str) -> bool:
    """Tell whether a tensor belongs to what is exchanged for another task: classifier, projection, language head."""
    return _HEAD.match(name) is not None


def template(name: str) -> str:
    """Return the name with layer numbers as ``*``."""
    return _NUMBER.sub("*", name)


def numbers(name: str) -> tuple[int, ...]:
    """Return the layer numbers of a name, in order."""
    return tuple(map(int, _NUMBER.findall(name)))


def fill(pattern: str, values: Iterable[int]) -> str:
    """Return the template with its ``*`` replaced, the reverse of template() and numbers()."""
    parts = iter(values)
    if pattern.count("*") == 1:
        return pattern.replace("*", str(next(parts)))
    return ".".join(str(next(parts)) if part == "*" else part for part in pattern.split("."))


def pair_hash(name: str, shape: Sequence[int]) -> int:
    """Return 64 bits of a name and a shape."""
    return text_hash(f"{name}|{'x'.join(map(str, shape))}")


def text_hash(text: str) -> int:
    """Return 64 bits of a text."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def set_hashes(pairs: Iterable[Pair]) -> tuple[int, int]:
    """Return (all, all but the head): sums of hashes, so that the order does not matter."""
    everything = head = 0
    for name, shape in pairs:
        value = pair_hash(name, shape)
        everything += value
        if is_head(name):
            head += value
    return everything & MASK, (everything - head) & MASK


def prefixes(names: Sequence[str], share: float = 0.3) -> list[str]:
    """Return "" and the dotted prefixes that at least ``share`` of the names have, most common and shortest first.

    A wrapper (``module.``) and the model's own first level (``model.``) look alike until something matches, so both
    stay in the list.
    """
    seen: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        for depth in range(1, min(6, len(parts))):
            seen[".".join(parts[:depth]) + "."] += 1
    least = max(4.0, share * len(names))
    common = [(prefix, n) for prefix, n in seen.items() if n >= least]
    common.sort(key=lambda item: (-item[1], len(item[0])))
    return ["", *(prefix for prefix, _ in common[:8])]


def stripped(pairs: Sequence[Pair], prefix: str) -> list[Pair]:
    """Return the pairs under a prefix, without it."""
    if not prefix:
        return list(pairs)
    return [(name[len(prefix) :], shape) for name, shape in pairs if name.startswith(prefix)]
