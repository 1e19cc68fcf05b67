"""Clips for Hugging Face's video models: frames of pictures and animations, or a made-up picture that moves."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence

from ..failures import Failure
from ..protocol import InputFile
from .vision import Pipeline

STEP = 2
"""Pixels that the made-up picture moves to the right from one frame to the next."""


class Clip(NamedTuple):
    """The files of one clip, in order; an animation holds several frames."""

    paths: List[str]
    kind: str = "clip"

    @property
    def path(self) -> str:
        """Return the first file, which stands for the clip."""
        return self.paths[0]


def frame_count(config: Any) -> int:
    """Return how many frames the model takes at once; 0 for a model of single pictures."""
    vision = getattr(config, "vision_config", config)
    return int(getattr(vision, "num_frames", None) or getattr(vision, "frames_per_clip", None) or 0)


def of_files(files: Sequence[InputFile]) -> List[Any]:
    """Return pictures as the frames of one clip; other files as they are."""
    pictures = [file.path for file in files if file.kind == "image"]
    return [Clip(pictures)] if len(pictures) == len(files) > 0 else list(files)


def from_clips(runtime: Any, clips: Sequence[Clip], count: int) -> Dict[str, Any]:
    """Return the inputs for clips of files: ``count`` frames of each, evenly spread, after the folder's processor."""
    if runtime.processor is None:
        raise Failure("needs_adapter", "the folder has no processor for the frames of a clip", "input")
    read = [_frames(clip, count) for clip in clips]
    runtime.step("preprocessing", "sample_frames", {"frames": count, "spread": "even"}, "assumed", "dnnbox")
    return _processed(runtime, read)


def made_up(runtime: Any, pipeline: Pipeline, channels: int, batch_size: int, count: int) -> Dict[str, Any]:
    """Return made-up clips, after the folder's processor where there is one."""
    torch = runtime.torch
    shape = (batch_size, channels, pipeline.height, pipeline.width)
    plain = runtime.processor is not None and channels == 3
    source = pipeline._replace(mean=(0.0,) * 3, std=(1.0,) * 3) if plain else pipeline
    pictures = torch.tensor(source.example(channels, batch_size, runtime.request.seed)).reshape(shape)
    if plain:
        pictures = (pictures * 255).to(torch.uint8)
    moved = torch.stack(moving(pictures, count), 1)
    if plain:
        return _processed(runtime, moved)
    pipeline.declare(runtime)
    return {runtime.input_name(0): runtime.cast(moved.float())}


def moving(pictures: Any, count: int) -> List[Any]:
    """Return the frames of made-up pictures that move, each for all pictures of a batch."""
    return [pictures.roll(STEP * frame, -1) for frame in range(count)]


def _processed(runtime: Any, clips: Iterable[Iterable[Any]]) -> Dict[str, Any]:
    name = type(runtime.processor).__name__
    runtime.step("preprocessing", "processor", {"class": name}, "declared", "preprocessor_config.json")
    found = runtime.processor([list(clip) for clip in clips], return_tensors="pt")
    values = next((value for value in dict(found).values() if getattr(value, "ndim", 0) == 5), None)
    if values is None:
        raise Failure("needs_adapter", "%s makes no clip of five dimensions" % name, "input")
    return {runtime.input_name(0): runtime.cast(values)}


def _frames(clip: Clip, count: int) -> List[Any]:
    """Return ``count`` frames of a clip as RGB pictures, evenly spread; too few are repeated."""
    from PIL import Image, ImageSequence

    found: List[Any] = []
    for path in clip.paths:
        try:
            with Image.open(path) as picture:
                found += [frame.convert("RGB") for frame in ImageSequence.Iterator(picture)]
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            text = "%s is not a readable picture: %s" % (os.path.basename(path), error)
            raise Failure("input_failed", text, "input") from error
    return [found[place] for place in spread(len(found), count)]


def spread(there: int, wanted: int) -> List[int]:
    """Return ``wanted`` places among ``there``, in order, each in the middle of its share."""
    return [(2 * place + 1) * there // (2 * wanted) for place in range(wanted)]
