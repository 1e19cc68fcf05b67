"""Option texts to values."""

import pytest

from dnnbox.cli import parsing
from dnnbox.errors import Usage


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("64M", 64 << 20), ("64MiB", 64 << 20), ("1.5g", 3 << 29), ("1024", 1024), ("2 GB", 2 << 30)],
)
def test_size_bytes__usual_spellings__are_powers_of_1024(text, expected):
    assert parsing.size_bytes("--memory", text) == expected


@pytest.mark.parametrize("text", ["many", "-1", "1X", "G"])
def test_size_bytes__nonsense__is_usage(text):
    with pytest.raises(Usage, match="is not a size"):
        parsing.size_bytes("--memory", text)


@pytest.mark.parametrize(("text", "expected"), [("1", (1,)), ("1,8,32", (1, 8, 32)), ("8,8,1", (8, 1))])
def test_batches__list__keeps_order_and_drops_doubles(text, expected):
    assert parsing.batches(text) == expected


@pytest.mark.parametrize("text", ["", "0", "-1", "a", "1,,2", "1e3", "99999999"])
def test_batches__nonsense__is_usage(text):
    with pytest.raises(Usage):
        parsing.batches(text)


def test_pairs__url_with_a_comma__stays_whole():
    assert parsing.pairs("url=https://h/a,b,version=1.2") == {"url": "https://h/a,b", "version": "1.2"}


def test_pairs__no_equals__is_usage():
    with pytest.raises(Usage):
        parsing.pairs("somewhere")


def test_command__host_paths__are_cut_to_names():
    argv = ["run", "/home/me/m.onnx", "--out", "/data/x", "--input", "x=@/data/y.npy", "--source", "../up"]

    assert parsing._command(argv, "/home/me/m.onnx") == (
        "run", "m.onnx", "--out", "x", "--input", "x=@y.npy", "--source", "up",
    )  # fmt: skip
