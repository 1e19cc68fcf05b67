"""An engine that does not pass the GPU it was asked for: its words, with the way out that fits them."""

from __future__ import annotations

import re

from dnnbox.errors import GpuUnavailable

_REFUSALS = (
    "could not select device driver",
    "nvidia-container",
    "CDI device",
    "cdi device",
    "no such device",
    "libcuda",
)
_WAYS = (
    (
        r"could not select device driver",
        "install nvidia-container-toolkit, then `nvidia-ctk runtime configure --runtime=docker` and restart docker",
    ),
    (
        r"CDI device",
        "see `nvidia-ctk cdi list`; `nvidia-ctk cdi generate --output /etc/cdi/nvidia.yaml` writes it anew",
    ),
    (r"unknown device|invalid device", "`nvidia-smi -L` lists the GPUs; name one with `--gpus device=…`"),
    (r"driver not loaded|libcuda|libnvidia-ml|nvml error", "the driver itself does not work; `nvidia-smi` must answer"),
)
"""What an engine or NVIDIA's tools say, and what helps; the first that fits is taken."""


def is_gpu_refusal(words: str) -> bool:
    """Return whether an engine's error is about the GPU that was asked for."""
    return any(refusal in words for refusal in _REFUSALS)


def gpu_refused(engine: str, words: str) -> GpuUnavailable:
    """Return the error for an engine's own words."""
    ways = (hint for pattern, hint in _WAYS if re.search(pattern, words, re.IGNORECASE))
    return GpuUnavailable(
        f"{engine} cannot pass a GPU: {words}", hint=next(ways, "`dnnbox doctor` shows what is missing")
    )
