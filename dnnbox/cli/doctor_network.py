"""The doctor's look at the network: package indexes, proxies, certificates, registries. No credential is shown."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from dnnbox.records.plan import FitCheck
from dnnbox.reports import numbers
from dnnbox.text import redact, visible

_TIMEOUT_S = 2.0
_DEFAULT_INDEX = "https://pypi.org/simple/"


def indexes(root: Path) -> Iterable[FitCheck]:
    from dnnbox import environments
    from dnnbox.environments.configured import indexes_of

    configured = indexes_of(environments.detect(root))
    default = configured.default or _DEFAULT_INDEX
    yield reached("Package index", default)
    for url in configured.extra[:4]:
        yield reached("Package index, extra", url)
    for place in configured.find_links[:4]:
        if "://" not in place:
            there = Path(place).expanduser().is_dir()
            yield FitCheck(
                "Find-links", "ok" if there else "failed", "a local folder" if there else "the folder is not there",
                "correct find-links in the configuration of uv or pip",
            )  # fmt: skip


def reached(name: str, url: str) -> FitCheck:
    """Ask an index with one HEAD request; what it answers does not matter, that it answers does."""
    import time
    import urllib.error
    import urllib.request

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return FitCheck(name, "unknown", f"{parts.scheme or 'a local'} index, not asked")
    host = f"{parts.hostname}{f':{parts.port}' if parts.port else ''}"
    bare = parts._replace(netloc=host).geturl()
    request = urllib.request.Request(bare, method="HEAD", headers={"User-Agent": "dnnbox-doctor"})  # noqa: S310
    start = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310 - http and https only, see above
            code = 200
    except urllib.error.HTTPError as error:
        code = error.code
        error.close()
    except (urllib.error.URLError, OSError) as error:
        reason = visible(redact(str(getattr(error, "reason", error))), 120)
        fix = "check the proxy and the CA bundle, or use `--offline` with a warm cache"
        return FitCheck(name, "failed", f"{visible(host, 80)}: {reason}", fix)
    took = numbers.seconds(time.monotonic() - start)
    if code in (401, 407) and not parts.username:
        return FitCheck(
            name, "warning", f"{visible(host, 80)} wants a login", "put it into the configuration of uv or pip"
        )
    return FitCheck(name, "ok", f"{visible(host, 80)} answered in {took}")


def network(_: Path) -> Iterable[FitCheck]:
    """Name the proxies and the CA bundle that are configured; passwords stay where they are."""
    proxies = [
        name
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
        if os.environ.get(name) or os.environ.get(name.lower())
    ]
    if proxies:
        values = (os.environ.get(name) or os.environ.get(name.lower(), "") for name in proxies)
        shown = ", ".join(f"{name} {visible(redact(value), 60)}" for name, value in zip(proxies, values, strict=True))
        yield FitCheck("Proxy", "ok", shown)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        path = os.environ.get(name)
        if path and not Path(path).is_file():
            yield FitCheck("CA bundle", "failed", f"{name} names a file that is not there", f"correct or unset {name}")
        elif path:
            yield FitCheck("CA bundle", "ok", f"{name} is set")


def registries(_: Path) -> Iterable[FitCheck]:
    """Name the registries with a stored login, never the login."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        yield FitCheck("Registries", "warning", f"config.json of docker: {visible(str(error), 80)}", "repair the file")
        return
    names = sorted({*_keys(config, "auths"), *_keys(config, "credHelpers")})
    store = config.get("credsStore") if isinstance(config, dict) else None
    parts = (
        [f"login stored for {', '.join(visible(urlsplit(n).hostname or n, 60) for n in names[:6])}"] if names else []
    )
    parts += [f"credential store {visible(str(store), 40)}"] if store else []
    if parts:
        yield FitCheck("Registries", "ok", "; ".join(parts))


def _keys(config: object, key: str) -> list[str]:
    table = config.get(key) if isinstance(config, Mapping) else None
    return [str(name) for name in table] if isinstance(table, Mapping) else []
