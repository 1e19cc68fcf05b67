"""What a requirement is for: the runtime, the model's own libraries, utilities, or acceleration beyond the CPU."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dnnbox.records.dependencies import Group, Requirement

RUNTIME = frozenset(("torch", "torchvision", "torchaudio"))
UTILITY = frozenset(
    """
    numpy pillow opencv-python-headless opencv-python pyyaml scipy pandas matplotlib seaborn tqdm requests psutil loguru
    tabulate setuptools packaging regex ftfy h5py imageio scikit-image joblib filelock click rich six termcolor colorama
    protobuf ipython unidecode inflect soundfile librosa thop ultralytics-thop gdown lmdb
    """.split()  # noqa: SIM905 - a table
)
ACCELERATION = frozenset(
    """
    apex bitsandbytes causal-conv1d cupy deepspeed fairscale flash-attn mamba-ssm minkowskiengine nvidia-dali tensorrt
    torch-tensorrt transformer-engine triton xformers spconv torch-scatter torch-sparse
    """.split()  # noqa: SIM905 - a table
)
"""Compiled for a GPU, and without a wheel for the CPU or of no use there."""


def grouped(requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    """Return the requirements with their groups."""
    return tuple(replace(item, group=_group(item)) for item in requirements)


def _group(item: Requirement) -> Group:
    if item.name in RUNTIME:
        return "runtime"
    if item.name in ACCELERATION:
        return "acceleration"
    return "utility" if item.name in UTILITY else item.group
