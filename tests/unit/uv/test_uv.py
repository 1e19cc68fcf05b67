"""What dnnbox says to uv, and what it makes of uv's words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dnnbox import uv
from dnnbox.errors import DnnboxError, EnvFailed, HostFull, HostPermission, IntegrityFailed, NetworkFailed
from dnnbox.records.environment import Indexes


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name.startswith(("UV_", "PIP_")) or name.upper() in uv.PROXIES or name in uv.CERTIFICATES:
            monkeypatch.delenv(name)


def test_binary__dependency_of_dnnbox__found() -> None:
    assert os.access(uv.binary(), os.X_OK)


def test_environ__users_variables__only_what_uv_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("UV_PROJECT_ENVIRONMENT", "/elsewhere")
    monkeypatch.setenv("VIRTUAL_ENV", "/elsewhere")
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", "needed")

    environ = uv.environ(Indexes(), offline=False)

    assert {"HF_TOKEN", "UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV", "UV_OFFLINE"}.isdisjoint(environ)
    assert environ["UV_INDEX_CORP_PASSWORD"] == "needed"
    assert environ["UV_PYTHON_DOWNLOADS"] == "never"


def test_environ__indexes_and_offline__as_variables(tmp_path: Path) -> None:
    indexes = Indexes("https://d/simple", ("https://e/simple",), ("/links", "https://f"), {"torch": "https://t/cpu"})

    environ = uv.environ(indexes, offline=True, cache_dir=tmp_path)

    assert environ["UV_DEFAULT_INDEX"] == "https://d/simple"
    assert environ["UV_INDEX"] == "https://e/simple"
    assert environ["UV_FIND_LINKS"] == "/links,https://f"
    assert environ["UV_OFFLINE"] == "1"
    assert environ["UV_CACHE_DIR"] == str(tmp_path)
    assert "UV_INDEX_STRATEGY" not in environ


def test_environ__locked__pinned_indexes_are_offered_too() -> None:
    environ = uv.environ(Indexes(pinned={"torch": "https://t/cpu"}), offline=False, locked=True)

    assert environ["UV_INDEX"] == "https://t/cpu"
    assert environ["UV_INDEX_STRATEGY"] == "unsafe-best-match"


@pytest.mark.parametrize("name", uv.CERTIFICATES)
def test_environ__ca_bundle_in_any_of_the_usual_variables__uv_gets_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("certificates")
    monkeypatch.setenv(name, str(bundle))

    assert uv.environ(Indexes(), offline=False)["SSL_CERT_FILE"] == str(bundle)


def test_environ__ca_bundle_of_the_settings__wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one.pem", "two.pem"):
        (tmp_path / name).write_text("certificates")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "one.pem"))

    environ = uv.environ(Indexes(ca_bundle=str(tmp_path / "two.pem")), offline=False)

    assert environ["SSL_CERT_FILE"] == str(tmp_path / "two.pem")


def test_environ__proxy_in_small_letters__both_spellings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")

    environ = uv.environ(Indexes(), offline=False)

    assert environ["HTTPS_PROXY"] == environ["https_proxy"] == "http://proxy:3128"


def test_unreachable__hosts_that_need_no_proxy__are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")

    environ = uv.unreachable()

    assert environ["NO_PROXY"] == environ["no_proxy"] == ""
    assert {environ[name] for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")} == {"http://127.0.0.1:9"}


def test_for_container__local_places__mounted_and_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links, bundle = tmp_path / "wheels", tmp_path / "ca.pem"
    links.mkdir()
    bundle.write_text("certificates")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    indexes = Indexes(find_links=(str(links), f"file://{links}", "https://f/links", str(tmp_path / "gone")))

    passed = uv.for_container(indexes, offline=True, cache_dir="/dnnbox/store/uv")

    assert [(mount.host, mount.inside, mount.writable) for mount in passed.mounts] == [
        (str(links), "/dnnbox/links/0", False),
        (str(bundle), "/dnnbox/ca-bundle.pem", False),
    ]
    assert passed.environ["UV_FIND_LINKS"] == "/dnnbox/links/0,/dnnbox/links/0,https://f/links"
    assert passed.environ["SSL_CERT_FILE"] == "/dnnbox/ca-bundle.pem"
    assert passed.environ["UV_CACHE_DIR"] == "/dnnbox/store/uv"
    assert not [value for value in passed.environ.values() if str(tmp_path) in value]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            "error: Failed to fetch: `https://i/simple/a/`\n  Caused by: dns error: failed to lookup address",
            NetworkFailed,
        ),
        ("error: Request failed after 3 retries\n  Caused by: Connection refused (os error 111)", NetworkFailed),
        ("  × Failed to fetch `x`\n  ╰─▶ invalid peer certificate: UnknownIssuer", NetworkFailed),
        ("error: Failed to download `a==1`\n  cause: Network connectivity is disabled, but the data", NetworkFailed),
        ("error: Failed to download `a==1`\n  cause: Hash mismatch for `a==1`\nExpected:\n  sha256:0", IntegrityFailed),
        ("error: Failed to extract archive: a.whl Bad CRC (got 1, expected 2)", IntegrityFailed),
        ("error: No solution found when resolving dependencies\n  cause: Because only a<=1 is available", EnvFailed),
        ("error: failed to write to file: No space left on device (os error 28)", HostFull),
        ("error: failed to create directory `/x`: Permission denied (os error 13)", HostPermission),
        ("", EnvFailed),
    ],
)
def test_failure__uvs_words__class_and_one_line(words: str, error: type[DnnboxError]) -> None:
    found = uv.failure(words, "cannot install 3 packages")

    assert type(found) is error
    assert "\n" not in found.line()
    assert found.hint


def test_failure__certificate__hint_names_the_bundle() -> None:
    assert "ca-bundle" in uv.failure("error: invalid peer certificate: UnknownIssuer", "x").hint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("error: No solution found when resolving dependencies\n  cause: Because there is no version of a==9 and "
         "dnnbox-environment depends on a==9, we can conclude that your requirements are unsatisfiable."),
         "x: there is no version of a==9"),
        (("error: Request failed after 3 retries\n  cause: Failed to fetch: `https://i/a/`\n  cause: dns error\n"
         "  cause: failed to lookup address"), "x: https://i/a/ was not reached: failed to lookup address"),
        (("error: No solution found\n  cause: Because http-proxy was not found in the package registry and "
         "dnnbox-environment depends on http-proxy, we can conclude that your requirements are unsatisfiable."),
         "x: http-proxy was not found in the package registry"),
    ],
)  # fmt: skip
def test_failure__uvs_long_story__its_gist(words: str, said: str) -> None:
    assert uv.failure(words, "x").what == said


def test_failure__hostile_package_name__nothing_live_in_the_line() -> None:
    line = uv.failure("error: No solution\n  cause: \x1b]0;owned\x07 https://user:hunter2@host/simple", "x").line()

    assert "\x1b" not in line
    assert "hunter2" not in line


def test_log_transcript__credentials__redacted(tmp_path: Path) -> None:
    from dnnbox.process import Completed

    log = tmp_path / "logs" / "uv.log"
    ended = Completed(2, "", "error: https://user:hunter2@host/simple", 0.5, False, 0)

    uv.log_transcript(log, ["uv", "pip", "sync", "--index-url", "https://me:hunter2@host"], ended)

    text = log.read_text("utf-8")
    assert "hunter2" not in text
    assert text.startswith("$ uv pip sync")
    assert "[exit 2, 0.50 s]" in text
