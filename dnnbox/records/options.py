"""What the user asked of a run, parsed and checked; the library's callers build one of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class RunOptions:
    """Options of ``dnnbox run`` and ``dnnbox plan``. Empty values mean "decide"; sizes in bytes, times in seconds.

    ``checkpoint`` is the argument as typed. ``batches``: the first is the one whose latency is reported.
    ``allow`` holds the names of consented risks: unsafe-pickle, remote-code.
    """

    checkpoint: str
    workspace: Path
    source: str = ""
    adapter: Path | None = None
    llm_command: str = ""  # a program that completes an adapter
    family: str = ""
    task: str = ""
    inputs: tuple[str, ...] = ()
    device: str = "auto"
    gpus: str = ""
    box: str = "auto"
    deps: Literal["ask", "current", "new", "feature"] = "ask"
    yes: bool = False
    offline: bool = False
    refresh: bool = False
    precision: str = "auto"
    batches: tuple[int, ...] = (1,)
    variants: tuple[str, ...] = ()
    threads: int = 0
    targets: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    out: Path | None = None
    seed: int = 0
    timeout_s: float = 1800.0
    memory_bytes: int = 0
    shm_bytes: int = 0
    cpus: str = ""
    quick: bool = False
    processes: int = 0  # fresh processes that measure; 0: three, one with ``quick``
    wait_quiet_s: float = 0.0  # what each measuring process may lose to waiting for the machine's usual pace
    drop_cache: bool = False  # before each fresh process the kernel is asked to forget the model's files
    profile: bool | None = None  # None: yes, but not with ``quick``
    allow: tuple[str, ...] = ()
    allow_weaker: bool = False  # limits that the engine cannot enforce are left out, and said
    base_image: str = ""
    oci_runtime: str = ""  # what the engine starts containers with: runsc, kata; "" is its default
    dataset: Path | None = None
    metrics: Path | None = None
    reference: str = ""  # "", "onnx", or a path
    train_check: bool = False
    contract: Path | None = None
    sizes: bool | None = None  # None: yes, but not with ``quick``
    endpoint: str = ""
    command: tuple[str, ...] = ()

    @property
    def wants_sizes(self) -> bool:
        """Whether the run tries which sizes of its inputs the model takes."""
        return not self.quick if self.sizes is None else self.sizes

    @property
    def wants_profile(self) -> bool:
        """Whether the run ends with a profile."""
        return not self.quick if self.profile is None else self.profile
