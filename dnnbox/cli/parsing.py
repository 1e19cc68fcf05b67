"""Option texts to values, with one clear line for what does not parse."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnnbox.errors import Usage
from dnnbox.records.options import RunOptions

_BOXES = ("auto", "current", "venv", "pixi", "docker", "podman")
_DEPS = ("ask", "current", "new", "feature")
_PRECISIONS = ("auto", "fp32", "fp16", "bf16")
_RISKS = ("unsafe-pickle", "remote-code")
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([KMGT]?)(i?B)?$", re.IGNORECASE)


def run_options(values: Mapping[str, Any]) -> RunOptions:
    """Return the options of ``plan`` or ``run`` from what the command line parsed."""
    return RunOptions(
        checkpoint=values["checkpoint"],
        workspace=Path.cwd(),
        source=values["source"],
        adapter=_file("--adapter", values["adapter"], "give the Python file with the class Adapter"),
        llm_command=values.get("llm_command", ""),
        family=values["family"],
        task=values["task"],
        inputs=tuple(values["input"] or ()),
        device=values["device"],
        gpus=values["gpus"],
        box=box(values["box"]),
        deps=one_of("--deps", values["deps"], _DEPS),  # type: ignore[arg-type]
        yes=values.get("yes", False),
        offline=values["offline"],
        refresh=values["refresh"],
        precision=one_of("--precision", values["precision"], _PRECISIONS),
        batches=batches(values["batch"]),
        variants=variants(values.get("variant", "")),
        threads=values["threads"],
        targets=tuple(values["target"] or ()),
        wants=tuple(values["want"] or ()),
        provenance=pairs(values.get("provenance", "")),
        out=values["out"],
        seed=values.get("seed", 0),
        timeout_s=values.get("timeout", 1800.0),
        memory_bytes=size_bytes("--memory", values["memory"]),
        shm_bytes=size_bytes("--shm-size", values["shm_size"]),
        cpus=values["cpus"],
        quick=values["quick"],
        processes=values.get("processes", 0),
        wait_quiet_s=values.get("wait_quiet", 0.0),
        drop_cache=values.get("drop_cache", False),
        profile=values.get("profile"),
        allow=risks(values.get("allow")),
        allow_weaker=values.get("allow_weaker", False),
        base_image=values["base_image"],
        dataset=values.get("dataset"),
        metrics=_file("--metrics", values.get("metrics"), "give the Python file with metrics(items)"),
        reference=values.get("reference", ""),
        train_check=values.get("train_check", False),
        contract=_file("--contract", values.get("contract"), "give a JSON file like outputs/io_contract.json"),
        sizes=values.get("sizes"),
        endpoint=values.get("endpoint", ""),
        command=_command(sys.argv[1:], values["checkpoint"]),
    )


def refuse_others(values: Mapping[str, Any]) -> None:
    """Refuse options beside ``--resume`` without a checkpoint: the experiment's own are taken."""
    import inspect

    from dnnbox.cli.app import run

    defaults = {name: parameter.default for name, parameter in inspect.signature(run).parameters.items()}
    free = ("resume", "json", "progress", "yes")
    if given := [name for name, value in values.items() if name not in free and value != defaults.get(name)]:
        raise Usage(
            f"--{given[0].replace('_', '-')} cannot be changed when an experiment goes on",
            hint="leave it out, or give the checkpoint and all options as before",
        )


def export_options(values: Mapping[str, Any]) -> RunOptions:
    """Return the options of ``env``: those of a run that tell what the environment must hold."""
    if values["python"] and not re.fullmatch(r"3\.\d{1,2}", values["python"]):
        raise Usage(f"--python `{values['python']}` is not a version", hint="for example `--python 3.11`")
    return RunOptions(
        checkpoint=values["checkpoint"],
        workspace=Path.cwd(),
        source=values["source"],
        adapter=_file("--adapter", values["adapter"], "give the Python file with the class Adapter"),
        family=values["family"],
        task=values["task"],
        deps="new",
        offline=values["offline"],
        refresh=values["refresh"],
        allow=risks(values["allow"]),
        base_image=values["base_image"],
    )


def risks(given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the risks that are consented to."""
    for risk in given or ():
        one_of("--allow", risk, _RISKS)
    return tuple(given or ())


def box(name: str) -> str:
    """Return the name of a box."""
    return one_of("--box", name, _BOXES)


def one_of(option: str, value: str, known: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of ``known``."""
    if value not in known:
        raise Usage(f"{option} `{value}` is not known", hint=f"use {', '.join(known)}")
    return value


def variants(text: str) -> tuple[str, ...]:
    """Return the names of variants from ``compile,threads-1``; whether the runtime has them is seen in the box."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if not re.fullmatch(r"[a-z][A-Za-z0-9-]{1,40}", name):
            raise Usage(f"--variant `{name[:40]}` is not a name", hint="for example `--variant compile,threads-1`")
    return names


def batches(text: str) -> tuple[int, ...]:
    """Return batch sizes from ``1,8,32``: positive, in order, each once."""
    try:
        sizes = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        sizes = ()
    if not sizes or any(not 0 < size <= 65536 for size in sizes):
        raise Usage(f"--batch `{text}` is not a list of sizes", hint="for example `--batch 1,8,32`")
    return sizes


def size_bytes(option: str, text: str) -> int:
    """Return bytes from ``512M`` or ``8GiB`` (powers of 1024); 0 for an empty text."""
    if not text:
        return 0
    match = _SIZE.match(text.strip())
    if not match or len(text) > 30:
        raise Usage(f"{option} `{text}` is not a size", hint="for example 512M or 8G")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def pairs(text: str) -> dict[str, str]:
    """Return ``{"url": …, "version": …}`` from ``url=…,version=…``; a comma inside a value starts no new pair."""
    found: dict[str, str] = {}
    for part in re.split(r",(?=[A-Za-z][\w-]*=)", text) if text else ():
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise Usage(f"--provenance `{part}` is not KEY=VALUE", hint="for example --provenance url=…,version=1.2")
        found[key.strip()] = value.strip()
    return found


def _file(option: str, path: Path | None, hint: str) -> Path | None:
    if path is not None and not path.is_file():
        raise Usage(f"{option} {path.name} is not a file", hint=hint)
    return path


def _command(argv: list[str], checkpoint: str) -> tuple[str, ...]:
    """Return the command line with every path cut to its name: an experiment names no place of this machine."""
    from dnnbox.text import redact

    names = (
        Path(word).name if word == checkpoint or word.startswith(("/", "~", "./", "../")) else word for word in argv
    )
    return tuple(redact(re.sub(r"=(@?)[~.]{0,2}/(?:[^/]*/)*", r"=\1", name)) for name in names)
