"""A match as the recipe of an adapter: what it imports, and what it prepares."""

from __future__ import annotations

from typing import Any

import pytest

from dnnbox.harness.matching import importing
from dnnbox.records.source import SourceTree
from dnnbox.sources.matching import recipe_of, writing

_ANSWER: dict[str, Any] = {"stand_ins": [], "lacking": [], "replaced": [], "paths": ["."]}


def _build(ref: str, is_object: bool = False, kwargs: dict[str, Any] | None = None, **answer: Any) -> str:
    match: dict[str, Any] = {
        "is_object": is_object,
        "class": "net.Net", "ref": ref, "callee": ref, "args": [], "kwargs": kwargs or {"width": 4}, "access": "",
        "prefix": "", "origin": "README.md", "arguments": {}, "example": None, "tried": [],
    }  # fmt: skip
    return recipe_of(match, {**_ANSWER, **answer}, SourceTree("given", root="/src")).build


def test_recipe__folder_whose_name_is_none_in_python__is_imported_by_its_path() -> None:
    build = _build("Net-v2_code/net.py:Net")

    compile(f"def build():\n    {build.replace(chr(10), chr(10) + '    ')}\n", "adapter.py", "exec")
    assert "return by_path(os.path.join(root, 'Net-v2_code/net.py')).Net(width=4)" in build


def test_recipe__folder_that_is_called_like_a_module_of_python__is_imported_by_its_path() -> None:
    assert "by_path(os.path.join(root, 'code/model.py')).Net(width=4)" in _build("code/model.py:Net")
    assert "from code import Net" in _build("code.py:Net")


def test_has_no_name__adapter_and_box__have_one_rule() -> None:
    names = [f"{folder}.net" for folder in (*importing.TAKEN, "models", "net-v2")]

    assert [writing.has_no_name(name) for name in names] == [importing.has_no_name(name) for name in names]


def test_recipe__source_that_uses_old_names__has_them_brought_back() -> None:
    build = _build("net.py:Net", replaced=["old names"])

    assert "oldnames.bring_back()" in build
    assert "quiet_builds" not in build


def test_recipe__object_that_is_there_after_an_import__is_not_called() -> None:
    assert _build("net.py:decoder", is_object=True).endswith("from net import decoder\n\nreturn decoder")


def test_recipe__object_with_attributes__is_made_before_they_are_set() -> None:
    config = {"$with": [{"$call": [{"$ref": "zoo.py:small"}, [], {}]}, {"patch.grid": {"$tuple": [14, 14]}}]}
    build = _build("net.py:Net", kwargs={"config": config})

    assert "return Net(config=standins.with_attributes(small(), {'patch.grid': (14, 14)}))" in build
    assert "from dnnbox_harness.matching import standins" in build


@pytest.mark.parametrize(("replaced", "is_looked_in"), [(["files of the source"], True), (["torch.load"], False)])
def test_recipe__files_that_were_found_in_the_source__are_looked_for_there(
    replaced: list[str], is_looked_in: bool
) -> None:
    build = _build("net.py:Net", replaced=replaced)

    assert ("files.look_in(root)" in build) is is_looked_in
    assert ("quiet_builds" in build) is not is_looked_in


def test_recipe__file_over_an_object_of_the_source__is_read_before_the_build() -> None:
    before = {"of": {"$ref": "core/config.py:cfg"}, "file": {"$path": "exp/a.yaml"}, "set": {"NET.CLASSES": 7}}
    build = _build("net.py:Net", kwargs={"width": 4, "$before": before})

    compile(f"def build():\n    {build.replace(chr(10), chr(10) + '    ')}\n", "adapter.py", "exec")
    assert "from core.config import cfg\n" in build
    assert build.endswith(
        "merging.merge(cfg, os.path.join(root, 'exp/a.yaml'), {'NET.CLASSES': 7})\nreturn Net(width=4)"
    )


def test_recipe__what_would_fetch_weights__loads_nothing() -> None:
    build = _build("net.py:Net", replaced=["loads nothing: parts.util:fetch"])

    assert "downloads.load_nothing('parts.util:fetch')" in build
    assert "standins.quiet_builds()  # it would call parts.util:fetch" in build


def test_recipe__sizes_of_a_model_of_a_hub__are_set_before_it_is_made() -> None:
    build = _build("net.py:Net", replaced=["BertModel.from_pretrained"], sizes={"BertModel": {"vocab_size": 21128}})

    compile(f"def build():\n    {build.replace(chr(10), chr(10) + '    ')}\n", "adapter.py", "exec")
    assert "\nhub.SIZES.update({'BertModel': {'vocab_size': 21128}})" in build
    assert "hub" not in _build("net.py:Net", replaced=["BertModel.from_pretrained"], sizes={})


def test_inputs__arrays_and_what_is_one_number__are_made_so() -> None:
    example = {
        "method": "", "kwargs": {}, "names": ["series", "sizes"],
        "args": [{"$tensor": ["int64", [1, 8], 30], "array": True}, {"$tensor": ["int64", [1], 0], "filled": 8}],
    }  # fmt: skip
    made, call = writing._inputs(example)

    assert call == 'self.model(inputs["series"].cpu().numpy(), inputs["sizes"])'
    assert made[1] == {"name": "sizes", "dtype": "int64", "shape": ["n"], "filled": 8}


def test_inputs__call_that_needs_another_before__is_written_as_both() -> None:
    picture = {"$tensor": ["float32", [1, 3, 64, 64], 0]}
    first = {"method": "template", "args": [picture], "kwargs": {}, "names": ["x"]}
    example = {"method": "track", "args": [picture], "kwargs": {}, "names": ["x"], "before": [first]}

    made, call = writing._inputs(example)

    assert call == '(self.model.template(inputs["x"]), self.model.track(inputs["x_"]))[-1]'
    assert [each["name"] for each in made] == ["x", "x_"]


def test_inputs__part_that_answers_in_its_mapping__is_called_and_the_mapping_returned() -> None:
    picture = {"$tensor": ["float32", [1, 3, 64, 64], 0]}
    example = {"method": "matcher", "args": [{"image": picture}], "kwargs": {}, "names": ["data"], "puts": True}

    _, call = writing._inputs(example)

    assert call == "(lambda given: (self.model.matcher(given), given)[-1])({'image': inputs[\"image\"]})"


def test_recipe__method_instead_of_forward_and_old_answers__are_told_and_prepared() -> None:
    example = {"method": "encode", "args": [], "kwargs": {}, "ways": ["with_tuples"]}
    match: dict[str, Any] = {
        "class": "net.Net", "ref": "net.py:Net", "callee": "net.py:Net", "args": [], "kwargs": {}, "access": "",
        "prefix": "", "origin": "README.md", "arguments": {}, "example": example, "tried": [],
    }  # fmt: skip

    recipe = recipe_of(match, _ANSWER, SourceTree("given", root="/src"))

    assert "return oldnames.with_tuples(Net())" in recipe.build
    assert [each.claim for each in recipe.evidence if each.claim.startswith("run by")] == ["run by encode()"]


def test_inputs__object_of_tensors__is_made_of_them() -> None:
    nodes = {"$tensor": ["float32", [32, 7], 0]}
    example = {"method": "", "args": [{"$object": {"x": nodes, "count": 1}}], "kwargs": {}, "names": ["data"]}

    made, call = writing._inputs(example)

    assert call.endswith('.Things(x=inputs["x"], count=1))')
    assert made == [{"name": "x", "dtype": "float32", "shape": [32, 7]}]
