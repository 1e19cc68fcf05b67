"""The tree of errors is the table of exit codes."""

import pytest

from dnnbox import errors

CONTRACT = {
    "TARGET_MISSED": 1, "USAGE": 2, "REGRESSION": 3, "UNSTABLE": 4, "NOT_READABLE": 10, "CORRUPT": 11,
    "UNSUPPORTED": 12,
    "UNSAFE_CHECKPOINT": 13, "INPUT_LIMIT": 14, "CONSENT_NEEDED": 20, "ENV_FAILED": 21, "NETWORK": 22, "INTEGRITY": 23,
    "SOURCE_NOT_FOUND": 24,
    "ENGINE_UNAVAILABLE": 30, "ENGINE_LIMIT": 31, "GPU_UNAVAILABLE": 32, "RUN_FAILED": 40,
    "RUN_SIGNAL": 41, "OOM": 42, "VRAM_OOM": 43, "TIMEOUT": 44, "OUTPUT_LIMIT": 45, "BAD_OUTPUT": 46, "ENGINE_LOST": 47,
    "HOST_FULL": 50, "BUSY": 51, "HOST_PERM": 52, "ADAPTER_NEEDED": 60, "REPLAY_DIFFERS": 61, "INTERNAL": 70,
}  # fmt: skip


def test_leaves__compared_with_the_contract__same_names_and_codes():
    assert {leaf.name: leaf.code for leaf in errors.leaves()} == CONTRACT


@pytest.mark.parametrize("leaf", list(errors.leaves()), ids=lambda leaf: leaf.name)
def test_leaf__explained__has_meaning_and_remedy_and_leaves_shell_codes_alone(leaf):
    assert leaf.meaning
    assert leaf.remedy
    assert 0 < leaf.code < 126


def test_line__with_hint__is_one_line_of_name_what_and_way_out():
    error = errors.OutOfMemory("the box used 64 MiB of 64 MiB", hint="raise `--memory`")

    assert error.line() == "error[OOM]: the box used 64 MiB of 64 MiB; raise `--memory`"


def test_as_json__with_details__carries_code_phase_and_retryable():
    error = errors.TimedOut("too slow", phase="infer", details={"limit_s": 1})

    assert error.as_json() == {
        "code": 44, "name": "TIMEOUT", "message": "too slow", "hint": "", "phase": "infer", "retryable": True,
        "details": {"limit_s": 1},
    }  # fmt: skip


@pytest.mark.parametrize("text", ["oom", "OOM", "42", " 42 "])
def test_by_name__name_or_number__finds_the_class(text):
    assert errors.by_name(text) is errors.OutOfMemory


def test_by_name__nonsense__is_none():
    assert errors.by_name("NOPE") is None
