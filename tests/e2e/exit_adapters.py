"""Adapters that end a run in every way that a model can: the text of a class, by the name of the exit code."""

from __future__ import annotations

HEAD = """import os

import numpy as np


class Adapter:
    def load(self, checkpoint, device, precision):
        pass

    def example_inputs(self, batch_size):
        return {"x": np.ones((batch_size, 3), dtype="float32")}

    def preprocess(self, paths):
        return self.example_inputs(1)

"""
_INFER = """    def infer(self, inputs):
        ACTION
        return {"y": inputs["x"] * 2}

    def postprocess(self, outputs, out_dir):
        POST
        return {}
"""


def adapter(action: str = "pass", post: str = "pass") -> str:
    """Return an adapter whose call does ``action``, and whose postprocessing does ``post``."""
    return HEAD + _INFER.replace("ACTION", action).replace("POST", post)


ENDS = {
    "RUN_FAILED": adapter('raise RuntimeError("no such layer \\x1b[2J")'),
    "RUN_SIGNAL": adapter("os.kill(os.getpid(), 11)"),
    "VRAM_OOM": adapter('raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")'),
    "BAD_OUTPUT": adapter('return {"y": inputs["x"] * float("nan")}'),
    "OUTPUT_LIMIT": adapter(
        post="""first = open(os.path.join(out_dir, "a.bin"), "wb")
        first.write(bytes(1 << 20))
        first.close()
        second = open(os.path.join(out_dir, "b.bin"), "wb")
        second.truncate((4 << 30) - (1 << 19))  # sparse: takes no room, and with the first one it is too much
        second.close()"""
    ),
}
FINE = adapter()
