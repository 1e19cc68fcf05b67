"""``dnnbox inspect``. Apart from the other commands: importing what they need takes longer than reading the file."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from dnnbox.cli import show_json
from dnnbox.pipeline.inspecting import inspect_checkpoint


def inspect(checkpoint: str, *, json: bool, with_hash: bool, tensors: bool, family: str) -> int:
    """``dnnbox inspect``."""
    start = time.monotonic()
    inspection = inspect_checkpoint(checkpoint, family=family, with_hash=with_hash)
    if json:
        from dnnbox.codec import to_json

        listed = inspection if tensors else replace(inspection, tensor_list=())
        show_json({"schema": "dnnbox.inspection/1", **to_json(listed)})
        return 0
    from dnnbox.cli.screens.inspect import inspect_screen
    from dnnbox.cli.screens.layout import look_of

    print(inspect_screen(inspection, time.monotonic() - start, tensors=tensors, look=look_of(sys.stdout)), end="")
    return 0
