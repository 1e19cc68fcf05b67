"""Podman of a user without rights: what it cannot limit is refused, or accepted by name and said.

Run by root with DNNBOX_ROOTLESS_USER=NAME, a user with lines in /etc/subuid and /etc/subgid whose podman has the base
image (`podman save dnnbox-base:bookworm | podman load` as that user), or by such a user.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.zoo import Zoo

pytestmark = [pytest.mark.engine, pytest.mark.zoo, pytest.mark.extended]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def rootless(tmp_path: Path) -> Iterator[Run]:
    """Return a function that runs dnnbox as the user, in a folder of his."""
    name = os.environ.get("DNNBOX_ROOTLESS_USER", "")
    if os.getuid() == 0 and not name:
        pytest.skip("root's podman is not rootless: name a user in DNNBOX_ROOTLESS_USER")
    user = pwd.getpwnam(name) if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    place = Path(user.pw_dir) / f"dnnbox-test-{os.getpid()}"
    place.mkdir()
    os.chown(place, user.pw_uid, user.pw_gid)
    runtime = place / "run"
    runtime.mkdir(mode=0o700)
    os.chown(runtime, user.pw_uid, user.pw_gid)
    become = ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--init-groups"]
    # The tests' own interpreter may lie where only root may look.
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    environ = {
        **{key: value for key, value in os.environ.items() if key.endswith(("CERT", "CERT_FILE", "BUNDLE", "LINKS"))},
        "HOME": user.pw_dir, "XDG_RUNTIME_DIR": str(runtime), "DNNBOX_HOME": str(place / "store"),
        "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{libraries}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [*(become if os.getuid() == 0 else []), "/usr/bin/python3", "-m", "dnnbox", *map(str, arguments)]
        return subprocess.run(
            command, cwd=place, env=environ, capture_output=True, text=True, timeout=800, check=False
        )  # fmt: skip

    yield run
    shutil.rmtree(place, ignore_errors=True)


@pytest.mark.timeout(900)
def test_rootless_podman__what_it_cannot_limit__is_refused_or_said(rootless: Run, zoo: Zoo, tmp_path: Path) -> None:
    told = rootless("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(told.stdout)["checks"]}
    assert "rootless" in checks["Podman"]["detail"], checks["Podman"]
    options = ("run", zoo.path("onnx"), "--box", "podman", "--yes", "--quick", "--threads", "1", "--json")

    done = rootless(*options)
    if "Podman limits" in checks:  # on cgroup 1 it can limit nothing
        assert done.returncode == 31, done.stderr[-2000:]
        assert "--allow-weaker" in json.loads(done.stdout)["error"]["hint"]
        done = rootless(*options, "--allow-weaker")

    assert done.returncode == 0, done.stderr[-2000:]
    experiment = Path(json.loads(done.stdout)["experiment"])
    environment = json.loads((experiment / "outputs" / "environment.json").read_text("utf-8"))
    assert environment["engine"]["rootless"] is True
    assert environment["settings"]["network"] == "none"
    assert environment["settings"]["read_only"] is True
    weaker = environment["settings"]["weaker"]
    assert bool(weaker) == ("Podman limits" in checks)
    report = (experiment / "reports" / "stakeholder-report.md").read_text("utf-8")
    assert all(text in report for text in weaker)
