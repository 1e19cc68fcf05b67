"""What the doctor says of machines that are missing something, and what it never says."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnnbox.cli import doctor, doctor_network
from dnnbox.errors import EngineUnavailable
from dnnbox.records.plan import FitCheck

SECRET = "hunter2"


def only(check: doctor.Check, root: Path) -> FitCheck:
    """Return the one answer of a check."""
    (answer,) = check(root)
    return answer


@pytest.fixture
def index() -> Iterator[tuple[str, list[http.server.BaseHTTPRequestHandler]]]:
    """A package index on this machine that wants a login under /private; yields its URL and what it was asked."""
    seen: list[http.server.BaseHTTPRequestHandler] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            seen.append(self)
            self.send_response(401 if self.path.startswith("/private") else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this machine's network settings out of the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_collect__this_machine__answers_with_the_expected_names(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", tuple(check for check in doctor.CHECKS if check[0] != "Package index"))
    checks = doctor.collect(workspace)
    names = [check.name for check in checks]
    assert names[:3] == ["System", "Free memory", "Other load"]
    assert {"Python", "uv", "git"} <= set(names)
    assert all(check.fix for check in checks if check.status in ("failed", "warning"))


def test_collect__check_that_breaks__does_not_hide_the_others(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Path) -> list[FitCheck]:
        raise ValueError(f"https://bob:{SECRET}@host\x1b[31m")

    def stopped(_: Path) -> list[FitCheck]:
        raise EngineUnavailable("docker: it is not running", hint="start it")

    fine = ("Python", doctor._python)
    monkeypatch.setattr(doctor, "CHECKS", (("GPU", broken), ("Docker", stopped), fine))
    first, second, third = doctor.collect(workspace)
    assert (first.name, first.status) == ("GPU", "unknown")
    assert SECRET not in first.detail
    assert first.detail.isprintable()
    assert (second.status, second.fix) == ("failed", "start it")
    assert third.status == "ok"


def test_reached__index_that_answers__is_ok_and_hides_the_login(index: tuple[str, list[object]]) -> None:
    url = index[0].replace("http://", f"http://bob:{SECRET}@")
    check = doctor_network.reached("Package index", f"{url}/simple/")
    assert check.status == "ok"
    assert SECRET not in check.detail
    assert "127.0.0.1" in check.detail


def test_reached__index_that_wants_a_login__is_a_warning_with_the_way_out(index: tuple[str, list[object]]) -> None:
    check = doctor_network.reached("Package index", f"{index[0]}/private/simple/")
    assert check.status == "warning"
    assert "configuration of uv or pip" in check.fix


def test_reached__nobody_listens__fails_with_the_way_out() -> None:
    check = doctor_network.reached("Package index", f"http://bob:{SECRET}@127.0.0.1:9/simple/")
    assert check.status == "failed"
    assert "--offline" in check.fix
    assert SECRET not in f"{check}"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/simple"])
def test_reached__other_schemes__are_not_asked(url: str) -> None:
    assert doctor_network.reached("Package index", url).status == "unknown"


def test_network__proxy_with_password__is_named_without_it(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://bob:{SECRET}@proxy.example.org:3128")
    check = only(doctor_network.network, workspace)
    assert "proxy.example.org:3128" in check.detail
    assert SECRET not in check.detail


def test_network__ca_bundle_that_is_gone__fails(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(workspace / "gone.pem"))
    check = only(doctor_network.network, workspace)
    assert check.status == "failed"
    assert "SSL_CERT_FILE" in check.fix


def test_registries__stored_logins__are_named_without_their_secrets(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"auths": {"https://ghcr.io": {"auth": SECRET}}, "credHelpers": {"gcr.io": "gcloud"}, "credsStore": "pass"}
    (workspace / "config.json").write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(workspace))
    check = only(doctor_network.registries, workspace)
    assert check.detail == "login stored for gcr.io, ghcr.io; credential store pass"


@pytest.mark.parametrize("text", ["[]", "{", '{"auths": 7}'])
def test_registries__odd_configuration__is_no_crash(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (workspace / "config.json").write_text(text, encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(workspace))
    assert all(check.status == "warning" for check in doctor_network.registries(workspace))


def test_disk__nearly_full__fails_and_names_clean(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1 << 20})())
    checks = list(doctor._disk(workspace))
    assert all(check.status == "failed" and "dnnbox clean" in check.fix for check in checks)


def test_load__busy_machine__warns_that_results_will_be_contended(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.os, "getloadavg", lambda: (1000.0, 0.0, 0.0))
    check = only(doctor._load, workspace)
    assert check.status == "warning"
    assert "contended" in check.fix


def test_engines__none_installed__says_that_a_venv_is_enough(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{workspace}/no.sock")
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{workspace}/no.sock")
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    check = only(doctor._engines, workspace)
    assert (check.name, check.status) == ("Docker, Podman", "unknown")
    assert "--box venv" in check.fix


def test_engines__installed_and_not_running__names_the_command_that_starts_it(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{workspace}/no.sock")
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{workspace}/no.sock")
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/docker" if name == "docker" else None)
    check = only(doctor._engines, workspace)
    assert (check.name, check.status) == ("Docker", "warning")
    assert "start" in check.fix


def test_git__not_installed__says_what_needs_it(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    check = only(doctor._git, workspace)
    assert (check.status, check.detail) == ("warning", "not installed")
    assert "--source URL" in check.fix


def test_workspace__two_managers__asks_which_is_current(workspace: Path) -> None:
    (workspace / "pixi.toml").write_text("[workspace]\nname = 'x'\n", encoding="utf-8")
    (workspace / ".venv" / "bin").mkdir(parents=True)
    (workspace / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n", encoding="utf-8")
    (workspace / ".venv" / "bin" / "python").symlink_to("/usr/bin/python3")
    check = only(doctor._workspace, workspace)
    assert check.status == "warning"
    assert "--box" in check.fix
