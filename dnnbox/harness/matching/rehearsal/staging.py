"""The rest of a script's world: what a command line lacks, other processes, and the end of the rehearsal."""

from __future__ import annotations

import argparse
import builtins
import os
import sys
import time
from typing import Any, List

CONFIGURATIONS = ("cfg", "config", "conf", "yaml", "config_file", "cfg_file", "config_path", "cfg_path", "configs",
                  "model_config", "model_cfg", "yaml_file", "base", "exp_config", "opt", "hparams")  # fmt: skip
_ENVIRONMENT = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0",
                "MPLBACKEND": "Agg", "WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1"}  # fmt: skip


class Over(BaseException):
    """The script has built what it builds, and would begin to train."""


def set_up(script: str, argv: List[str], config: str) -> None:
    """Make this process one in which ``script`` was started with ``argv``; ``config``: for a file that it asks for."""
    os.environ.update(_ENVIRONMENT)
    sys.argv = [script, *argv]
    _read_command_lines(config)
    _be_alone()
    _end_at_training()
    builtins.input = lambda *_: ""
    time.sleep = lambda *_: None
    os._exit = _exit


def _exit(status: int = 0) -> Any:
    raise SystemExit(status)


def _read_command_lines(config: str) -> None:
    """Let a command line lack what is required, and hold what is not known."""
    plain = argparse.ArgumentParser.parse_known_args

    def parsed(self: Any, args: Any = None, namespace: Any = None) -> Any:
        for action in self._actions:
            _relax(action)
        try:
            values, rest = plain(self, args, namespace)
        except SystemExit:  # help, a version, a choice that is none
            values, rest = plain(self, [], namespace)
        for name, value in list(vars(values).items()) if config else ():
            if value in (None, "") and name in CONFIGURATIONS:
                setattr(values, name, config)
        return values, rest

    argparse.ArgumentParser.parse_known_args = parsed  # type: ignore[method-assign]
    argparse.ArgumentParser.parse_args = lambda self, *a, **k: self.parse_known_args(*a, **k)[0]  # type: ignore[method-assign,assignment]


def _relax(action: Any) -> None:
    if not action.option_strings and action.nargs in (None, "+"):
        action.nargs = "?" if action.nargs is None else "*"
    action.required = False


def _be_alone() -> None:
    """Run in this process what a script would start others for."""
    import torch
    import torch.multiprocessing

    torch.multiprocessing.spawn = lambda fn, args=(), *_, **__: fn(0, *args)  # type: ignore[assignment]
    torch.nn.parallel.DistributedDataParallel = lambda module, *_, **__: module  # type: ignore[misc,assignment]
    if torch.distributed.is_available():
        for name, value in (("get_rank", 0), ("get_world_size", 1), ("is_initialized", False)):
            setattr(torch.distributed, name, lambda *_, value=value, **__: value)
        for name in ("init_process_group", "barrier", "broadcast", "all_reduce"):
            setattr(torch.distributed, name, lambda *_, **__: None)


def _end_at_training() -> None:
    """End where the first gradient would be computed: all models are there."""
    import torch

    def over(*_: Any, **__: Any) -> Any:
        raise Over

    torch.Tensor.backward = over  # type: ignore[method-assign]
    torch.autograd.backward = over
