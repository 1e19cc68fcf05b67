"""A first run that failed: what is added or bounded for the next, and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnnbox.dependencies import mend
from dnnbox.dependencies.grouping import grouped
from dnnbox.dependencies.mending import bounds
from dnnbox.records.dependencies import Dependencies, Requirement


def having(*lines: str) -> Dependencies:
    return Dependencies("adapter", tuple(Requirement(line) for line in lines))


def mended(dependencies: Dependencies, failure: str = "", missing: str = "", root: str = "") -> list[str] | None:
    found = mend(dependencies, failure, missing, root)
    return sorted(item.line() for item in found[1].requirements) if found else None


@pytest.mark.parametrize(
    ("module", "wanted"),
    [("einops", "einops"), ("cv2", "opencv-python-headless"), ("pkg_resources", "setuptools<81"), ("yaml", "pyyaml")],
)
def test_mend__known_module_is_missing__is_added(module: str, wanted: str) -> None:
    assert mended(having("torch"), missing=module) == sorted(["torch", wanted])


def test_mend__unknown_module_is_missing__is_not_guessed(tmp_path: Path) -> None:
    assert mended(having("torch"), missing="their_secret_ops") is None
    (tmp_path / "requirements.txt").write_text("their-secret-ops\n", encoding="utf-8")
    assert mended(having("torch"), missing="their_secret_ops", root=str(tmp_path)) == ["their-secret-ops", "torch"]


def test_mend__module_of_a_package_that_is_there__is_not_added_again() -> None:
    assert mended(having("opencv-python-headless"), missing="cv2") is None


@pytest.mark.parametrize(
    ("failure", "before", "after"),
    [
        ("ImportError: cannot import name 'AdamW' from 'transformers'", ["transformers"], ["transformers<5"]),
        ("No module named 'timm.models.layers.helpers'", ["timm"], ["timm<1"]),
        ("AttributeError: module 'numpy' has no attribute 'bool'.", ["numpy"], ["numpy<1.24"]),
        ("`np.float_` was removed in the NumPy 2.0 release", ["numpy"], ["numpy<2"]),
        ("No module named 'torchvision.transforms.functional_tensor'", ["torch", "torchvision"],
         ["torch<2.2", "torchvision<0.17"]),
        ("No module named 'torch._six'", ["torch"], ["torch<2", "torchvision<0.15"]),
    ],
)  # fmt: skip
def test_mend__known_break__is_bounded(failure: str, before: list[str], after: list[str]) -> None:
    assert mended(having(*before), failure) == after


def test_mend__bound_was_there_already__does_not_repeat_it() -> None:
    dependencies = Dependencies("adapter", (Requirement("timm", "<1"),))
    assert mended(dependencies, "No module named 'timm.models.layers'") is None


def test_mend__failure_of_another_kind__is_left_alone() -> None:
    assert mended(having("torch"), "RuntimeError: size mismatch") is None


def test_bounds__every_entry__has_a_reason_and_a_day() -> None:
    for bound in bounds():
        assert bound["reason"], bound
        assert bound["specifier"], bound
        assert bound["checked"].isoformat() >= "2026-11-25", bound


def test_grouped__kinds_of_packages__are_told_apart() -> None:
    names = ("torch", "timm", "pillow", "xformers")
    groups = {item.name: item.group for item in grouped(Requirement(name, group="model") for name in names)}
    assert groups == {"torch": "runtime", "timm": "model", "pillow": "utility", "xformers": "acceleration"}
