"""The reports' vocabulary: stages, metrics, tasks and how each kind of figure is written. No synonyms elsewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from dnnbox.records.measurements import Target
from dnnbox.reports import numbers
from dnnbox.reports.outputs import Outputs
from dnnbox.reports.prose import Prose, code, data, say

COLD_STAGES = {
    "spawn": "Start process",
    "interpreter": "Start Python",
    "import": "Import packages",
    "context": "Open device",
    "load": "Load weights",
    "to_device": "Copy to device",
    "first": "First inference",
}
COLD_FINDINGS = {
    "spawn": "Starting the process",
    "interpreter": "Starting Python",
    "import": "Importing packages",
    "context": "Opening the device",
    "load": "Loading the weights",
    "to_device": "Copying to the device",
    "first": "The first inference",
}
WARM_STAGES = {
    "preprocess": ("Preprocess", "f3"),
    "host_to_device": ("Host → device", "f2"),
    "model": ("Model", "f1"),
    "device_to_host": ("Device → host", "f2"),
    "postprocess": ("Postprocess", "f3"),
}
WARM_FINDINGS = {
    "preprocess": "Preprocessing",
    "host_to_device": "Copying to the device",
    "model": "The model",
    "device_to_host": "Copying from the device",
    "postprocess": "Postprocessing",
}
METRICS = {
    "cold_total_ms": "Cold start",
    "throughput_items_s": "Throughput",
    "throughput_best_items_s": "Best throughput",
    "host_peak_mib": "Peak RAM",
    "host_after_load_mib": "RAM after loading",
    "vram_peak_mib": "Peak VRAM",
    "decode_tokens_s": "Tokens after the first",
    "energy_j_per_item": "Energy of an item",
}
PLAIN_METRICS = {
    "latency_p50_ms": "Usual response time",
    "latency_mean_ms": "Average response time",
    "latency_p90_ms": "Response time of 9 in 10 requests",
    "latency_p95_ms": "Response time of 19 in 20 requests",
    "latency_p99_ms": "Response time of 99 in 100 requests",
    "latency_min_ms": "Fastest response",
    "cold_total_ms": "Time to start",
    "host_peak_mib": "Memory",
    "vram_peak_mib": "Graphics memory",
    "top1": "Right answers",
    "top5": "Right answer among the best five",
    "precision_macro": "Precision over all classes",
    "recall_macro": "Recall over all classes",
    "f1_macro": "F1 over all classes",
    "miou": "Overlap of the areas (mean IoU)",
    "pixel_accuracy": "Right pixels",
    "map": "Quality of the boxes (mAP)",
    "map50": "Quality of the boxes (mAP at half overlap)",
    "wer": "Word errors",
    "cer": "Character errors",
    "psnr_db": "Closeness of the pictures (PSNR)",
    "ssim": "Likeness of the pictures (SSIM)",
    "spearman": "Rank correlation",
    "pearson": "Correlation",
    "roc_auc": "Separation of the pairs (ROC AUC)",
    "cosine": "Mean similarity",
    "mae": "Mean error",
    "rmse": "Root mean squared error",
    "agreement_max_abs": "Largest difference to the reference",
    "agreement_max_rel": "Largest relative difference to the reference",
    "agreement_cosine": "Likeness to the reference",
}
"""For people who decide: no percentiles and no short forms that they would have to look up."""
_TIMES = {"latency": "Latency", "first_token": "First token", "inter_token": "Next token"}
TASKS = {
    "image-classification": "classifies an image",
    "object-detection": "finds objects",
    "semantic-segmentation": "segments an image",
    "image-segmentation": "segments an image",
    "image-to-image": "turns one image into another",
    "super-resolution": "enlarges an image",
    "text-to-image": "draws an image",
    "audio-classification": "classifies a sound",
    "token-classification": "marks words",
    "keypoint-detection": "finds key points",
    "depth-estimation": "estimates depth",
    "feature-extraction": "embeds its input",
    "sentence-similarity": "embeds a sentence",
    "text-generation": "generates text",
    "fill-mask": "fills in words",
    "text-classification": "classifies a text",
    "automatic-speech-recognition": "transcribes speech",
    "voice-activity-detection": "finds speech",
}
FORMATS = {
    "onnx": "ONNX model",
    "ort": "ONNX Runtime model",
    "torchscript": "TorchScript model",
    "torch-export": "exported PyTorch model",
    "torch-zip": "PyTorch checkpoint",
    "torch-legacy": "PyTorch checkpoint",
    "safetensors": "set of weights",
    "hf-directory": "Hugging Face model",
    "sentence-transformers": "sentence-transformers model",
    "openvino": "OpenVINO model",
    "tflite": "LiteRT model",
    "gguf": "GGUF model",
    "keras": "Keras model",
    "saved-model": "TensorFlow model",
}
JUDGED = {"met": "Met", "missed": "Missed", "unknown": "Unknown"}
MATCHES = {
    "config": "the file names it",
    "exact": "all names and shapes match",
    "body": "all but the head match",
    "similar": "most tensors match",
    "family": "the layout matches, not the sizes",
    "signal": "a hint only",
}
VERDICTS = {
    "data-only": "plain data, no code",
    "inert-known": "known classes without effects",
    "needs-code": "names classes of other packages",
    "dangerous": "holds calls that act",
    "no-code": "the format cannot hold code",
}
BOUNDS = {
    "compute": "Compute",
    "memory": "Memory bandwidth",
    "launch": "Starting operators",
    "transfer": "Copies to the device",
    "preprocess": "Preprocessing",
    "postprocess": "Decoding the output",
    "python": "Python",
}
CHECKS = {
    "foreign_share": "CPUs used by others",
    "run_delay_share": "Waited for others on a CPU",
    "psi_some_share": "CPU pressure",
    "steal_share": "CPU taken by the hypervisor",
    "throttled_share": "Stopped by a quota",
    "switches_per_s": "Interruptions a second",
    "disturbed_windows_share": "Disturbed windows",
    "slow_windows_share": "Windows on a slower machine",
    "process_spread_share": "Spread between processes",
    "gpu_throttled_power_share": "GPU held back by its power limit",
    "gpu_throttled_thermal_share": "GPU held back by heat",
    "gpu_foreign_processes": "Other processes on the GPU",
    "gpu_ecc_errors": "Memory errors of the GPU",
}
STAGES = {
    "inspect": "Inspect",
    "source": "Find source",
    "dependencies": "Find packages",
    "plan": "Plan",
    "resolve": "Resolve packages",
    "environment": "Make environment",
    "inputs": "Choose inputs",
    "infer": "First inference",
    "cold": "Cold starts",
    "measure": "Measure",
    "generate": "Token by token",
    "memory": "Memory",
    "profile": "Profile",
    "report": "Report",
}
BOX_STEPS = {
    "import": "Import packages",
    "context": "Open device",
    "load": "Load weights",
    "to_device": "Copy to device",
    "input": "Prepare input",
    "first": "First inference",
    "check": "Check output",
    "postprocess": "Read output",
    "warmup": "Warm up",
    "measure": "Measure",
    "generate": "Token by token",
    "memory": "Memory",
    "energy": "Read the power",
    "evaluate": "Evaluate",
    "train": "Train",
    "export": "Export",
}
"""Steps of a job inside the box, as its events name them."""
DOING = {
    "import": "importing the packages",
    "context": "opening the device",
    "load": "loading the weights",
    "to_device": "copying the weights to the device",
    "input": "preparing the input",
    "first": "the first inference",
    "check": "checking the output",
    "postprocess": "reading the output",
    "warmup": "warming up",
    "measure": "measuring",
    "generate": "continuing the text",
    "energy": "reading the power counters",
    "memory": "measuring the memory",
    "evaluate": "evaluating the labelled data",
    "train": "checking the training",
    "export": "exporting the model",
}
_RELATIONS = {"<=": "≤", ">=": "≥", "<": "<", ">": ">"}


def model_name(outputs: Outputs) -> str:
    """Return what the model is called: as it was identified, else its own class; "" where nobody knows."""
    best = outputs.identity.best
    if best:
        return best.architecture
    inspection = outputs.inspection
    if inspection is None or inspection.format != "torchscript":
        return ""
    return str(inspection.metadata.get("top_class") or "").rpartition(".")[2]


def subject(outputs: Outputs) -> Prose:
    """Return the model as the subject of a title: its name, or what kind of file it is."""
    name = model_name(outputs)
    return data(name) if name else say("This {kind}", kind=kind_of_file(outputs))


def named_model(outputs: Outputs) -> Prose:
    """Return the model as people call it: its name, else its file with the kind that it is of."""
    name = model_name(outputs)
    if name or not outputs.index.checkpoint:
        return data(name or "this model")
    return say("the {kind} {file}", kind=kind_of_file(outputs), file=outputs.index.checkpoint)


def kind_of_file(outputs: Outputs) -> str:
    """Return what the checkpoint is in words: ONNX model, bare weights (PyTorch)."""
    known = outputs.inspection.format if outputs.inspection else ""
    return FORMATS.get(known) or (f"{known} model" if known else "model")


def task(outputs: Outputs) -> str:
    """Return what the model is for: as the user said it, else as the checkpoint does; "" where nobody knows."""
    options = outputs.params.get("options")
    asked = str(options.get("task") or "") if isinstance(options, Mapping) else ""
    return asked or (outputs.inspection.io_hints.task if outputs.inspection else "")


def action(outputs: Outputs) -> str:
    """Return what the model does in one timed request, as a verb phrase."""
    generation = outputs.stats.generation
    if generation is not None and generation.first_token_ms.p50 is not None:
        return "reads a prompt"
    return TASKS.get(task(outputs), "answers")


def device(outputs: Outputs) -> Prose:
    """Return where it ran: the GPU's name, or the cores that it could use."""
    machine: Mapping[str, object] = outputs.environment.machine if outputs.environment else {}
    gpus = machine.get("gpu")
    on_gpu = outputs.index.device not in ("", "cpu")
    if on_gpu and isinstance(gpus, list) and gpus and isinstance(gpus[0], Mapping) and gpus[0].get("name"):
        return say("on {name}", name=gpus[0]["name"])
    cores = machine.get("cores_available") or machine.get("cores")
    if not on_gpu and isinstance(cores, int):
        return say("on {n}", n=numbers.counted(cores, "CPU core"))
    return say("on {device}", device=outputs.index.device or "this machine")


def weaker_limits(outputs: Outputs) -> str:
    """Return which limits were not or only partly enforced; "" where all were."""
    told = outputs.environment.settings.get("weaker") if outputs.environment is not None else None
    return ", ".join(map(str, told)) if isinstance(told, (list, tuple)) else ""


def metric_name(metric: str) -> str:
    """Return a metric's name for people: ``latency_p95_ms`` is Latency p95."""
    match = re.fullmatch(r"(latency|first_token|inter_token)_(\w+)_ms", metric)
    return f"{_TIMES[match[1]]} {match[2]}" if match else METRICS.get(metric, metric)


def plain_metric(metric: str) -> str:
    """Return a metric's name for people who decide."""
    return PLAIN_METRICS.get(metric) or metric_name(metric)


def metric_value(metric: str, value: float | None, interval: tuple[float, float] | None = None) -> str:
    """Return a metric's figure with its unit."""
    if value is None:
        return numbers.MISSING
    if metric.endswith("_ms"):
        return numbers.duration(value, interval)
    if metric.endswith("_mib"):
        return numbers.memory(value)
    if metric.endswith(("items_s", "tokens_s")):
        return f"{numbers.rate(value)}{numbers.NBSP}{_unit(metric)}"
    return numbers.energy(value) if metric == "energy_j_per_item" else numbers.plain(value)


def _unit(metric: str) -> str:
    return "tokens/s" if metric.endswith("tokens_s") else "items/s"


def limit_value(metric: str, value: float) -> str:
    """Return a limit as it was asked: no digits that nobody wrote."""
    if metric.endswith("_ms"):
        scale, unit = (1e-3, "s") if value >= 1000 else (1.0, "ms")
        return f"{numbers.plain(value * scale)}{numbers.NBSP}{unit}"
    if metric.endswith("_mib"):
        whole_gib = value >= 1024 and value % 1024 == 0
        return (
            f"{numbers.plain(value / 1024)}{numbers.NBSP}GiB"
            if whole_gib
            else f"{numbers.plain(value)}{numbers.NBSP}MiB"
        )
    if metric.endswith(("items_s", "tokens_s")):
        return f"{numbers.plain(value)}{numbers.NBSP}{_unit(metric)}"
    return numbers.plain(value)


def relation(target: Target) -> str:
    """Return the relation that the expression holds."""
    match = re.search(r"<=|>=|<|>|≥", target.expression)
    return match[0].replace("≥", ">=") if match else "<="


def requirement(target: Target) -> str:
    """Return a target as a phrase: Latency p95 ≤ 20 ms."""
    sign = _RELATIONS[relation(target)]
    return f"{metric_name(target.metric)} {sign} {limit_value(target.metric, target.target)}"


def plain_requirement(target: Target) -> str:
    """Return a target for people who decide: Usual response time ≤ 20 ms."""
    return requirement(target).replace(metric_name(target.metric), plain_metric(target.metric), 1)


def inside_a_sentence(phrase: str) -> str:
    """Return a phrase as it stands within a sentence: usual response time ≤ 20 ms, but F1 over all classes."""
    return f"{phrase[:1].lower()}{phrase[1:]}" if phrase[1:2].islower() else phrase


def margin(target: Target) -> str:
    """Return how far the figure is on the good side; negative beyond the limit."""
    if target.delta is None:
        return numbers.MISSING
    spare = -target.delta if relation(target).startswith("<") else target.delta
    if target.metric.endswith("_ms") and target.measured is not None:
        return numbers.duration_like(spare, target.measured, target.interval)
    if target.metric.endswith("items_s") and target.measured is not None:
        return f"{numbers.fixed(spare, numbers.decimals_for(target.measured))}{numbers.NBSP}items/s"
    return metric_value(target.metric, spare)


def command(outputs: Outputs) -> str:
    """Return the command that made the experiment, as somebody would type it again."""
    given = outputs.index.command
    if not given:
        return f"dnnbox run {outputs.index.checkpoint}"
    return shlex.join(given if given[0] == "dnnbox" else ("dnnbox", *given))


def short_hash(value: str | None) -> Prose:
    """Return the ends of a hash, enough to compare by eye."""
    digest = (value or "").removeprefix("sha256:")
    return code(f"{digest[:6]}…{digest[-4:]}") if len(digest) > 12 else code(digest)


def day_and_time(utc: str) -> str:
    """Return ``2026-03-12T14:08:09Z`` as 12 Mar 2026, 14:08 UTC."""
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d)(?::\d\d)?Z", utc)
    if not match:
        return utc
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    year, month, day, clock = match.groups()
    return f"{int(day)} {months[(int(month) - 1) % 12]} {year}, {clock} UTC"


def shape(sizes: tuple[int | str, ...]) -> str:
    """Return a shape: [N, 3, 224, 224]."""
    return f"[{', '.join(map(str, sizes))}]" if sizes else ""
