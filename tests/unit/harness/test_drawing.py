"""Pictures drawn with the standard library: what was drawn is in the pixels, and the file is a PNG."""

from __future__ import annotations

import struct
import zlib
from array import array
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dnnbox.harness import colours, drawing
from dnnbox.harness.arrays import Array
from dnnbox.harness.canvas import Canvas


def pixels_of(path: Path) -> tuple[int, int, list[tuple[int, int, int]]]:
    """Read one of our PNG files: eight bits, no filter."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    start = data.index(b"IDAT")
    (size,) = struct.unpack(">I", data[start - 4 : start])
    raw = zlib.decompress(data[start + 4 : start + 4 + size])
    rows = [raw[y * (3 * width + 1) + 1 : (y + 1) * (3 * width + 1)] for y in range(height)]
    return width, height, [tuple(row[3 * x : 3 * x + 3]) for row in rows for x in range(width)]  # type: ignore[misc]


def picture(red: float, green: float, blue: float, size: int = 32) -> Array:
    plane = size * size
    values = array("f", [red] * plane + [green] * plane + [blue] * plane)
    return Array("float32", (1, 3, size, size), values.tobytes())


def runtime(task: str = "", **attributes: Any) -> Any:
    return SimpleNamespace(options={"task": task}, labels=list, **attributes)


def test_draw__boxes__are_framed_on_what_the_model_saw(tmp_path: Path) -> None:
    entry = {"kind": "boxes", "item": 0, "boxes": [{"box_xyxy": [4, 4, 20, 20], "class": 2, "score": 0.9}]}
    drawing.draw(runtime(), {"x": picture(1.0, 1.0, 1.0)}, {}, [], [entry], str(tmp_path), 0)
    width, _, pixels = pixels_of(tmp_path / "boxes-0.png")
    assert entry["picture"] == "boxes-0.png"
    assert pixels[4 * width + 10] == (0, 158, 115)
    assert pixels[10 * width + 10] == (255, 255, 255)


def test_draw__key_points__the_sure_ones_are_marked_and_their_colours_told(tmp_path: Path) -> None:
    entry: dict[str, Any] = {"kind": "pose", "item": 0, "keypoints": [[8, 8, 0.9], [16, 16, 0.1], [24, 24]]}
    drawing.draw(runtime(), {"x": picture(0.0, 0.0, 0.0)}, {}, [], [entry], str(tmp_path), 0)
    width, _, pixels = pixels_of(tmp_path / "pose-0.png")
    first, unsure, third = entry["keypoint_colours"]
    assert (bool(first), unsure, bool(third)) == (True, "", True)
    assert f"#{bytes(pixels[8 * width + 8]).hex()}" == first
    assert pixels[16 * width + 16] == (0, 0, 0)
    assert min(pixels[8 * width + 5]) > 200  # its light edge
    several = {"keypoints": [[[8, 8, 0.9]], [[24, 24, 0.9]]]}
    drawing.draw(runtime(), {"x": picture(0.0, 0.0, 0.0)}, {}, [], [several], str(tmp_path), 1)
    assert len(several["keypoint_colours"]) == 2


def test_draw__normalised_input__comes_back_in_its_colours(tmp_path: Path) -> None:
    pipeline = SimpleNamespace(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    drawing.draw(runtime(pipeline=lambda: pipeline), {"x": picture(2.0, 0.0, -2.0)}, {}, [], [], str(tmp_path), 0)
    assert pixels_of(tmp_path / "input-0.png")[2][0] == (255, 128, 0)


def test_draw__segmentation__tints_classes_and_tells_shares(tmp_path: Path) -> None:
    plane = 32 * 32
    scores = array("f", [1.0] * (plane // 2) + [0.0] * (plane // 2) + [0.0] * (plane // 2) + [1.0] * (plane // 2))
    outputs = {"out": Array("float32", (1, 2, 32, 32), scores.tobytes())}
    task = runtime("semantic-segmentation")
    (entry,) = drawing.draw(task, {"x": picture(1, 1, 1)}, outputs, [], [], str(tmp_path), 0)
    assert [(one["class"], one["share"]) for one in entry["classes"]] == [(0, 0.5), (1, 0.5)]
    _, _, pixels = pixels_of(tmp_path / "mask-0.png")
    assert pixels[0] == (255, 255, 255)
    assert pixels[-1] != (255, 255, 255)


def test_draw__picture_out__stands_beside_the_picture_in(tmp_path: Path) -> None:
    outputs = {"y": picture(0.0, 1.0, 0.0, 64)}
    (entry,) = drawing.draw(runtime(), {"x": picture(1.0, 0.0, 0.0)}, outputs, [], [], str(tmp_path), 0)
    assert (entry["kind"], entry["width"], entry["pair"]) == ("picture", 64, "pair-0.png")
    _, height, pixels = pixels_of(tmp_path / "pair-0.png")
    assert height == 64
    assert (pixels[0], pixels[-1]) == ((255, 0, 0), (0, 255, 0))


def test_draw__depth__near_and_far_differ(tmp_path: Path) -> None:
    values = array("f", [float(value) for value in range(32 * 32)])
    outputs = {"depth": Array("float32", (1, 32, 32), values.tobytes())}
    (entry,) = drawing.draw(runtime("depth-estimation"), {"x": picture(1, 1, 1)}, outputs, [], [], str(tmp_path), 0)
    assert (entry["lowest"], entry["highest"]) == (0.0, 1023.0)
    _, _, pixels = pixels_of(tmp_path / "depth-0.png")
    assert pixels[0] != pixels[-1]


def test_draw__unknown_tensor__its_spread_is_told(tmp_path: Path) -> None:
    outputs = {"y": Array("float32", (4,), array("f", [0, 1, 1, 4]).tobytes())}
    (entry,) = drawing.draw(runtime(), {}, outputs, [], [], str(tmp_path), 0)
    assert (entry["minimum"], entry["maximum"], entry["mean"]) == (0.0, 4.0, 1.5)
    assert sum(part["values"] for part in entry["histogram"]) == 4


def test_canvas__drawing_outside__changes_nothing_and_breaks_nothing() -> None:
    canvas = Canvas(8, 8)
    canvas.frame(-50, -50, -10, -10, (255, 0, 0))
    canvas.dot(100, 100, (255, 0, 0))
    assert set(canvas.pixels) == {0}


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_order__channels_against_the_file__is_seen(order: str) -> None:
    ramp = [float(value) for value in range(256)]
    waves = [[(value * 7) % 256 for value in ramp], ramp, [255 - (value * 3) % 200 for value in ramp]]
    grids = [[(value / 255 - 0.5) / 0.2 for value in wave] for wave in waves]
    assert colours._order(grids if order == "RGB" else grids[::-1], waves) == order
    assert colours._order([ramp, ramp, ramp], [ramp, ramp, ramp]) == ""
