"""Removes containers that a dead dnnbox left behind, and no others."""

from __future__ import annotations

import contextlib

from dnnbox.boxes.engine import Session, engine_errors
from dnnbox.boxes.owner import LABEL, is_provably_dead


def sweep(engine: str) -> tuple[str, ...]:
    """Remove dnnbox's containers whose owner is provably dead; returns their names.

    Raises:
        EngineUnavailable: the engine does not answer.
    """
    with Session(engine) as session:
        return sweep_session(session)


def sweep_session(session: Session) -> tuple[str, ...]:
    """Do the same over a connection that is open already."""
    from docker.errors import APIError
    from requests.exceptions import RequestException

    removed = []
    with engine_errors(session.kind):
        for found in session.client.api.containers(all=True, filters={"label": LABEL}):
            if not is_provably_dead(found.get("Labels") or {}):
                continue
            # Another dnnbox sweeps at the same time, or the engine hangs on this one: no reason not to run.
            with contextlib.suppress(APIError, RequestException):
                session.client.api.remove_container(found["Id"], force=True, v=True)
                removed.append(str((found.get("Names") or [found["Id"]])[0]).lstrip("/"))
    return tuple(removed)
