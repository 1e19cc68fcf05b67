"""Secrets planted wherever a user has them: none is in the experiment, the container, its logs or on the screen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.zoo import Zoo

pytestmark = [pytest.mark.zoo, pytest.mark.engine, pytest.mark.slow, pytest.mark.long]

CANARY = "canary4711"
VARIABLES = {
    "HF_TOKEN": f"hf_{CANARY}aaaaaaaa",
    "AWS_SECRET_ACCESS_KEY": CANARY,
    "GITHUB_TOKEN": f"ghp_{CANARY}",
    "WANDB_API_KEY": CANARY,
    "FTP_PROXY": f"http://me:{CANARY}@127.0.0.1:9",
    "UV_INDEX_PRIVATE_PASSWORD": CANARY,
    "SSH_AUTH_SOCK": f"/tmp/{CANARY}",
    "DATABASE_URL": f"postgres://me:{CANARY}@db/x",
}
FILES = {
    ".netrc": f"machine example.org login me password {CANARY}\n",
    ".docker/config.json": json.dumps(
        {
            "auths": {"registry.example": {"auth": "bWU6", "identitytoken": CANARY}},
            "proxies": {"default": {"httpProxy": f"http://me:{CANARY}@127.0.0.1:9"}},
        }
    ),
    ".cache/huggingface/token": CANARY,
    ".ssh/id_ed25519": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}\n",
    ".aws/credentials": f"aws_secret_access_key = {CANARY}\n",
    ".pypirc": f"password = {CANARY}\n",
    ".git-credentials": f"https://me:{CANARY}@github.com\n",
}
ADAPTER = '''import glob
import os

import numpy as np


class Adapter:
    """Tries to read whatever could be a secret, and prints it."""

    def load(self, checkpoint, device, precision):
        print(dict(os.environ))
        for place in (os.path.expanduser("~"), "/root", "/home", "/run/secrets", "/proc/1", "WORKSPACE"):
            for path in glob.glob(place + "/.*") + glob.glob(place + "/*/.*") + glob.glob(place + "/environ"):
                try:
                    print(path, open(path, errors="replace").read(4096))
                except OSError as error:
                    print(path, error)

    def example_inputs(self, batch_size):
        return {"x": np.ones((batch_size, 3), dtype="float32")}

    def preprocess(self, paths):
        return self.example_inputs(1)

    def infer(self, inputs):
        return {"y": inputs["x"] * 2}

    def postprocess(self, outputs, out_dir):
        return {}
'''


def test_planted__count__is_at_least_twelve() -> None:
    assert len(VARIABLES) + len(FILES) + 3 >= 12


def found_in(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and CANARY in read(path)]


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


class Inspector(threading.Thread):
    """Asks the engine for every container that dnnbox starts meanwhile, and keeps what it says."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stop, self.seen = threading.Event(), {}

    def run(self) -> None:
        while not self.stop.wait(0.1):
            listed = self.docker("ps", "-aq", "--filter", "label=org.dnnbox")
            for one in set(listed.split()) - set(self.seen):
                self.seen[one] = self.docker("inspect", one) + self.docker("logs", one)

    def docker(self, *arguments: str) -> str:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=60)
        return done.stdout


@pytest.mark.parametrize("box", ["venv", "docker"])
def test_run__secrets_everywhere__are_found_nowhere(
    zoo: Zoo, workspace: Path, tmp_path: Path, dnnbox_home: Path, request: pytest.FixtureRequest, box: str
) -> None:
    request.getfixturevalue("docker_engine" if box == "docker" else "bubblewrap")
    home, source = tmp_path / "home", tmp_path / "source"
    for name, text in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    source.mkdir()
    (source / "model.py").write_text("pass\n")
    subprocess.run(["git", "init", "-q", source], check=True)
    remote = f"https://me:{CANARY}@github.com/o/r.git"
    subprocess.run(["git", "-C", source, "remote", "add", "origin", remote], check=True)
    (workspace / ".env").write_text(f"TOKEN={CANARY}\n")
    adapter = tmp_path / "adapter.py"
    adapter.write_text(ADAPTER.replace("WORKSPACE", str(workspace)))
    environ = {**os.environ, **VARIABLES, "HOME": str(home), "DNNBOX_HOME": str(dnnbox_home)}
    if "PIP_FIND_LINKS" in environ:
        environ.setdefault("UV_FIND_LINKS", environ["PIP_FIND_LINKS"])
    command = [sys.executable, "-m", "dnnbox", "run", zoo.path("onnx"), "--box", box, "--quick", "--yes", "--out", "e"]
    command += ["--adapter", adapter, "--source", source, "--provenance", f"url=https://me:{CANARY}@example.org/x"]
    # The environment first, without secrets: whoever fetches from a private index has to be told its password.
    plain = {**os.environ, "DNNBOX_HOME": str(dnnbox_home), "UV_FIND_LINKS": environ.get("UV_FIND_LINKS", "")}
    made = [*command[:-6], "--adapter", adapter, "--out", tmp_path / "made"]
    subprocess.run(made, cwd=workspace, env=plain, capture_output=True, check=True, timeout=500)
    inspector = Inspector()
    inspector.start()
    done = subprocess.run(command, cwd=workspace, env=environ, capture_output=True, text=True, check=False, timeout=500)
    inspector.stop.set()
    inspector.join()
    assert done.returncode == 0, done.stderr[-3000:]
    assert CANARY not in done.stdout + done.stderr
    assert found_in(workspace / "e") == []
    assert [one for one, said in inspector.seen.items() if CANARY in said] == []
    assert inspector.seen or box == "venv"
