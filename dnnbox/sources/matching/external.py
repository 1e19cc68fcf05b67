"""Classes of libraries that models are derived from: the names of what such a class holds, as its keys begin.

Only what a checkpoint's keys show is listed. Sources: the classes' constructors in torchvision 0.28, timm 1.0,
transformers 5 and fairseq 0.12.
"""

from __future__ import annotations

CONTAINERS = frozenset(("Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"))

MODULES = CONTAINERS | frozenset(
    (
        "Module",
        "LightningModule",
        "BaseModule",
        "ScriptModule",
        "PreTrainedModel",
        "ModelMixin",
        "BaseFairseqModel",
        "FairseqEncoder",
        "FairseqDecoder",
        "FairseqEncoderDecoderModel",
        "FairseqIncrementalDecoder",
    )
)
"""Bases that make a class a module without adding keys of their own."""

_BERT = ("embeddings", "encoder", "pooler")
_VIT = (
    "cls_token",
    "dist_token",
    "pos_embed",
    "reg_token",
    "patch_embed",
    "norm_pre",
    "blocks",
    "norm",
    "fc_norm",
    "head",
    "head_dist",
    "attn_pool",
)
_RESNET = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc")
_BLOCK = ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "downsample")

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "ResNet": _RESNET,
    "Bottleneck": _BLOCK,
    "BasicBlock": _BLOCK,
    "VGG": ("features", "classifier"),
    "AlexNet": ("features", "classifier"),
    "DenseNet": ("features", "classifier"),
    "MobileNetV2": ("features", "classifier"),
    "MobileNetV3": ("features", "classifier"),
    "SwinTransformer": ("patch_embed", "absolute_pos_embed", "layers", "norm", "head"),
    "VisionTransformer": _VIT,
    "ConvNeXt": ("stem", "stages", "norm_pre", "head"),
    "EfficientNet": ("conv_stem", "bn1", "blocks", "conv_head", "bn2", "classifier"),
    "PatchEmbed": ("proj", "norm"),
    "BertModel": _BERT,
    "BertPreTrainedModel": (),
    "RobertaModel": _BERT,
    "XLMRobertaModel": _BERT,
    "ViTModel": ("embeddings", "encoder", "layernorm", "pooler"),
    "CLIPModel": ("text_model", "vision_model", "visual_projection", "text_projection", "logit_scale"),
    "GPT2Model": ("wte", "wpe", "h", "ln_f"),
    "T5EncoderModel": ("shared", "encoder"),
    "Wav2Vec2Model": ("masked_spec_embed", "feature_extractor", "feature_projection", "encoder", "adapter"),
    "TransformerEncoder": ("layers", "embed_tokens", "embed_positions", "layernorm_embedding", "layer_norm"),
    "TransformerDecoder": ("layers", "embed_tokens", "embed_positions", "output_projection", "layer_norm"),
    "TransformerModel": ("encoder", "decoder"),
    "TransformerEncoderLayer": ("self_attn", "linear1", "linear2", "norm1", "norm2"),
    "TransformerDecoderLayer": ("self_attn", "multihead_attn", "linear1", "linear2", "norm1", "norm2", "norm3"),
    "MultiheadAttention": ("in_proj_weight", "in_proj_bias", "out_proj", "q_proj_weight", "k_proj_weight"),
    "Linear": ("weight", "bias"),
    "Conv1d": ("weight", "bias"),
    "Conv2d": ("weight", "bias"),
    "ConvTranspose2d": ("weight", "bias"),
    "Embedding": ("weight",),
    "LayerNorm": ("weight", "bias"),
    "BatchNorm2d": ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
    "GroupNorm": ("weight", "bias"),
}
"""What else may be derived from, and the first parts of its keys."""

WITHOUT_KEYS = frozenset(
    (
        "ReLU",
        "ReLU6",
        "LeakyReLU",
        "ELU",
        "GELU",
        "SiLU",
        "SELU",
        "Mish",
        "Hardswish",
        "Hardsigmoid",
        "Hardtanh",
        "Sigmoid",
        "Tanh",
        "Softmax",
        "LogSoftmax",
        "Softplus",
        "Dropout",
        "Dropout1d",
        "Dropout2d",
        "Dropout3d",
        "DropPath",
        "Identity",
        "MaxPool1d",
        "MaxPool2d",
        "MaxPool3d",
        "AvgPool1d",
        "AvgPool2d",
        "AvgPool3d",
        "AdaptiveAvgPool1d",
        "AdaptiveAvgPool2d",
        "AdaptiveAvgPool3d",
        "AdaptiveMaxPool2d",
        "Upsample",
        "UpsamplingBilinear2d",
        "UpsamplingNearest2d",
        "PixelShuffle",
        "PixelUnshuffle",
        "Flatten",
        "Unflatten",
        "Fold",
        "Unfold",
        "ZeroPad2d",
        "ReflectionPad1d",
        "ReflectionPad2d",
        "ReplicationPad2d",
        "ConstantPad1d",
        "ConstantPad2d",
        "ChannelShuffle",
        "Rearrange",
        "CrossEntropyLoss",
        "BCELoss",
        "BCEWithLogitsLoss",
        "MSELoss",
        "L1Loss",
        "SmoothL1Loss",
        "NLLLoss",
        "KLDivLoss",
    )
)
"""Layers that leave nothing in a state dict."""

LEAVES = frozenset(
    (
        "Linear",
        "Bilinear",
        "LazyLinear",
        "Conv1d",
        "Conv2d",
        "Conv3d",
        "ConvTranspose1d",
        "ConvTranspose2d",
        "ConvTranspose3d",
        "Embedding",
        "EmbeddingBag",
        "LayerNorm",
        "RMSNorm",
        "GroupNorm",
        "BatchNorm1d",
        "BatchNorm2d",
        "BatchNorm3d",
        "SyncBatchNorm",
        "InstanceNorm1d",
        "InstanceNorm2d",
        "InstanceNorm3d",
        "PReLU",
        "LSTM",
        "GRU",
        "RNN",
        "LSTMCell",
        "GRUCell",
        "RNNCell",
        "MultiheadAttention",
    )
)
"""Layers of torch.nn whose keys are parameters."""

LEAF_KEYS = frozenset(
    (
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
        "in_proj_weight",
        "in_proj_bias",
        "out_proj",
        "weight_g",
        "weight_v",
        "weight_orig",
        "weight_u",
        "weight_ih_l0",
        "weight_hh_l0",
        "bias_ih_l0",
        "bias_hh_l0",
        "weight_ih",
        "weight_hh",
        "parametrizations",
    )
)
"""How a leaf's own keys begin."""
