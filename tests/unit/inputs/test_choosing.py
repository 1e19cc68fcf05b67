"""Which inputs a run takes: given, found, or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dnnbox.errors import DnnboxError, NotReadable, Usage
from dnnbox.inputs import choose
from dnnbox.inputs.kinds import look_into
from dnnbox.records.evaluation import LabelledSet
from dnnbox.records.identity import Candidate, Identity
from dnnbox.records.inspection import FileRole, Inspection, IoField, IoHints
from dnnbox.records.plan import InputChoice
from tests.unit.inputs import media


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A model in a directory of its own, away from the workspace."""
    return media.write(tmp_path / "models" / "net.onnx", b"onnx")


def chosen(
    checkpoint: Path,
    workspace: Path,
    io: IoHints | str = "",
    given: tuple[str, ...] = (),
    runtime: str = "adapter",
    files: tuple[FileRole, ...] = (),
    identity: Identity | None = None,
) -> tuple[InputChoice, ...]:
    hints = IoHints(modality=io) if isinstance(io, str) else io
    inspection = Inspection(
        str(checkpoint), "file", "onnx", "onnx", 4, "no-code", files=files, identity=identity or Identity()
    )
    return choose(inspection, hints, given=given, workspace=workspace, runtime=runtime)


# -- found -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "folder", ["datasets", "data", "downloads", "examples", "samples", "assets", "data/cats/small"]
)
def test_choose__image_in_a_data_folder__is_found_and_explained(workspace: Path, checkpoint: Path, folder: str) -> None:
    media.png(workspace / folder / "cat.png")
    (choice,) = chosen(checkpoint, workspace, "image")
    assert (choice.origin, choice.kind) == ("found", "image")
    assert choice.path == str(workspace / folder / "cat.png")
    assert choice.reason.startswith("64 × 48, ")
    assert choice.reason.endswith("of the workspace")


VIDEO = IoHints(modality="image", task="video-classification")


def test_choose__video_model__takes_no_single_pictures_for_a_clip(workspace: Path, checkpoint: Path) -> None:
    media.png(workspace / "data" / "cat.png")
    (choice,) = chosen(checkpoint, workspace, VIDEO, runtime="transformers")
    assert (choice.origin, choice.reason) == ("synthesised", "single pictures make no clip, so they are made up")


def test_choose__animation_given_to_a_video_model__is_taken(workspace: Path, checkpoint: Path, tmp_path: Path) -> None:
    path = media.gif(tmp_path / "clip.gif")
    (choice,) = chosen(checkpoint, workspace, VIDEO, (str(path),), runtime="transformers")
    assert (choice.kind, choice.reason) == ("image", "given, 80 × 60")


def test_choose__packed_video_given__says_in_which_forms_its_frames_are_read(
    workspace: Path, checkpoint: Path, tmp_path: Path
) -> None:
    path = media.write(tmp_path / "clip.mp4", b"\0\0\0\x18ftypisom" + b"\0" * 64)
    with pytest.raises(Usage, match="cannot unpack") as told:
        chosen(checkpoint, workspace, VIDEO, (str(path),), runtime="transformers")
    assert "GIF" in told.value.hint


def test_choose__files_beside_the_checkpoint__win_over_the_workspace(workspace: Path, checkpoint: Path) -> None:
    media.wav(workspace / "data" / "far.wav")
    media.wav(checkpoint.parent / "near.wav")
    (choice,) = chosen(checkpoint, workspace, "audio")
    assert Path(choice.path).name == "near.wav"
    assert choice.reason == "1.0 s, 16000 Hz, beside the checkpoint"


def test_choose__many_images__takes_the_first_few_of_one_folder_in_order(workspace: Path, checkpoint: Path) -> None:
    for number in range(20):
        media.png(workspace / "data" / "a" / f"{number:02}.png")
    media.png(workspace / "data" / "b" / "other.png")
    found = chosen(checkpoint, workspace, "image")
    assert [Path(choice.path).name for choice in found] == [f"{number:02}.png" for number in range(8)]


def test_choose__text__takes_prose_and_leaves_lists_alone(workspace: Path, checkpoint: Path) -> None:
    media.write(workspace / "data" / "README.txt", media.SENTENCES)
    media.write(workspace / "data" / "labels.txt", "a b c\nd e f\n")
    media.write(workspace / "data" / "coords.txt", "1\n2\n3\n")
    media.write(workspace / "data" / "sentences.txt", media.SENTENCES)
    (choice,) = chosen(checkpoint, workspace, "text")
    assert Path(choice.path).name == "sentences.txt"
    assert choice.reason == "3 lines, in data/ of the workspace"


def test_choose__icons_and_clicks__are_too_small_to_be_inputs(workspace: Path, checkpoint: Path) -> None:
    media.png(workspace / "assets" / "icon.png", 16, 16)
    media.wav(workspace / "assets" / "click.wav", 0.05)
    assert chosen(checkpoint, workspace, "image")[0].origin == "synthesised"
    assert chosen(checkpoint, workspace, "audio")[0].origin == "synthesised"


def test_choose__name_lies_about_the_content__is_not_taken(workspace: Path, checkpoint: Path) -> None:
    media.write(workspace / "data" / "page.png", "<html>not an image</html>")
    media.write(workspace / "data" / "x.wav", b"RIFF\0\0\0\0WAVEjunk")
    assert chosen(checkpoint, workspace, "image")[0].origin == "synthesised"
    assert chosen(checkpoint, workspace, "audio")[0].origin == "synthesised"


def test_choose__array__only_one_that_fits_the_input_is_believed(workspace: Path, checkpoint: Path) -> None:
    io = IoHints((IoField("x", ("N", 4), "float32"),))
    media.npy(workspace / "data" / "a_wrong_dtype.npy", (2, 4), "<f8")
    media.npy(workspace / "data" / "b_wrong_shape.npy", (2, 5))
    assert chosen(checkpoint, workspace, io)[0].origin == "synthesised"
    media.npy(workspace / "data" / "c_fits.npy", (2, 4))
    (choice,) = chosen(checkpoint, workspace, io)
    assert (Path(choice.path).name, choice.name) == ("c_fits.npy", "x")


def test_choose__links_out_hidden_and_earlier_experiments__are_not_taken(workspace: Path, checkpoint: Path) -> None:
    secret = media.png(checkpoint.parent.parent / "private" / "me.png")
    (workspace / "data").mkdir()
    (workspace / "data" / "link.png").symlink_to(secret)
    (workspace / "images").symlink_to(secret.parent)
    media.png(workspace / "data" / ".hidden" / "x.png")
    media.png(workspace / "data" / "tmp" / "x.png")
    assert chosen(checkpoint, workspace, "image")[0].origin == "synthesised"


def test_choose__nothing_there__says_where_it_looked(workspace: Path, checkpoint: Path) -> None:
    (workspace / "data").mkdir()
    (choice,) = chosen(checkpoint, workspace, "image")
    expected = "no image file beside the checkpoint, in data/ of the workspace"
    assert (choice.origin, choice.kind, choice.path) == ("synthesised", "image", "")
    assert choice.reason == expected


def test_choose__no_modality__synthesises_a_tensor(workspace: Path, checkpoint: Path) -> None:
    media.png(workspace / "data" / "cat.png")
    (choice,) = chosen(checkpoint, workspace)
    assert (choice.origin, choice.kind) == ("synthesised", "tensor")


@pytest.mark.parametrize(
    ("runtime", "modality", "files", "origin"),
    [
        ("onnxruntime", "image", (), "found"),
        ("onnxruntime", "audio", (), "synthesised"),
        ("torchscript", "text", (), "synthesised"),
        ("sentence_transformers", "text", (), "found"),
        ("transformers", "text", (), "synthesised"),
        ("transformers", "text", (FileRole("tokenizer.json", "tokenizer", 1),), "found"),
        ("transformers", "image", (), "synthesised"),
        ("transformers", "image", (FileRole("preprocessor_config.json", "config", 1),), "found"),
        ("adapter", "audio", (), "found"),
    ],
)
def test_choose__runtime__gets_only_files_that_it_can_read(
    workspace: Path, checkpoint: Path, runtime: str, modality: str, files: tuple[FileRole, ...], origin: str
) -> None:
    media.png(workspace / "data" / "x.png")
    media.wav(workspace / "data" / "x.wav")
    media.write(workspace / "data" / "x.txt", media.SENTENCES)
    (choice,) = chosen(checkpoint, workspace, modality, runtime=runtime, files=files)
    assert choice.origin == origin


def test_choose__voice_detector__gets_audio_in_any_runtime(workspace: Path, checkpoint: Path) -> None:
    media.wav(workspace / "data" / "x.wav")
    identity = Identity(False, (Candidate("silero-vad", "silero_vad", "family", 1.0),))
    (choice,) = chosen(checkpoint, workspace, "audio", runtime="onnxruntime", identity=identity)
    assert choice.origin == "found"


def test_choose__two_inputs__no_picture_is_forced_into_one(workspace: Path, checkpoint: Path) -> None:
    media.png(workspace / "data" / "x.png")
    io = IoHints((IoField("a", (1, 3, 8, 8)), IoField("b", (1, 3, 8, 8))), modality="image")
    (choice,) = chosen(checkpoint, workspace, io, runtime="onnxruntime")
    assert choice.origin == "synthesised"
    assert "no single image input" in choice.reason


# -- given -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path: media.png(path / "a"), "image"),
        (lambda path: media.jpeg(path / "a"), "image"),
        (lambda path: media.wav(path / "a"), "audio"),
        (lambda path: media.npy(path / "a"), "tensor"),
        (lambda path: media.write(path / "a", "one line"), "text"),
        (lambda path: media.write(path / "a.json", '{"x": 1}'), "json"),
    ],
)
def test_choose__given_file__is_told_by_content(workspace: Path, checkpoint: Path, make, kind: str) -> None:  # type: ignore[no-untyped-def]
    path = make(workspace)
    (choice,) = chosen(checkpoint, workspace, given=(str(path),))
    assert (choice.origin, choice.kind, choice.path) == ("given", kind, str(path))


def test_choose__given_by_name__keeps_the_models_name(workspace: Path, checkpoint: Path) -> None:
    path = media.npy(workspace / "mask.npy")
    (choice,) = chosen(checkpoint, workspace, given=(f"attention_mask=@{path}",))
    assert (choice.name, choice.path) == ("attention_mask", str(path))


def test_choose__file_really_called_so__wins_over_the_name_syntax(
    workspace: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media.write(workspace / "a=@b.txt", "one line")
    monkeypatch.chdir(workspace)
    (choice,) = chosen(checkpoint, workspace, given=("a=@b.txt",))
    assert (choice.name, choice.path) == ("", "a=@b.txt")


def test_choose__given_directory__takes_what_the_model_reads(workspace: Path, checkpoint: Path) -> None:
    folder = workspace / "mixed"
    media.png(folder / "b.png")
    media.png(folder / "a.png")
    media.write(folder / "notes.txt", media.SENTENCES)
    assert [Path(c.path).name for c in chosen(checkpoint, workspace, "image", (str(folder),))] == ["a.png", "b.png"]
    assert [Path(c.path).name for c in chosen(checkpoint, workspace, "text", (str(folder),))] == ["notes.txt"]
    assert [c.kind for c in chosen(checkpoint, workspace, "", (str(folder),))] == ["image", "image"]


def test_choose__array_for_an_image_model__is_accepted(workspace: Path, checkpoint: Path) -> None:
    path = media.npy(workspace / "x.npy", (1, 3, 8, 8))
    assert chosen(checkpoint, workspace, "image", (str(path),))[0].kind == "tensor"


def bad_inputs(root: Path) -> dict[str, tuple[str, type[DnnboxError]]]:
    """Arguments that cannot be inputs, and what they must raise."""
    os.mkfifo(root / "pipe")
    (root / "empty_dir").mkdir()
    sealed = media.png(root / "sealed.png")
    sealed.chmod(0)
    return {
        "missing": (str(root / "missing.png"), NotReadable),
        "fifo": (str(root / "pipe"), NotReadable),
        "device": ("/dev/null", NotReadable),
        "empty": (str(media.write(root / "empty.png", b"")), Usage),
        "unknown": (str(media.write(root / "x.bin", b"\xff\xfe\0\1" * 9)), Usage),
        "pickled array": (str(media.npy(root / "o.npy", (1,), "|O")), Usage),
        "other medium": (str(media.wav(root / "x.wav")), Usage),
        "empty directory": (str(root / "empty_dir"), Usage),
        **({"sealed": (str(sealed), NotReadable)} if os.getuid() else {}),
    }


@pytest.mark.parametrize(
    "case",
    ["missing", "fifo", "device", "empty", "unknown", "pickled array", "other medium", "empty directory", "sealed"],
)
def test_choose__given_what_is_no_input__is_refused_in_one_line(workspace: Path, checkpoint: Path, case: str) -> None:
    cases = bad_inputs(workspace)
    if case not in cases:
        pytest.skip("root may read every file")
    argument, error = cases[case]
    with pytest.raises(error) as caught:
        chosen(checkpoint, workspace, "image", (argument,))
    assert "\n" not in caught.value.line()
    assert caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16,
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + b"\0" * 16,
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff" + b"\xff" * 40,
        b"BM" + b"\0" * 10,
        b"\xc3",
    ],
)
def test_look_into__broken_headers__are_nothing(tmp_path: Path, data: bytes) -> None:
    assert look_into(media.write(tmp_path / "x", data)) is None


def test_choose__sample_of_the_models_own_source__wins_over_the_workspace(
    workspace: Path, checkpoint: Path, tmp_path: Path
) -> None:
    media.png(workspace / "data" / "far.png")
    media.png(tmp_path / "repository" / "assets" / "near.png")
    inspection = Inspection(str(checkpoint), "file", "onnx", "onnx", 4, "no-code")
    (choice,) = choose(
        inspection,
        IoHints(modality="image"),
        workspace=workspace,
        runtime="adapter",
        source=str(tmp_path / "repository"),
    )
    assert Path(choice.path).name == "near.png"
    assert choice.reason == "64 × 48, in assets/ of the model's own source"


def test_choose__labelled_data_and_no_input__shows_some_of_as_many_labels_as_there_are(
    workspace: Path, checkpoint: Path
) -> None:
    media.png(workspace / "data" / "other.png")
    rows = [
        {"path": str(media.png(workspace / "mine" / label / f"{number}.png")), "kind": "image", "label": label}
        for label in ("cat", "dog")
        for number in range(3)
    ]
    labelled = LabelledSet(str(workspace / "mine"), "mine", "folders", "classes", tuple(rows))
    found = choose(
        Inspection(str(checkpoint), "file", "onnx", "onnx", 1, "no-code"),
        IoHints(modality="image"),
        workspace=workspace,
        runtime="onnxruntime",
        labelled=labelled,
    )
    assert {choice.origin for choice in found} == {"given"}
    assert [choice.reason.rpartition(", label ")[2] for choice in found[:2]] == ["cat", "dog"]
    assert len({choice.path for choice in found}) == len(found) == 4


def test_choose__labelled_data_with_a_cut_off_picture__the_whole_ones_are_shown(
    workspace: Path, checkpoint: Path
) -> None:
    files = [media.png(workspace / "mine" / f"{number}.png") for number in range(3)]
    files[0].write_bytes(files[0].read_bytes()[:40])
    rows = tuple({"path": str(file), "kind": "image", "label": "cat"} for file in files)
    found = choose(
        Inspection(str(checkpoint), "file", "onnx", "onnx", 1, "no-code"),
        IoHints(modality="image"),
        workspace=workspace,
        runtime="onnxruntime",
        labelled=LabelledSet(str(workspace / "mine"), "mine", "csv", "classes", rows),
    )
    assert [Path(choice.path).name for choice in found] == ["1.png", "2.png"]


PACKED = {
    "clip.mp4": (b"\0\0\0\x20ftypisom" + bytes(64), "video"),
    "clip.webm": (b"\x1aE\xdf\xa3" + bytes(64), "video"),
    "talk.flac": (b"fLaC" + bytes(64), "audio"),
    "talk.mp3": (b"ID3\x04" + bytes(64), "audio"),
}


@pytest.mark.parametrize("name", PACKED)
def test_choose__packed_sound_or_video__goes_to_an_adapter_only(workspace: Path, checkpoint: Path, name: str) -> None:
    data, kind = PACKED[name]
    path = media.write(workspace / name, data)
    inspection = Inspection(str(checkpoint), "file", "onnx", "onnx", 1, "no-code")
    (choice,) = choose(inspection, IoHints(), given=(str(path),), workspace=workspace, runtime="adapter")
    assert (choice.kind, choice.origin) == (kind, "given")
    with pytest.raises(Usage, match="cannot unpack") as refused:
        choose(inspection, IoHints(), given=(str(path),), workspace=workspace, runtime="onnxruntime")
    assert "--adapter" in refused.value.hint


def test_look_into__heic_picture__is_no_video(tmp_path: Path) -> None:
    assert look_into(media.write(tmp_path / "a.heic", b"\0\0\0\x18ftypheic" + b"\xff" * 64)) is None
