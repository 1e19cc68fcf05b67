"""Methods that run a model where its ``forward`` does not."""

from __future__ import annotations

import inspect
from typing import Any, Iterator

USUAL = (
    "inference",
    "infer",
    "encode",
    "encode_image",
    "extract_features",
    "predict",
    "forward_features",
    "sample",
    "act",
    "get_action",
)


def usual(module: Any) -> Iterator[str]:
    """Yield the methods that many models are run by."""
    for name in USUAL:
        if inspect.ismethod(getattr(module, name, None)):
            yield name
