"""What holds for every format: a reader for each, the published schema, checksums, nothing but reading."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from dnnbox import checkpoints, codec, schema
from dnnbox.checkpoints import inspect
from dnnbox.checkpoints.opening import FileBytes
from dnnbox.cli.screens.inspect import inspect_screen
from dnnbox.pipeline.inspecting import inspect_checkpoint
from dnnbox.records.inspection import Inspection
from tests.unit.checkpoints import every_format
from tests.unit.checkpoints.conftest import Made
from tests.zoo import KINDS, Zoo

_MOST_LINES = 60


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return reader → path of a checkpoint for it."""
    return every_format.write_all(tmp_path_factory.mktemp("formats"))


def test_readers__every_one__has_its_checkpoint(written: dict[str, Path]) -> None:
    readers = {**checkpoints.FILE_READERS, **checkpoints.ZIP_READERS, **checkpoints.FOLDER_READERS}
    assert set(written) == set(readers)
    for reader, path in written.items():
        if path.is_file():
            with FileBytes(path) as data:
                assert checkpoints.reader_of(data) == reader


def test_inspect__every_format__is_valid_by_the_published_schema(written: dict[str, Path]) -> None:
    validator = jsonschema.Draft202012Validator(schema.schema("inspection"))
    for reader, path in written.items():
        problems = [error.message for error in validator.iter_errors(_document(inspect_checkpoint(str(path))))]
        assert problems == [], reader


def test_inspect__every_format__has_a_screen_of_one_page(written: dict[str, Path]) -> None:
    for reader, path in written.items():
        lines = inspect_screen(inspect_checkpoint(str(path)), 0.1).splitlines()
        assert 4 < len(lines) < _MOST_LINES, reader


@pytest.mark.zoo
def test_inspect__torchs_layouts_and_the_zoo__are_valid_by_the_published_schema(made: Made, zoo: Zoo) -> None:
    validator = jsonschema.Draft202012Validator(schema.schema("inspection"))
    paths = [made.path(layout) for layout in made.expected] + [zoo.path(kind.name) for kind in KINDS]
    for path in paths:
        assert [error.message for error in validator.iter_errors(_document(inspect_checkpoint(str(path))))] == [], path


def _document(inspection: Inspection) -> object:
    """Return what ``dnnbox inspect --json --tensors`` prints."""
    return json.loads(json.dumps({"schema": "dnnbox.inspection/1", **codec.to_json(inspection)}))


@pytest.mark.zoo
def test_crc32__of_zips__tells_equal_numbers_and_no_others(made: Made) -> None:
    found = {tensor.name: tensor.crc32 for tensor in inspect(made.path("plain")).tensor_list}
    again = {tensor.name: tensor.crc32 for tensor in inspect(made.path("with_prefix")).tensor_list}
    assert found == {name.removeprefix("module."): crc for name, crc in again.items()}
    assert all(len(crc) == 8 for crc in found.values())
    assert found["tied.weight"] == found["head.weight"] != found["head.bias"]
    digest = inspect(made.path("plain")).metadata["archive"]["storages_crc32"]
    assert digest == inspect(made.path("with_prefix")).metadata["archive"]["storages_crc32"]
    assert {tensor.crc32 for tensor in inspect(made.path("legacy_plain")).tensor_list} == {""}
