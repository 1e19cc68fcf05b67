"""The table of key patterns, one row per family or component; read by dnnbox.identify.families.

A row holds a few regular expressions, each of which must match some tensor name, and which together belong to nobody
else. The first row that matches wins, so the narrower stands before the wider.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Family(NamedTuple):
    """``patterns`` are searched in the newline-joined names (multi-line: ^ and $ are a name's ends)."""

    library: str
    architecture: str
    patterns: tuple[str, ...]
    modality: str = ""
    task: str = ""
    arguments: Mapping[str, Any] = MappingProxyType({})


SILERO_TASK = "voice-activity-detection"
SILERO_ARGUMENTS: Mapping[str, Any] = {"sample_rate": 16000, "window": 512, "context": 64}
"""Silero VAD 5 and 6: windows of 512 samples at 16 kHz, each with the last 64 samples of the window before it."""

FAMILIES: tuple[Family, ...] = (
    Family(
        "silero-vad",
        "silero_vad",
        (r"^_model\.stft\.forward_basis_buffer$", r"^_model\.decoder\.rnn\."),
        "audio",
        SILERO_TASK,
        SILERO_ARGUMENTS,
    ),
    Family(
        "silero-vad",
        "silero_vad",
        (r"^stft_conv\.weight$", r"^lstm_cell\.weight_ih$", r"^final_conv\.weight$"),
        "audio",
        SILERO_TASK,
        {**SILERO_ARGUMENTS, "form": "weights"},
    ),
    Family(
        "openai-whisper",
        "Whisper",
        (r"^encoder\.blocks\.0\.attn\.query\.weight$", r"^decoder\.token_embedding\.weight$"),
        "audio",
        "automatic-speech-recognition",
    ),
    Family(
        "clip",
        "CLIP",
        (r"^visual\.(conv1|trunk\.)", r"^(text\.)?transformer\.resblocks\.0\.", r"^logit_scale$"),
        "image",
        "zero-shot-image-classification",
    ),
    Family(
        "segment-anything-2",
        "SAM2",
        (r"^image_encoder\.trunk\.", r"^(memory_attention|sam_mask_decoder)\."),
        "image",
        "mask-generation",
    ),
    Family(
        "segment-anything",
        "Sam",
        (r"^image_encoder\.blocks\.0\.attn\.qkv\.weight$", r"^prompt_encoder\.", r"^mask_decoder\."),
        "image",
        "mask-generation",
    ),
    Family(
        "ultralytics",
        "YOLO",
        (r"model\.0\.conv\.weight$", r"model\.\d+\.(one2one_)?cv[23]\.0\.0\.(0\.)?conv\.weight$"),
        "image",
        "object-detection",
    ),
    Family(
        "yolov5",
        "YOLOv5",
        (r"model\.0\.conv\.weight$", r"model\.\d+\.m\.0\.weight$", r"model\.\d+\.anchors$"),
        "image",
        "object-detection",
    ),
    Family(
        "yolov7", "YOLOv7", (r"model\.0\.conv\.weight$", r"model\.\d+\.ia\.0\.implicit$"), "image", "object-detection"
    ),
    Family(
        "yolox",
        "YOLOX",
        (r"^backbone\.backbone\.stem\.conv\.conv\.weight$", r"^head\.cls_convs\.0\."),
        "image",
        "object-detection",
    ),
    Family(
        "nanogpt",
        "GPT",
        (r"^transformer\.wte\.weight$", r"^transformer\.h\.0\.attn\.c_attn\.weight$"),
        "text",
        "text-generation",
    ),
    Family(
        "llama",
        "Llama (original layout)",
        (r"^tok_embeddings\.weight$", r"^layers\.0\.attention\.wq\.weight$"),
        "text",
        "text-generation",
    ),
    Family(
        "rwkv",
        "RWKV",
        (r"^blocks\.0\.att\.time_(decay|maa)", r"^blocks\.0\.ffn\.key\.weight$"),
        "text",
        "text-generation",
    ),
    Family(
        "mamba",
        "Mamba",
        (r"^backbone\.layers\.0\.mixer\.A_log$", r"^backbone\.layers\.0\.mixer\.conv1d\.weight$"),
        "text",
        "text-generation",
    ),
    Family(
        "diffusers",
        "Stable Diffusion XL (single file)",
        (r"^model\.diffusion_model\.", r"^first_stage_model\.", r"^conditioner\.embedders\."),
        "text",
        "text-to-image",
    ),
    Family(
        "diffusers",
        "Stable Diffusion (single file)",
        (r"^model\.diffusion_model\.", r"^first_stage_model\.", r"^cond_stage_model\."),
        "text",
        "text-to-image",
    ),
    Family(
        "diffusers",
        "diffusion U-Net (original layout)",
        (r"^(model\.diffusion_model\.)?input_blocks\.0\.0\.weight$", r"output_blocks\.0\.0\."),
    ),
    Family("diffusers", "Flux transformer", (r"double_blocks\.0\.img_attn\.qkv\.weight$", r"single_blocks\.0\.")),
    Family("diffusers", "Stable Diffusion 3 transformer", (r"joint_blocks\.0\.x_block\.",)),
    Family(
        "diffusers",
        "UNet2DConditionModel",
        (r"^down_blocks\.0\.resnets\.0\.conv1\.weight$", r"^time_embedding\.linear_1\.weight$"),
    ),
    Family(
        "diffusers",
        "ControlNet",
        (r"^(control_model\.input_blocks|controlnet_cond_embedding|control_model\.zero_convs)\.",),
    ),
    Family(
        "diffusers",
        "AutoencoderKL",
        (r"^encoder\.down_blocks\.0\.resnets\.0\.", r"^decoder\.up_blocks\.0\.resnets\.0\."),
    ),
    Family(
        "diffusers",
        "autoencoder (original layout)",
        (r"^(first_stage_model\.)?encoder\.down\.0\.block\.0\.norm1", r"decoder\.up\.0\.block\.0\."),
    ),
    Family("peft", "LoRA of a diffusion model", (r"^lora_(unet|te\d?|transformer)_.*\.lora_(down|up)\.weight$",)),
    Family("peft", "LoRA", (r"\.lora_(A|down)\.", r"\.lora_(B|up)\.")),
    Family(
        "segmentation-models-pytorch",
        "encoder-decoder",
        (r"^encoder\.", r"^decoder\.", r"^segmentation_head\.0\.weight$"),
        "image",
        "image-segmentation",
    ),
    Family(
        "detectron2",
        "GeneralizedRCNN",
        (r"^backbone\.bottom_up\.", r"^proposal_generator\.rpn_head\."),
        "image",
        "object-detection",
    ),
    Family(
        "mmdetection",
        "detector",
        (r"^backbone\.", r"^neck\.", r"^(bbox_head|rpn_head|roi_head)\."),
        "image",
        "object-detection",
    ),
    Family("mmsegmentation", "EncoderDecoder", (r"^backbone\.", r"^decode_head\."), "image", "image-segmentation"),
    Family(
        "mae",
        "masked autoencoder",
        (r"^mask_token$", r"^decoder_blocks\.0\.attn\.qkv\.weight$", r"^patch_embed\.proj\.weight$"),
    ),
    Family(
        "realesrgan",
        "RRDBNet",
        (r"^(conv_first|body\.0\.rdb1\.conv1)\.weight$", r"^body\.\d+\.rdb3\.conv5\.weight$"),
        "image",
        "image-to-image",
    ),
    Family(
        "hifi-gan",
        "generator",
        (r"^(generator\.)?ups\.0\.(weight_g|parametrizations)", r"^(generator\.)?resblocks\.0\.convs1\.0\."),
        "audio",
        "text-to-audio",
    ),
    Family(
        "pytorch-unet",
        "UNet",
        (r"^inc\.double_conv\.0\.weight$", r"^outc\.conv\.weight$"),
        "image",
        "image-segmentation",
    ),
)
