"""Waiting for a container of Podman's.

Its Docker API asks itself without a pause whether the container has ended, up to version 4.5: that takes a whole
processor from the model that is being measured (pull request 18149 there). Its own API can be told how often.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker.models.containers import Container

_INTERVAL = "250ms"  # what podman's own `wait` takes: a few milliseconds of processor time in a second


def waited(container: Container) -> bool:
    """Block until the container has ended; False where this engine does not know the question.

    Raises:
        RequestException: the connection broke.
    """
    api = container.client.api  # type: ignore[union-attr]
    wanted = {"condition": ["stopped", "exited"], "interval": _INTERVAL}
    place = f"{api.base_url}/v4.0.0/libpod/containers/{container.id}/wait"
    return bool(api.post(place, params=wanted, timeout=None).ok)
