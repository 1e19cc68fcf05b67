"""The catalogue's files are whole, and import names lead to distributions."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from dnnbox import catalog
from dnnbox.errors import Usage
from dnnbox.harness.runtimes import RUNTIMES


def test_runtimes__harness_and_catalogue__one_set() -> None:
    assert set(catalog.runtimes()) == set(RUNTIMES)


@pytest.mark.parametrize("name", catalog.runtimes())
def test_runtime__every_file__whole(name: str) -> None:
    spec = catalog.runtime(name)

    assert spec.title
    assert SpecifierSet(spec.python).contains("3.11.9")
    assert spec.facts
    assert all(fact.source and fact.checked for fact in spec.facts)
    for requirement in spec.requirements:
        assert Requirement(requirement.line()).url is None
        assert requirement.evidence[0].detail
    replaced = {name for names in spec.replace.values() for name in names}
    assert replaced <= {requirement.name for requirement in spec.requirements}
    assert spec.torch_family == any(requirement.name == "torch" for requirement in spec.requirements)


def test_runtime__unknown__usage_with_the_known() -> None:
    with pytest.raises(Usage, match="unknown runtime"):
        catalog.runtime("tensorcore")


def test_required_for__weights_format__safetensors_only_where_needed() -> None:
    names = [{r.name for r in catalog.runtime("timm").required_for(f)} for f in ("safetensors", "torch-zip")]

    assert names[0] - names[1] == {"safetensors"}


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("cv2", "opencv-python-headless"),
        ("PIL.Image", "pillow"),
        ("google.protobuf.message", "protobuf"),
        ("google.cloud", None),
        ("timm.models.resnet", "timm"),
        ("flash_attn", "flash-attn"),
        ("nobody_knows_this", None),
    ],
)
def test_import_to_distribution__module__its_distribution(module: str, distribution: str | None) -> None:
    assert catalog.import_to_distribution(module) == distribution


def test_import_names__every_distribution__in_the_normal_spelling() -> None:
    names = set(catalog._import_names().values())

    assert {name for name in names if name != canonicalize_name(name)} == set()
