"""Arrow 7, run: an environment becomes a running box, a job goes in, an outcome comes out.

===============  =====================================================================
base             the Box protocol, the layout inside
harness_copy     what runs inside, compiled once
venv             an interpreter of this machine, under bubblewrap where that works
container        docker and podman, hardened
container_env    environments for containers, made by hardened runs
collect, strict  what a box wrote, taken over as hostile data
failures         an outcome as the one error that it means
choose, engines  which box, which engine answers
podman_service   Podman's API where nobody else serves it
sweep, facts     dead containers; what doctor says of engines
===============  =====================================================================

Isolation is the same everywhere that it can be had: no network, no capabilities, a read-only root, one place to write.
"""

from __future__ import annotations

from dnnbox.boxes.choose import choose
from dnnbox.boxes.container import open_container
from dnnbox.boxes.container_env import container_env_exists, make_container_env
from dnnbox.boxes.engines import engine_answers, engine_available
from dnnbox.boxes.facts import unenforceable
from dnnbox.boxes.failures import error_of
from dnnbox.boxes.images import image_facts, image_python, with_digest
from dnnbox.boxes.limits import cpu_set, default_memory_bytes
from dnnbox.boxes.sweep import sweep
from dnnbox.boxes.venv import open_venv

DEFAULT_IMAGE = "dnnbox-base:bookworm"
"""Built on this machine by ``make engines``, from the distribution's packages, without a registry."""

__all__ = [
    "DEFAULT_IMAGE",
    "choose",
    "container_env_exists",
    "cpu_set",
    "default_memory_bytes",
    "engine_answers",
    "engine_available",
    "error_of",
    "image_facts",
    "image_python",
    "make_container_env",
    "open_container",
    "open_venv",
    "sweep",
    "unenforceable",
    "with_digest",
]
