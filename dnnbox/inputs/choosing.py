"""Contract → input files: what the user gave, else real files of the workspace, else the box makes one up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dnnbox.errors import NotReadable, Usage
from dnnbox.files import expanded
from dnnbox.inputs import fields
from dnnbox.inputs.feeding import obstacle, reads_all
from dnnbox.inputs.kinds import SUFFIXES, Content, holds_sentences, look_into, seems_whole
from dnnbox.records.evaluation import LabelledSet
from dnnbox.records.inspection import Inspection, IoField, IoHints
from dnnbox.records.plan import InputChoice
from dnnbox.text import visible
from dnnbox.walk import Budget, Folder, folders

DATA_FOLDERS = (
    "datasets", "dataset", "data", "downloads", "examples", "example", "samples", "sample", "assets", "inputs",
    "images", "audio", "demo", "test_data", "testdata",
)  # fmt: skip
_MOST_FOUND: dict[str, int] = {"image": 8, "audio": 4, "text": 1, "tensor": 1}
_MOST_GIVEN = 256
_MOST_SHOWN = 4  # of the labelled data
_SMALLEST_IMAGE, _LARGEST_IMAGE = 32, 8192  # pixels, shorter side: below lie icons, above posters
_SHORTEST_AUDIO_S, _LONGEST_AUDIO_S = 0.2, 600.0
_LOOKS_INTO = 400  # files opened in one search


def choose(
    inspection: Inspection,
    io: IoHints,
    *,
    given: Sequence[str] = (),
    workspace: Path,
    runtime: str = "",
    source: str = "",
    labelled: LabelledSet | None = None,
) -> tuple[InputChoice, ...]:
    """Return the inputs of the run, each with the reason for it.

    ``given`` holds FILE, DIR or NAME=@FILE as typed. Without any, some of the ``labelled`` data are taken; without
    those, files that fit the model's modality are looked for beside the checkpoint, among the samples of its own
    repository (``source`` is the root), and in the workspace's data folders.

    Raises:
        NotReadable: a given file is not there or cannot be read.
        Usage: a given file is nothing that the model can take.
    """
    if given:
        return tuple(choice for argument in given for choice in _given(argument, io, runtime))
    modality = io.modality or "tensor"
    if shown := tuple(_of_labelled(labelled, io, lambda kind: obstacle(runtime, kind, inspection, io))):
        return shown
    if problem := obstacle(runtime, modality, inspection, io):
        return (InputChoice("synthesised", "tensor", reason=f"{problem}, so they are made up"),)
    places = tuple(_places(Path(inspection.path), workspace, source))
    found = _found(places, modality, io)
    if found:
        return found
    return (InputChoice("synthesised", modality, reason=_why_none(places, modality)),)


# -- given -----------------------------------------------------------------------------------------------------------


def _given(argument: str, io: IoHints, runtime: str) -> Iterator[InputChoice]:
    name, path = _split(argument)
    if not path.exists():
        raise NotReadable(
            f"input `{visible(argument, 120)}` does not exist", hint="give a file or a directory", phase="inputs"
        )
    if path.is_dir():
        yield from _given_directory(path, name, io)
        return
    content = _recognised(path)
    _check_modality(path, content, io)
    _check_codec(path, content, runtime)
    fields.require(path, name, content, io, runtime)
    yield InputChoice("given", content.kind, str(path), name, f"given, {content.detail}")


def _split(argument: str) -> tuple[str, Path]:
    """Return (the model's name for the input, path); a file that is really called ``a=@b`` wins."""
    name, separator, rest = argument.partition("=@")
    if separator and not Path(argument).exists():
        return name, expanded(rest)
    return "", expanded(argument)


def _recognised(path: Path) -> Content:
    if not path.is_file():
        raise NotReadable(f"input `{visible(path.name, 80)}` is no regular file", hint="give a file", phase="inputs")
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise NotReadable(
            f"input `{visible(path.name, 80)}` cannot be read: {error.strerror}", hint="check its mode", phase="inputs"
        ) from error
    content = look_into(path)
    if content is None:
        raise Usage(
            f"input `{visible(path.name, 80)}` is no .npy array, image, sound, video, text or JSON",
            hint="convert it, or read it in an adapter (`--adapter`)",
            phase="inputs",
        )
    return content


def _check_modality(path: Path, content: Content, io: IoHints) -> None:
    """Refuse only what cannot be meant: two different media. Arrays and JSON may be anything."""
    media = ("text", "image", "audio", "video")
    if content.kind == "video" and io.task == "video-classification":
        return  # a clip of pictures: what is missing is only who unpacks it
    if io.modality in media and content.kind in media and content.kind != io.modality:
        raise Usage(
            f"input `{visible(path.name, 80)}` holds {content.kind}, but the model takes {io.modality}",
            hint=f"give {_article(io.modality)} file, or a .npy array",
            phase="inputs",
        )


def _check_codec(path: Path, content: Content, runtime: str) -> None:
    """Refuse packed sound and video where nobody has a codec for it."""
    if not content.is_packed or reads_all(runtime):
        return
    if content.kind == "audio":
        hint = f"convert it: `ffmpeg -i {visible(path.name, 60)} input.wav`; or read it in an adapter (`--adapter`)"
    else:
        hint = (
            "give its frames as a GIF, a directory of pictures or a .npy array, or read it in an adapter (`--adapter`)"
        )
    what = f"input `{visible(path.name, 80)}` is {content.detail} {content.kind}, which dnnbox cannot unpack"
    raise Usage(what, hint=hint, phase="inputs")


def _article(modality: str) -> str:
    return f"{'an' if modality[0] in 'aeiou' else 'a'} {modality}"


def _given_directory(path: Path, name: str, io: IoHints) -> Iterator[InputChoice]:
    """Yield the files of a directory that fit; those of the most frequent kind where the modality is not known."""
    seen = [
        (file, content)
        for folder in folders(path, Budget(), depth=2)
        for file in folder.files
        if (content := look_into(file)) is not None and SUFFIXES.get(file.suffix.lower()) == content.kind
    ]
    kinds: list[str] = [content.kind for _, content in seen]
    wanted = io.modality if io.modality in kinds else max(kinds, key=kinds.count) if kinds and not io.modality else ""
    wanted = wanted or ("tensor" if "tensor" in kinds else "")
    fitting = [(file, content) for file, content in seen if content.kind == wanted][:_MOST_GIVEN]
    if not fitting:
        raise Usage(
            f"input directory `{visible(path.name, 80)}` holds no {io.modality or 'image, WAV, text or .npy'} file",
            hint="give a file",
            phase="inputs",
        )
    for file, content in fitting:
        yield InputChoice("given", content.kind, str(file), name, f"given as a directory, {content.detail}")


# -- labelled --------------------------------------------------------------------------------------------------------


def _of_labelled(labelled: LabelledSet | None, io: IoHints, problem: Callable[[str], str]) -> Iterator[InputChoice]:
    """Yield a few files of the labelled data, of as many labels as there are; cut-off pictures only where all are."""
    rows = [row for row in labelled.rows if row.get("path")] if labelled is not None else []
    firsts = {str(row.get("label", "")): row for row in reversed(rows)}
    spread = [*list(firsts.values())[::-1], *rows]
    known = list({str(row["path"]): row for row in spread[: 4 * _MOST_SHOWN]}.values())
    whole = [row for row in known if seems_whole(Path(str(row["path"])))] or known
    for row in whole[:_MOST_SHOWN]:
        path = Path(str(row["path"]))
        content = look_into(path)
        if (
            content is not None
            and content.kind in (io.modality or content.kind, "tensor")
            and not problem(content.kind)
        ):
            label = f", label {visible(str(row['label']), 40)}" if row.get("label") else ""
            yield InputChoice("given", content.kind, str(path), "", f"{content.detail}, of the labelled data{label}")


# -- found -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """Where to look, how deep, and how to call it in a sentence."""

    root: Path
    depth: int
    label: str


def _places(checkpoint: Path, workspace: Path, source: str = "") -> Iterator[_Place]:
    """Yield each place once: beside the checkpoint first, for such files come with the model."""
    beside = checkpoint if checkpoint.is_dir() else checkpoint.parent
    candidates = [_Place(beside, 0, "beside the checkpoint")]
    candidates += [_Place(beside / name, 2, f"in {name}/ beside the checkpoint") for name in DATA_FOLDERS]
    if source:
        samples = (*DATA_FOLDERS, "docs", "figures", "imgs", "test_images")
        candidates += [_Place(Path(source) / name, 2, f"in {name}/ of the model's own source") for name in samples]
    candidates += [_Place(workspace / name, 3, f"in {name}/ of the workspace") for name in DATA_FOLDERS]
    seen: set[Path] = set()
    for place in candidates:
        resolved = place.root.resolve()
        if resolved not in seen and place.root.is_dir() and not place.root.is_symlink():
            seen.add(resolved)
            yield place


def _found(places: Iterable[_Place], modality: str, io: IoHints) -> tuple[InputChoice, ...]:
    """Return the fitting files of the first folder that has any: they belong together."""
    budget, left = Budget(), _LOOKS_INTO
    for place in places:
        for folder in folders(place.root, budget, depth=place.depth):
            candidates = [file for file in folder.files if SUFFIXES.get(file.suffix.lower()) == modality][:left]
            left -= len(candidates)
            fitting = _fitting(candidates, modality, io)
            if fitting:
                return tuple(_choices(fitting, modality, place, folder, io))
    return ()


def _fitting(files: Sequence[Path], modality: str, io: IoHints) -> list[tuple[Path, Content]]:
    found = []
    for file in files:
        content = look_into(file)
        if content is not None and content.kind == modality and not content.is_packed and _fits(file, content, io):
            found.append((file, content))
        if len(found) == _MOST_FOUND.get(modality, 1):
            break
    return found


def _fits(file: Path, content: Content, io: IoHints) -> bool:
    if content.kind == "image":
        return _SMALLEST_IMAGE <= content.size <= _LARGEST_IMAGE
    if content.kind == "audio":
        return _SHORTEST_AUDIO_S <= content.size <= _LONGEST_AUDIO_S
    if content.kind == "text":
        return holds_sentences(file, content)
    # An array says nothing of itself: only one that fits the model's single input in every number is believed.
    return content.kind == "tensor" and len(io.inputs) == 1 and _array_fits(content, io.inputs[0])


def _array_fits(content: Content, wanted: IoField) -> bool:
    return bool(wanted.shape) and wanted.takes(content.shape) and content.dtype == wanted.dtype


def _choices(
    fitting: Sequence[tuple[Path, Content]],
    modality: str,
    place: _Place,
    folder: Folder,
    io: IoHints,
) -> Iterator[InputChoice]:
    where = place.label
    if folder.path != place.root:
        where = f"{visible(folder.path.relative_to(place.root).as_posix(), 60)} {place.label}"
    name = io.inputs[0].name if modality == "tensor" and io.inputs else ""
    for file, content in fitting:
        yield InputChoice("found", content.kind, str(file), name, f"{content.detail}, {where}")


def _why_none(places: Sequence[_Place], modality: str) -> str:
    labels = [place.label for place in places]
    looked = ", ".join(labels[:3]) + (f" and {len(labels) - 3} more places" if len(labels) > 3 else "")
    what = "fitting array" if modality == "tensor" else f"{modality} file"
    return f"no {what} {looked or 'in the workspace'}"
