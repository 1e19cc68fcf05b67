"""A job in a container of a real Podman with the GPU, by a CDI specification; the machine's own files are the image.

    unshare --mount python benchmarks/gpu_container.py MODEL ROWS WIDTH SECONDS

No image has to be fetched and nothing of the machine is changed: a mount namespace holds podman's storage, its
configuration and the specification, which is written from the device nodes and driver folders that are there. The
image's layer is empty, and the machine's root is mounted over it, read-only as every layer.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import gpu_jobs  # noqa: E402
from dnnbox.boxes.container import open_container  # noqa: E402
from dnnbox.harness.protocol import MeasurePlan  # noqa: E402
from dnnbox.records.environment import Limits, Mount  # noqa: E402

IMAGE = "dnnbox-machine:root"
LIMITS = Limits(memory_bytes=32 << 30, allow_weaker=True)


def measured(model: Path, rows: int, width: int, plan: MeasurePlan) -> dict[str, Any]:
    """Return what a measuring job in such a container found; a process of its own holds the mounts."""
    argv = ["unshare", "--mount", sys.executable, __file__, str(model), str(rows), str(width), str(plan.min_seconds)]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=280, check=False)
    if done.returncode:
        raise RuntimeError(f"ended with {done.returncode}: {done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    for name in ("settings", "medians", "error"):
        print(f"{name}: {json.dumps(found.get(name))[:600]}", flush=True)
    return found


def run(*argv: str, **keywords: Any) -> str:
    """Run a command; its error output is the message where it fails."""
    done = subprocess.run(argv, capture_output=True, check=False, **keywords)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)[:200]}: {done.stderr.decode('utf-8', 'replace')[-1500:]}")
    return done.stdout.decode("utf-8", "replace")


def arranged(place: Path) -> None:
    """Give this mount namespace an /etc and a storage of its own, and the image."""
    run(
        "mount", "-t", "tmpfs", "none", str(place)
    )  # another file system than the root: no layer may hold its own upper
    shutil.copytree("/etc", place / "etc", symlinks=True, ignore_dangling_symlinks=True)
    for folder in ("cdi", "containers"):
        (place / "etc" / folder).mkdir(exist_ok=True)
    specification = cdi()
    (place / "etc/cdi/nvidia.yaml").write_text(json.dumps(specification), "utf-8")  # JSON is YAML too
    storage = f'[storage]\ndriver = "overlay"\ngraphroot = "{place}/storage"\nrunroot = "{place}/run"\n'
    # Otherwise podman mounts the storage over itself, and the layer would be the empty one again.
    storage += '[storage.options.overlay]\nskip_mount_home = "true"\n'
    (place / "etc/containers/storage.conf").write_text(storage, "utf-8")
    engine = '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    (place / "etc/containers/containers.conf").write_text(engine, "utf-8")
    run("mount", "--bind", str(place / "etc"), "/etc")
    run("podman", "load", input=archive())
    (bottom,) = (path for path in (place / "storage/overlay").glob("*/diff") if not (path.parent / "lower").exists())
    run("mount", "--bind", "/", str(bottom))


def archive() -> bytes:
    """Return an image of two layers: an empty one, and one that hides what the machine has running and lying about."""
    layers = [layer(()), layer(("run", "tmp"))]
    digests = [hashlib.sha256(data).hexdigest() for data in layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created_by": "benchmarks/gpu_container.py"} for _ in layers],
    }
    names = [f"{digest}.tar" for digest in digests]
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": names}]
    members = {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    return tar({**members, **dict(zip(names, layers, strict=True))})


def layer(hidden: Sequence[str]) -> bytes:
    """Return a layer in which the named folders are empty. Source: the OCI image specification, opaque whiteouts."""
    return tar({f"{name}/.wh..wh..opq": b"" for name in hidden})


def tar(members: Mapping[str, bytes]) -> bytes:
    """Return an archive of these files."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as file:
        for name, data in members.items():
            for folder in [parent for parent in PurePosixPath(name).parents if str(parent) != "."]:
                entry = tarfile.TarInfo(str(folder))
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
                file.addfile(entry)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))
    return written.getvalue()


def cdi() -> dict[str, Any]:
    """Return a specification of GPU 0: the nodes of the driver, and the folders that the driver lies in."""
    nodes = sorted(str(path) for path in Path("/dev").glob("nvidia*") if path.is_char_device())
    folders = [place for place in mount_points() if "nvidia" in place and not place.startswith(("/proc", "/dev"))]
    binds = [
        {"hostPath": place, "containerPath": place, "options": ["ro", "nosuid", "nodev", "rbind"]} for place in folders
    ]
    search = os.environ.get("LD_LIBRARY_PATH", "")
    edits: dict[str, Any] = {"deviceNodes": [{"path": node} for node in nodes], "mounts": binds}
    edits["env"] = [f"LD_LIBRARY_PATH={search}"] if search else []
    edits = {name: value for name, value in edits.items() if value}
    return {"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [{"name": "0", "containerEdits": edits}]}


def mount_points() -> Iterator[str]:
    """Yield where something is mounted."""
    for line in Path("/proc/self/mounts").read_text("utf-8").splitlines():
        yield re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), line.split()[1])


def main() -> None:
    """Arrange, run one measuring job, print what it found."""
    model, rows, width = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    device = os.environ.get("DNNBOX_GPU_DEVICE", "cuda")
    place = Path(tempfile.mkdtemp(prefix="dnnbox-gpu-"))
    arranged(place)
    plan = MeasurePlan(min_seconds=float(sys.argv[4]), max_seconds=5.0, warmup_max_seconds=3.0)
    python = str(Path(sys.executable))
    mounts = [Mount(str(model), "/dnnbox/checkpoint")]
    job = place / "job"
    with open_container("podman", IMAGE, python, mounts, LIMITS, device=device) as box:
        request = gpu_jobs.request("measure", box.path(model), rows, width, plan, device)
        outcome = box.run(request, job, timeout_s=200)
    found: dict[str, Any] = {"settings": dict(outcome.settings), "exit_code": outcome.exit_code, "cdi": cdi()}
    result = outcome.result
    if result is None or result.error is not None:
        found["error"] = [str(result.error) if result else "no result", outcome.stderr_tail[-1500:]]
    else:
        found["medians"] = gpu_jobs.medians(result, job)
        found["machine"] = result.machine
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main()
