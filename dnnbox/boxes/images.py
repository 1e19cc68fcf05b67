"""What dnnbox needs to know of an image: its id, and the Python in it. Looked at once per image id."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from dnnbox.boxes import owner
from dnnbox.boxes.base import ENVIRONMENT
from dnnbox.boxes.engine import Session, engine_errors
from dnnbox.boxes.engines import ENGINES, base_url, engine_answers, get_json
from dnnbox.boxes.hardened import Wanted, user_of
from dnnbox.boxes.limits import default_memory_bytes
from dnnbox.errors import EngineUnavailable, EnvFailed
from dnnbox.files import write_atomic
from dnnbox.records.environment import Limits
from dnnbox.store import Store
from dnnbox.text import visible

_PROBE = """
import json, platform, sys
libc = platform.libc_ver()
print(json.dumps([sys.executable, "%d.%d" % sys.version_info[:2], platform.machine(), *libc]))
"""
_PROBE_S = 60.0


@dataclass(frozen=True)
class ImageFacts:
    """``python`` is a path in the image, ``version`` is "3.11"; ``libc`` is "glibc 2.36", "" where not known."""

    id: str
    python: str
    version: str
    machine: str
    libc: str

    @property
    def platform(self) -> str:
        """Return uv's name of the platform, "" for a C library that has no manylinux wheels."""
        name, _, version = self.libc.partition(" ")
        return f"{self.machine}-manylinux_{version.replace('.', '_')}" if name == "glibc" else ""


def image_python(engine: str, image: str, *, store: Store | None = None) -> str:
    """Return the version of the image's Python, such as "3.11".

    Raises:
        EngineUnavailable: the engine or the image is not there.
        EnvFailed: the image has no Python.
    """
    return image_facts(engine, image, store=store).version


def image_facts(engine: str, image: str, *, store: Store | None = None) -> ImageFacts:
    """Return the facts of an image; raises as :func:`image_python`."""
    identity = image_id(engine, image)
    cache = (store or Store.default()).root / "images" / f"{identity.removeprefix('sha256:')[:32]}.json"
    try:
        facts = ImageFacts(**json.loads(cache.read_text("utf-8")))
        if facts.id == identity:
            return facts
    except (OSError, ValueError, TypeError):
        pass  # not there yet, or of another version of dnnbox
    with Session(engine) as session:
        facts = _probe(session, identity, image)
    cache.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(cache, json.dumps(asdict(facts)))
    return facts


def image_id(engine: str, image: str) -> str:
    """Return the id of an image by its name; no container is started."""
    url = base_url(engine)
    if not url.startswith("unix://"):
        with Session(engine) as session, engine_errors(engine, image):
            return str(session.client.images.get(image).id)
    found = get_json(Path(url.removeprefix("unix://")), f"/images/{image}/json")
    if isinstance(found, dict) and isinstance(found.get("Id"), str):
        identity: str = found["Id"]
        return identity if ":" in identity else f"sha256:{identity}"
    raise EngineUnavailable(
        f"{engine} has no image {visible(image, 80)}",
        hint="`make engines` builds one without a registry, or name another with `--base-image`",
    )


def with_digest(image: str) -> str:
    """Return the image's name with the digest that its registry knows it by, where an engine here can tell it."""
    if "@" in image:
        return image
    name = image.rpartition(":")[0] if ":" in image.rpartition("/")[2] else image
    for engine in ENGINES:
        url = base_url(engine) if engine_answers(engine) else ""
        found = get_json(Path(url.removeprefix("unix://")), f"/images/{image}/json") if url[:7] == "unix://" else None
        for entry in (found or {}).get("RepoDigests") or ():
            if entry.rpartition("@")[0].removeprefix("docker.io/").removeprefix("library/") == name:
                return f"{image}@{entry.rpartition('@')[2]}"
    return image


def _probe(session: Session, identity: str, image: str) -> ImageFacts:
    uid, gid = user_of(session.engine)
    with engine_errors(session.kind, image):
        dropped = image_variables(session, identity)
    wanted = Wanted(
        image=identity,
        command=("python3", "-I", "-c", _PROBE),
        user=f"{uid}:{gid}",
        environment=ENVIRONMENT,
        mounts=(),
        # A few words of the image's own Python: nothing foreign runs.
        limits=Limits(memory_bytes=min(default_memory_bytes(), 512 << 20), allow_weaker=True),
        labels=owner.labels(),
        dropped=dropped,
    )
    ended = session.run(wanted, timeout_s=_PROBE_S)
    try:
        executable, version, machine, libc, libc_version = json.loads(ended.stdout)
    except (TypeError, ValueError) as error:
        raise EnvFailed(
            f"the image {visible(image, 80)} has no usable python3", hint="choose another with `--base-image`"
        ) from error
    return ImageFacts(identity, str(executable), str(version), str(machine), f"{libc} {libc_version}".strip())


def image_variables(session: Session, image: str) -> tuple[str, ...]:
    """Return the names of the variables that an image would set in its containers."""
    config = session.client.images.get(image).attrs["Config"]
    return tuple(entry.partition("=")[0] for entry in config.get("Env") or ())
