"""What an architecture implies about inputs and outputs, merged with what the checkpoint itself declares.

The checkpoint's own header or config always wins; what is added here says where it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dnnbox.identify import configs, index
from dnnbox.identify.family_table import FAMILIES, SILERO_TASK
from dnnbox.identify.index import Model
from dnnbox.records.identity import Candidate
from dnnbox.records.inspection import Inspection, IoField, IoHints, clip_frames

TASKS: tuple[tuple[str, str, str], ...] = (  # suffix of a transformers class, task, modality ("" = by the main input)
    ("ForSequenceClassification", "text-classification", "text"),
    ("ForTokenClassification", "token-classification", "text"),
    ("ForQuestionAnswering", "question-answering", "text"),
    ("ForMultipleChoice", "multiple-choice", "text"),
    ("ForNextSentencePrediction", "next-sentence-prediction", "text"),
    ("ForMaskedLM", "fill-mask", "text"),
    ("WithLMHead", "text-generation", "text"),
    ("LMHeadModel", "text-generation", "text"),
    ("ForCausalLM", "text-generation", "text"),
    ("ForImageClassification", "image-classification", "image"),
    ("ForZeroShotImageClassification", "zero-shot-image-classification", "image"),
    ("ForObjectDetection", "object-detection", "image"),
    ("ForZeroShotObjectDetection", "zero-shot-object-detection", "image"),
    ("ForSemanticSegmentation", "image-segmentation", "image"),
    ("ForInstanceSegmentation", "image-segmentation", "image"),
    ("ForUniversalSegmentation", "image-segmentation", "image"),
    ("ForImageSegmentation", "image-segmentation", "image"),
    ("ForDepthEstimation", "depth-estimation", "image"),
    ("ForMaskGeneration", "mask-generation", "image"),
    ("ForMaskedImageModeling", "masked-image-modeling", "image"),
    ("ForImageSuperResolution", "image-to-image", "image"),
    ("ForVideoClassification", "video-classification", "image"),
    ("ForKeypointDetection", "keypoint-detection", "image"),
    ("ForCTC", "automatic-speech-recognition", "audio"),
    ("ForSpeechSeq2Seq", "automatic-speech-recognition", "audio"),
    ("ForAudioClassification", "audio-classification", "audio"),
    ("ForAudioFrameClassification", "audio-frame-classification", "audio"),
    ("ForXVector", "audio-xvector", "audio"),
    ("ForTextToSpeech", "text-to-audio", "text"),
    ("ForTextToWaveform", "text-to-audio", "text"),
    ("ForPreTraining", "feature-extraction", ""),
    ("Model", "feature-extraction", ""),
)
MODALITY_OF_INPUT = {
    "input_ids": "text",
    "pixel_values": "image",
    "pixel_values_videos": "image",
    "input_values": "audio",
    "input_features": "audio",
}
GENERATION = {"text": "text2text-generation", "image": "image-to-text", "audio": "automatic-speech-recognition"}
TORCHVISION_TASKS = (
    ("torchvision.models.detection.", "object-detection"),
    ("torchvision.models.segmentation.", "image-segmentation"),
    ("torchvision.models.optical_flow.", "optical-flow"),
    ("torchvision.models.video.", "video-classification"),
)
PREPROCESS_KEYS = (
    "input_size",
    "mean",
    "std",
    "interpolation",
    "crop_pct",
    "crop_mode",
    "resize_size",
    "crop_size",
    "transforms",
)


def io_hints(inspection: Inspection, candidate: Candidate | None) -> IoHints:
    """Return the checkpoint's hints completed by what the candidate implies; without one, unchanged."""
    own = inspection.io_hints
    if candidate is None:
        return own
    implied = implied_by(inspection, candidate)
    return replace(
        own,
        inputs=shaped(own.inputs, implied.inputs) or implied.inputs,
        outputs=own.outputs or implied.outputs,
        modality=own.modality if own.modality not in ("", "tensor") else implied.modality or own.modality,
        task=own.task or implied.task,
        labels=own.labels or implied.labels,
        preprocess=own.preprocess or implied.preprocess,
    )


def shaped(own: tuple[IoField, ...], implied: tuple[IoField, ...]) -> tuple[IoField, ...]:
    """Return the checkpoint's own fields, with the implied shape where one of the same name declares none."""
    known = {field.name: field for field in implied}
    return tuple(known[f.name] if f.shape is None and f.name in known else f for f in own)


def implied_by(inspection: Inspection, candidate: Candidate) -> IoHints:
    """Return what the architecture says by itself."""
    documents = configs.documents(inspection)
    config = documents.get("config.json")
    config = config if isinstance(config, Mapping) else {}
    if candidate.library in ("timm", "torchvision"):
        return image_model(candidate, config)
    if candidate.library == "transformers":
        return transformers_model(candidate, config)
    if candidate.library == "sentence-transformers":
        return IoHints(modality="text", task="feature-extraction")
    if candidate.library == "silero-vad":
        return silero(inspection, candidate)
    family = next(
        (f for f in FAMILIES if (f.library, f.architecture) == (candidate.library, candidate.architecture)),
        None,
    )
    return IoHints(modality=family.modality, task=family.task) if family else IoHints()


def image_model(candidate: Candidate, config: Mapping[str, Any]) -> IoHints:
    """timm and torchvision: the input size and the constants that the library publishes for the architecture."""
    known = index.load()
    number = known.by_name.get((candidate.library, candidate.architecture))
    if number is None:
        return IoHints(modality="image")
    model = known.model(number)
    own = config.get("pretrained_cfg") if candidate.library == "timm" else None
    published = {**model.preprocess, **(own if isinstance(own, Mapping) else {})}
    source = (
        "config.json"
        if isinstance(own, Mapping)
        else f"{candidate.library} {known.versions.get(candidate.library, '')}"
    )
    status = "declared" if isinstance(own, Mapping) else "assumed"
    shape = input_shape(published, candidate.arguments)
    preprocess = {key: published[key] for key in PREPROCESS_KEYS if published.get(key) is not None}
    if preprocess:
        preprocess |= {"status": status, "source": source}
    if "input_size" in preprocess:
        preprocess["input_size"] = list(shape[1:])
    task = image_task(model)
    if task == "image-classification" and candidate.arguments.get("num_classes") == 0:
        task = "feature-extraction"
    inputs = (
        ()
        if task == "optical-flow"
        else (
            IoField(
                "x",
                video(shape) if task == "video-classification" else shape,
                "float32",
                "assumed" if status == "assumed" else "declared",
                source,
            ),
        )
    )
    return IoHints(
        inputs, outputs_of(task, published, candidate, source), "image", task, labels_of(config), preprocess=preprocess
    )


def input_shape(published: Mapping[str, Any], arguments: Mapping[str, Any]) -> tuple[int | str, ...]:
    """Return [N, channels, height, width], arguments first, then the published size, then 224."""
    crop = published.get("crop_size")
    side = crop[0] if isinstance(crop, list) else crop
    size = list(published.get("input_size") or [3, side or 224, side or 224])
    size[0] = arguments.get("in_chans", size[0])
    wanted = arguments.get("img_size", arguments.get("image_size"))
    if wanted:
        size[1:] = list(wanted) if isinstance(wanted, list | tuple) else [wanted, wanted]
    return ("N", *size)


def video(shape: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return the shape of a clip of 16 frames."""
    return (*shape[:2], 16, *shape[2:])


def outputs_of(task: str, published: Mapping[str, Any], candidate: Candidate, source: str) -> tuple[IoField, ...]:
    """Return the logits of a classifier."""
    classes = candidate.arguments.get("num_classes", published.get("num_classes"))
    if task not in ("image-classification", "video-classification") or not isinstance(classes, int) or not classes:
        return ()
    return (IoField("logits", ("N", classes), "float32", "assumed", source),)


def image_task(model: Model) -> str:
    """Return the task of a timm or torchvision architecture by the module that defines it."""
    if not model.preprocess.get("num_classes") and model.library == "timm":
        return "feature-extraction"
    return next(
        (task for start, task in TORCHVISION_TASKS if model.class_path.startswith(start)), "image-classification"
    )


def labels_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return class names in order: timm's label_names, transformers' id2label."""
    names = config.get("label_names")
    if isinstance(names, list) and all(isinstance(n, str) for n in names):
        return tuple(names)
    numbered = config.get("id2label")
    if not isinstance(numbered, Mapping) or not all(str(k).isdigit() for k in numbered):
        return ()
    return tuple(str(numbered[k]) for k in sorted(numbered, key=lambda k: int(str(k))))


def transformers_model(candidate: Candidate, config: Mapping[str, Any]) -> IoHints:
    """transformers: task by the class's suffix, modality by the suffix or by the class's main input."""
    known = index.load()
    number = known.by_name.get(("transformers", candidate.architecture))
    main_input = known.model(number).main_input if number is not None else ""
    modality = MODALITY_OF_INPUT.get(main_input, "")
    task = ""
    if candidate.architecture.endswith("ForConditionalGeneration"):
        task = GENERATION.get(modality, "")
    else:
        match = next((row for row in TASKS if candidate.architecture.endswith(row[0])), None)
        if match:
            task, modality = match[1], match[2] or modality
    labels = labels_of(config) if "lassification" in task else ()
    return IoHints(transformers_inputs(main_input or "", modality, config), (), modality, task, labels)


def transformers_inputs(main_input: str, modality: str, config: Mapping[str, Any]) -> tuple[IoField, ...]:
    """Return the main input, as far as class and config tell."""
    name = main_input or {"text": "input_ids", "image": "pixel_values", "audio": "input_values"}.get(modality, "")
    source = "class and config.json" if config else "class"
    if name == "input_ids":
        return (IoField("input_ids", ("N", "sequence"), "int64", "assumed", source),
                IoField("attention_mask", ("N", "sequence"), "int64", "assumed", source))  # fmt: skip
    if name == "pixel_values":
        vision = config.get("vision_config")
        sizes = {**config, **(vision if isinstance(vision, Mapping) else {})}
        side, channels = sizes.get("image_size", "height"), sizes.get("num_channels", 3)
        pair = (
            tuple(side) if isinstance(side, list) and len(side) == 2 else (side, side if side != "height" else "width")
        )
        frames = clip_frames(sizes)
        if all(isinstance(v, int | str) for v in (channels, *pair)):
            return (IoField("pixel_values", ("N", *frames, channels, *pair), "float32", "assumed", source),)
    if name == "input_values":
        return (IoField("input_values", ("N", "samples"), "float32", "assumed", source),)
    if name == "input_features":
        bins = config.get("num_mel_bins", "bins")
        return (
            IoField(
                "input_features",
                ("N", bins if isinstance(bins, int) else "bins", "frames"),
                "float32",
                "assumed",
                source,
            ),
        )
    return ()


def silero(inspection: Inspection, candidate: Candidate) -> IoHints:
    """silero-vad: one window of 16 kHz mono in [-1, 1]; the graphs without code take the context in front of it."""
    constants = {
        key: candidate.arguments[key] for key in ("sample_rate", "window", "context") if key in candidate.arguments
    }
    in_code = inspection.format.startswith("torchscript")
    samples = int(constants.get("window", 512)) + (0 if in_code else int(constants.get("context", 64)))
    field = IoField("x" if in_code else "input", ("N", samples), "float32", "assumed", "constants of silero-vad")
    return IoHints((field,), (), "audio", SILERO_TASK, preprocess=constants)
