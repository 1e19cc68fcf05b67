"""Exact names of torch, written by tools/derive_torch_allowlist.py; do not edit.

WEIGHTS_ONLY is what torch.load(weights_only=True) accepts; CLASSES and FUNCTIONS may be named by a pickled
model and need nothing but torch.
"""

from __future__ import annotations

TORCH_VERSION = "2.13.0+cpu"

WEIGHTS_ONLY: frozenset[str] = frozenset(
    """
    _codecs.encode builtins.bytearray builtins.complex builtins.set collections.Counter collections.OrderedDict
    torch.BFloat16Storage torch.BFloat16Tensor torch.BoolStorage torch.BoolTensor torch.ByteStorage
    torch.ByteTensor torch.CharStorage torch.CharTensor torch.ComplexDoubleStorage torch.ComplexFloatStorage
    torch.DoubleStorage torch.DoubleTensor torch.FloatStorage torch.FloatTensor torch.HalfStorage
    torch.HalfTensor torch.IntStorage torch.IntTensor torch.LongStorage torch.LongTensor torch.QInt32Storage
    torch.QInt8Storage torch.QUInt2x4Storage torch.QUInt4x2Storage torch.QUInt8Storage torch.ShortStorage
    torch.ShortTensor torch.Size torch.Tensor torch._tensor._rebuild_from_type_v2
    torch._utils._rebuild_device_tensor_from_cpu_tensor torch._utils._rebuild_device_tensor_from_numpy
    torch._utils._rebuild_meta_tensor_no_storage torch._utils._rebuild_nested_tensor
    torch._utils._rebuild_parameter torch._utils._rebuild_parameter_with_state torch._utils._rebuild_qtensor
    torch._utils._rebuild_sparse_tensor torch._utils._rebuild_tensor torch._utils._rebuild_tensor_v2
    torch._utils._rebuild_tensor_v3 torch._utils._rebuild_wrapper_subclass torch.bfloat16 torch.bits16
    torch.bits1x8 torch.bits2x4 torch.bits4x2 torch.bits8 torch.bool torch.complex128 torch.complex32
    torch.complex64 torch.cuda.BFloat16Storage torch.cuda.BFloat16Tensor torch.cuda.BoolStorage
    torch.cuda.BoolTensor torch.cuda.ByteStorage torch.cuda.ByteTensor torch.cuda.CharStorage
    torch.cuda.CharTensor torch.cuda.ComplexDoubleStorage torch.cuda.ComplexFloatStorage
    torch.cuda.DoubleStorage torch.cuda.DoubleTensor torch.cuda.FloatStorage torch.cuda.FloatTensor
    torch.cuda.HalfStorage torch.cuda.HalfTensor torch.cuda.IntStorage torch.cuda.IntTensor
    torch.cuda.LongStorage torch.cuda.LongTensor torch.cuda.ShortStorage torch.cuda.ShortTensor
    torch.cuda.sparse.BFloat16Tensor torch.cuda.sparse.ByteTensor torch.cuda.sparse.CharTensor
    torch.cuda.sparse.DoubleTensor torch.cuda.sparse.FloatTensor torch.cuda.sparse.HalfTensor
    torch.cuda.sparse.IntTensor torch.cuda.sparse.LongTensor torch.cuda.sparse.ShortTensor torch.device
    torch.float16 torch.float32 torch.float4_e2m1fn_x2 torch.float64 torch.float8_e4m3fn torch.float8_e4m3fnuz
    torch.float8_e5m2 torch.float8_e5m2fnuz torch.float8_e8m0fnu torch.int1 torch.int16 torch.int2 torch.int3
    torch.int32 torch.int4 torch.int5 torch.int6 torch.int64 torch.int7 torch.int8 torch.nn.parameter.Parameter
    torch.per_channel_affine torch.per_channel_affine_float_qparams torch.per_channel_symmetric
    torch.per_tensor_affine torch.per_tensor_symmetric torch.qint32 torch.qint8 torch.quint2x4 torch.quint4x2
    torch.quint8 torch.serialization._get_layout torch.sparse.BFloat16Tensor torch.sparse.ByteTensor
    torch.sparse.CharTensor torch.sparse.DoubleTensor torch.sparse.FloatTensor torch.sparse.HalfTensor
    torch.sparse.IntTensor torch.sparse.LongTensor torch.sparse.ShortTensor torch.storage.TypedStorage
    torch.storage.UntypedStorage torch.uint1 torch.uint16 torch.uint2 torch.uint3 torch.uint32 torch.uint4
    torch.uint5 torch.uint6 torch.uint64 torch.uint7 torch.uint8
    """.split()  # noqa: SIM905
)

CLASSES: frozenset[str] = frozenset(
    """
    torch._opaque_base.OpaqueBase torch.ao.nn.intrinsic.modules.fused._FusedModule
    torch.ao.nn.quantized.dynamic.modules.conv.Conv1d torch.ao.nn.quantized.dynamic.modules.conv.Conv2d
    torch.ao.nn.quantized.dynamic.modules.conv.Conv3d torch.ao.nn.quantized.dynamic.modules.conv.ConvTranspose1d
    torch.ao.nn.quantized.dynamic.modules.conv.ConvTranspose2d
    torch.ao.nn.quantized.dynamic.modules.conv.ConvTranspose3d
    torch.ao.nn.quantized.dynamic.modules.linear.Linear torch.ao.nn.quantized.dynamic.modules.rnn.GRU
    torch.ao.nn.quantized.dynamic.modules.rnn.GRUCell torch.ao.nn.quantized.dynamic.modules.rnn.LSTM
    torch.ao.nn.quantized.dynamic.modules.rnn.LSTMCell torch.ao.nn.quantized.dynamic.modules.rnn.PackedParameter
    torch.ao.nn.quantized.dynamic.modules.rnn.RNNBase torch.ao.nn.quantized.dynamic.modules.rnn.RNNCell
    torch.ao.nn.quantized.dynamic.modules.rnn.RNNCellBase torch.ao.nn.quantized.modules.DeQuantize
    torch.ao.nn.quantized.modules.Quantize torch.ao.nn.quantized.modules.activation.ELU
    torch.ao.nn.quantized.modules.activation.Hardswish torch.ao.nn.quantized.modules.activation.LeakyReLU
    torch.ao.nn.quantized.modules.activation.MultiheadAttention torch.ao.nn.quantized.modules.activation.PReLU
    torch.ao.nn.quantized.modules.activation.ReLU6 torch.ao.nn.quantized.modules.activation.Sigmoid
    torch.ao.nn.quantized.modules.activation.Softmax torch.ao.nn.quantized.modules.batchnorm.BatchNorm2d
    torch.ao.nn.quantized.modules.batchnorm.BatchNorm3d torch.ao.nn.quantized.modules.batchnorm._BatchNorm
    torch.ao.nn.quantized.modules.conv.Conv1d torch.ao.nn.quantized.modules.conv.Conv2d
    torch.ao.nn.quantized.modules.conv.Conv3d torch.ao.nn.quantized.modules.conv.ConvTranspose1d
    torch.ao.nn.quantized.modules.conv.ConvTranspose2d torch.ao.nn.quantized.modules.conv.ConvTranspose3d
    torch.ao.nn.quantized.modules.conv._ConvNd torch.ao.nn.quantized.modules.conv._ConvTransposeNd
    torch.ao.nn.quantized.modules.dropout.Dropout torch.ao.nn.quantized.modules.embedding_ops.Embedding
    torch.ao.nn.quantized.modules.embedding_ops.EmbeddingBag
    torch.ao.nn.quantized.modules.embedding_ops.EmbeddingPackedParams
    torch.ao.nn.quantized.modules.functional_modules.FXFloatFunctional
    torch.ao.nn.quantized.modules.functional_modules.FloatFunctional
    torch.ao.nn.quantized.modules.functional_modules.QFunctional torch.ao.nn.quantized.modules.linear.Linear
    torch.ao.nn.quantized.modules.linear.LinearPackedParams
    torch.ao.nn.quantized.modules.normalization.GroupNorm
    torch.ao.nn.quantized.modules.normalization.InstanceNorm1d
    torch.ao.nn.quantized.modules.normalization.InstanceNorm2d
    torch.ao.nn.quantized.modules.normalization.InstanceNorm3d
    torch.ao.nn.quantized.modules.normalization.LayerNorm torch.ao.nn.quantized.modules.rnn.LSTM
    torch.ao.nn.quantized.modules.utils.WeightedQuantizedModule
    torch.ao.nn.quantized.reference.modules.conv.Conv1d torch.ao.nn.quantized.reference.modules.conv.Conv2d
    torch.ao.nn.quantized.reference.modules.conv.Conv3d
    torch.ao.nn.quantized.reference.modules.conv.ConvTranspose1d
    torch.ao.nn.quantized.reference.modules.conv.ConvTranspose2d
    torch.ao.nn.quantized.reference.modules.conv.ConvTranspose3d
    torch.ao.nn.quantized.reference.modules.conv._ConvNd
    torch.ao.nn.quantized.reference.modules.conv._ConvTransposeNd
    torch.ao.nn.quantized.reference.modules.linear.Linear torch.ao.nn.quantized.reference.modules.rnn.GRU
    torch.ao.nn.quantized.reference.modules.rnn.GRUCell torch.ao.nn.quantized.reference.modules.rnn.LSTM
    torch.ao.nn.quantized.reference.modules.rnn.LSTMCell torch.ao.nn.quantized.reference.modules.rnn.RNNBase
    torch.ao.nn.quantized.reference.modules.rnn.RNNCell torch.ao.nn.quantized.reference.modules.rnn.RNNCellBase
    torch.ao.nn.quantized.reference.modules.sparse.Embedding
    torch.ao.nn.quantized.reference.modules.sparse.EmbeddingBag
    torch.ao.nn.quantized.reference.modules.utils.ReferenceQuantizedModule
    torch.ao.quantization._DerivedObserverOrFakeQuantize torch.ao.quantization._correct_bias.MeanShadowLogger
    torch.ao.quantization._learnable_fake_quantize._LearnableFakeQuantize
    torch.ao.quantization.fake_quantize.FakeQuantize torch.ao.quantization.fake_quantize.FakeQuantizeBase
    torch.ao.quantization.fake_quantize.FixedQParamsFakeQuantize
    torch.ao.quantization.fake_quantize.FusedMovingAvgObsFakeQuantize
    torch.ao.quantization.fx._equalize._InputEqualizationObserver
    torch.ao.quantization.fx._equalize._WeightEqualizationObserver
    torch.ao.quantization.fx._model_report.model_report_observer.ModelReportObserver
    torch.ao.quantization.fx.graph_module.FusedGraphModule
    torch.ao.quantization.fx.graph_module.ObservedGraphModule
    torch.ao.quantization.fx.graph_module.ObservedStandaloneGraphModule
    torch.ao.quantization.fx.graph_module.QuantizedGraphModule
    torch.ao.quantization.observer.AffineQuantizedObserverBase
    torch.ao.quantization.observer.FixedQParamsObserver torch.ao.quantization.observer.HistogramObserver
    torch.ao.quantization.observer.MinMaxObserver torch.ao.quantization.observer.MovingAverageMinMaxObserver
    torch.ao.quantization.observer.MovingAveragePerChannelMinMaxObserver
    torch.ao.quantization.observer.NoopObserver torch.ao.quantization.observer.ObserverBase
    torch.ao.quantization.observer.PerChannelMinMaxObserver torch.ao.quantization.observer.PlaceholderObserver
    torch.ao.quantization.observer.RecordingObserver torch.ao.quantization.observer.ReuseInputObserver
    torch.ao.quantization.observer.UniformQuantizationObserverBase torch.ao.quantization.stubs.DeQuantStub
    torch.ao.quantization.stubs.QuantStub torch.ao.quantization.stubs.QuantWrapper
    torch.fx.graph_module.GraphModule torch.nn.modules.activation.CELU torch.nn.modules.activation.ELU
    torch.nn.modules.activation.GELU torch.nn.modules.activation.GLU torch.nn.modules.activation.Hardshrink
    torch.nn.modules.activation.Hardsigmoid torch.nn.modules.activation.Hardswish
    torch.nn.modules.activation.Hardtanh torch.nn.modules.activation.LeakyReLU
    torch.nn.modules.activation.LogSigmoid torch.nn.modules.activation.LogSoftmax
    torch.nn.modules.activation.Mish torch.nn.modules.activation.MultiheadAttention
    torch.nn.modules.activation.PReLU torch.nn.modules.activation.RReLU torch.nn.modules.activation.ReLU
    torch.nn.modules.activation.ReLU6 torch.nn.modules.activation.SELU torch.nn.modules.activation.SiLU
    torch.nn.modules.activation.Sigmoid torch.nn.modules.activation.Softmax
    torch.nn.modules.activation.Softmax2d torch.nn.modules.activation.Softmin
    torch.nn.modules.activation.Softplus torch.nn.modules.activation.Softshrink
    torch.nn.modules.activation.Softsign torch.nn.modules.activation.Tanh torch.nn.modules.activation.Tanhshrink
    torch.nn.modules.activation.Threshold torch.nn.modules.adaptive.AdaptiveLogSoftmaxWithLoss
    torch.nn.modules.batchnorm.BatchNorm1d torch.nn.modules.batchnorm.BatchNorm2d
    torch.nn.modules.batchnorm.BatchNorm3d torch.nn.modules.batchnorm.LazyBatchNorm1d
    torch.nn.modules.batchnorm.LazyBatchNorm2d torch.nn.modules.batchnorm.LazyBatchNorm3d
    torch.nn.modules.batchnorm.SyncBatchNorm torch.nn.modules.batchnorm._BatchNorm
    torch.nn.modules.batchnorm._LazyNormBase torch.nn.modules.batchnorm._NormBase
    torch.nn.modules.channelshuffle.ChannelShuffle torch.nn.modules.container.Container
    torch.nn.modules.container.ModuleDict torch.nn.modules.container.ModuleList
    torch.nn.modules.container.ParameterDict torch.nn.modules.container.ParameterList
    torch.nn.modules.container.Sequential torch.nn.modules.conv.Conv1d torch.nn.modules.conv.Conv2d
    torch.nn.modules.conv.Conv3d torch.nn.modules.conv.ConvTranspose1d torch.nn.modules.conv.ConvTranspose2d
    torch.nn.modules.conv.ConvTranspose3d torch.nn.modules.conv.LazyConv1d torch.nn.modules.conv.LazyConv2d
    torch.nn.modules.conv.LazyConv3d torch.nn.modules.conv.LazyConvTranspose1d
    torch.nn.modules.conv.LazyConvTranspose2d torch.nn.modules.conv.LazyConvTranspose3d
    torch.nn.modules.conv._ConvNd torch.nn.modules.conv._ConvTransposeMixin
    torch.nn.modules.conv._ConvTransposeNd torch.nn.modules.distance.CosineSimilarity
    torch.nn.modules.distance.PairwiseDistance torch.nn.modules.dropout.AlphaDropout
    torch.nn.modules.dropout.Dropout torch.nn.modules.dropout.Dropout1d torch.nn.modules.dropout.Dropout2d
    torch.nn.modules.dropout.Dropout3d torch.nn.modules.dropout.FeatureAlphaDropout
    torch.nn.modules.dropout._DropoutNd torch.nn.modules.flatten.Flatten torch.nn.modules.flatten.Unflatten
    torch.nn.modules.fold.Fold torch.nn.modules.fold.Unfold torch.nn.modules.instancenorm.InstanceNorm1d
    torch.nn.modules.instancenorm.InstanceNorm2d torch.nn.modules.instancenorm.InstanceNorm3d
    torch.nn.modules.instancenorm.LazyInstanceNorm1d torch.nn.modules.instancenorm.LazyInstanceNorm2d
    torch.nn.modules.instancenorm.LazyInstanceNorm3d torch.nn.modules.instancenorm._InstanceNorm
    torch.nn.modules.linear.Bilinear torch.nn.modules.linear.Identity torch.nn.modules.linear.LazyLinear
    torch.nn.modules.linear.Linear torch.nn.modules.linear.NonDynamicallyQuantizableLinear
    torch.nn.modules.loss.BCELoss torch.nn.modules.loss.BCEWithLogitsLoss torch.nn.modules.loss.CTCLoss
    torch.nn.modules.loss.CosineEmbeddingLoss torch.nn.modules.loss.CrossEntropyLoss
    torch.nn.modules.loss.GaussianNLLLoss torch.nn.modules.loss.HingeEmbeddingLoss
    torch.nn.modules.loss.HuberLoss torch.nn.modules.loss.KLDivLoss torch.nn.modules.loss.L1Loss
    torch.nn.modules.loss.LinearCrossEntropyLoss torch.nn.modules.loss.MSELoss
    torch.nn.modules.loss.MarginRankingLoss torch.nn.modules.loss.MultiLabelMarginLoss
    torch.nn.modules.loss.MultiLabelSoftMarginLoss torch.nn.modules.loss.MultiMarginLoss
    torch.nn.modules.loss.NLLLoss torch.nn.modules.loss.NLLLoss2d torch.nn.modules.loss.PoissonNLLLoss
    torch.nn.modules.loss.SmoothL1Loss torch.nn.modules.loss.SoftMarginLoss
    torch.nn.modules.loss.TripletMarginLoss torch.nn.modules.loss.TripletMarginWithDistanceLoss
    torch.nn.modules.loss._Loss torch.nn.modules.loss._WeightedLoss torch.nn.modules.module.Module
    torch.nn.modules.module._WrappedHook torch.nn.modules.normalization.CrossMapLRN2d
    torch.nn.modules.normalization.GroupNorm torch.nn.modules.normalization.LayerNorm
    torch.nn.modules.normalization.LocalResponseNorm torch.nn.modules.normalization.RMSNorm
    torch.nn.modules.padding.CircularPad1d torch.nn.modules.padding.CircularPad2d
    torch.nn.modules.padding.CircularPad3d torch.nn.modules.padding.ConstantPad1d
    torch.nn.modules.padding.ConstantPad2d torch.nn.modules.padding.ConstantPad3d
    torch.nn.modules.padding.ReflectionPad1d torch.nn.modules.padding.ReflectionPad2d
    torch.nn.modules.padding.ReflectionPad3d torch.nn.modules.padding.ReplicationPad1d
    torch.nn.modules.padding.ReplicationPad2d torch.nn.modules.padding.ReplicationPad3d
    torch.nn.modules.padding.ZeroPad1d torch.nn.modules.padding.ZeroPad2d torch.nn.modules.padding.ZeroPad3d
    torch.nn.modules.padding._CircularPadNd torch.nn.modules.padding._ConstantPadNd
    torch.nn.modules.padding._ReflectionPadNd torch.nn.modules.padding._ReplicationPadNd
    torch.nn.modules.pixelshuffle.PixelShuffle torch.nn.modules.pixelshuffle.PixelUnshuffle
    torch.nn.modules.pooling.AdaptiveAvgPool1d torch.nn.modules.pooling.AdaptiveAvgPool2d
    torch.nn.modules.pooling.AdaptiveAvgPool3d torch.nn.modules.pooling.AdaptiveMaxPool1d
    torch.nn.modules.pooling.AdaptiveMaxPool2d torch.nn.modules.pooling.AdaptiveMaxPool3d
    torch.nn.modules.pooling.AvgPool1d torch.nn.modules.pooling.AvgPool2d torch.nn.modules.pooling.AvgPool3d
    torch.nn.modules.pooling.FractionalMaxPool2d torch.nn.modules.pooling.FractionalMaxPool3d
    torch.nn.modules.pooling.LPPool1d torch.nn.modules.pooling.LPPool2d torch.nn.modules.pooling.LPPool3d
    torch.nn.modules.pooling.MaxPool1d torch.nn.modules.pooling.MaxPool2d torch.nn.modules.pooling.MaxPool3d
    torch.nn.modules.pooling.MaxUnpool1d torch.nn.modules.pooling.MaxUnpool2d
    torch.nn.modules.pooling.MaxUnpool3d torch.nn.modules.pooling._AdaptiveAvgPoolNd
    torch.nn.modules.pooling._AdaptiveMaxPoolNd torch.nn.modules.pooling._AvgPoolNd
    torch.nn.modules.pooling._LPPoolNd torch.nn.modules.pooling._MaxPoolNd torch.nn.modules.pooling._MaxUnpoolNd
    torch.nn.modules.rnn.GRU torch.nn.modules.rnn.GRUCell torch.nn.modules.rnn.LSTM
    torch.nn.modules.rnn.LSTMCell torch.nn.modules.rnn.RNN torch.nn.modules.rnn.RNNBase
    torch.nn.modules.rnn.RNNCell torch.nn.modules.rnn.RNNCellBase torch.nn.modules.sparse.Embedding
    torch.nn.modules.sparse.EmbeddingBag torch.nn.modules.transformer.Transformer
    torch.nn.modules.transformer.TransformerDecoder torch.nn.modules.transformer.TransformerDecoderLayer
    torch.nn.modules.transformer.TransformerEncoder torch.nn.modules.transformer.TransformerEncoderLayer
    torch.nn.modules.upsampling.Upsample torch.nn.modules.upsampling.UpsamplingBilinear2d
    torch.nn.modules.upsampling.UpsamplingNearest2d torch.nn.parallel.data_parallel.DataParallel
    torch.nn.parameter.Parameter torch.nn.parameter.UninitializedParameter
    torch.nn.utils._expanded_weights.conv_expanded_weights.ConvPerSampleGrad
    torch.nn.utils._expanded_weights.embedding_expanded_weights.EmbeddingPerSampleGrad
    torch.nn.utils._expanded_weights.expanded_weights_impl.ExpandedWeight
    torch.nn.utils._expanded_weights.group_norm_expanded_weights.GroupNormPerSampleGrad
    torch.nn.utils._expanded_weights.instance_norm_expanded_weights.InstanceNormPerSampleGrad
    torch.nn.utils._expanded_weights.layer_norm_expanded_weights.LayerNormPerSampleGrad
    torch.nn.utils._expanded_weights.linear_expanded_weights.LinearPerSampleGrad
    torch.nn.utils._named_member_accessor.NamedMemberAccessor torch.nn.utils.parametrizations._OrthMaps
    torch.nn.utils.parametrizations._Orthogonal torch.nn.utils.parametrizations._SpectralNorm
    torch.nn.utils.parametrizations._WeightNorm torch.nn.utils.parametrize.ParametrizationList
    torch.nn.utils.prune.BasePruningMethod torch.nn.utils.prune.CustomFromMask torch.nn.utils.prune.Identity
    torch.nn.utils.prune.L1Unstructured torch.nn.utils.prune.LnStructured torch.nn.utils.prune.PruningContainer
    torch.nn.utils.prune.RandomStructured torch.nn.utils.prune.RandomUnstructured
    torch.nn.utils.rnn.PackedSequence torch.nn.utils.rnn.PackedSequence_
    torch.nn.utils.spectral_norm.SpectralNorm torch.nn.utils.spectral_norm.SpectralNormLoadStateDictPreHook
    torch.nn.utils.spectral_norm.SpectralNormStateDictHook torch.nn.utils.weight_norm.WeightNorm
    torch.optim.Adafactor torch.optim.Muon torch.optim.adadelta.Adadelta torch.optim.adagrad.Adagrad
    torch.optim.adam.Adam torch.optim.adamax.Adamax torch.optim.adamw.AdamW torch.optim.asgd.ASGD
    torch.optim.lbfgs.LBFGS torch.optim.lr_scheduler.ChainedScheduler torch.optim.lr_scheduler.ConstantLR
    torch.optim.lr_scheduler.CosineAnnealingLR torch.optim.lr_scheduler.CosineAnnealingWarmRestarts
    torch.optim.lr_scheduler.CyclicLR torch.optim.lr_scheduler.ExponentialLR
    torch.optim.lr_scheduler.LRScheduler torch.optim.lr_scheduler.LambdaLR torch.optim.lr_scheduler.LinearLR
    torch.optim.lr_scheduler.MultiStepLR torch.optim.lr_scheduler.MultiplicativeLR
    torch.optim.lr_scheduler.OneCycleLR torch.optim.lr_scheduler.PolynomialLR
    torch.optim.lr_scheduler.ReduceLROnPlateau torch.optim.lr_scheduler.SequentialLR
    torch.optim.lr_scheduler.StepLR torch.optim.lr_scheduler._LRScheduler torch.optim.nadam.NAdam
    torch.optim.optimizer.Optimizer torch.optim.radam.RAdam torch.optim.rmsprop.RMSprop torch.optim.rprop.Rprop
    torch.optim.sgd.SGD torch.optim.sparse_adam.SparseAdam torch.optim.swa_utils.AveragedModel
    torch.optim.swa_utils.SWALR
    """.split()  # noqa: SIM905
)

FUNCTIONS: frozenset[str] = frozenset(
    """
    torch._C._nn.avg_pool2d torch._C._nn.avg_pool3d torch._C._nn.elu_ torch._C._nn.gelu torch._C._nn.hardtanh_
    torch._C._nn.leaky_relu_ torch._C._nn.linear torch._C._nn.log_sigmoid torch._C._nn.one_hot
    torch._C._nn.scaled_dot_product_attention torch._C._nn.softplus torch._C._nn.softshrink
    torch.nn.functional._threshold torch.nn.functional.adaptive_avg_pool2d
    torch.nn.functional.adaptive_avg_pool3d torch.nn.functional.adaptive_max_pool1d
    torch.nn.functional.adaptive_max_pool1d_with_indices torch.nn.functional.adaptive_max_pool2d
    torch.nn.functional.adaptive_max_pool2d_with_indices torch.nn.functional.adaptive_max_pool3d
    torch.nn.functional.adaptive_max_pool3d_with_indices torch.nn.functional.affine_grid
    torch.nn.functional.alpha_dropout torch.nn.functional.assert_int_or_pair torch.nn.functional.batch_norm
    torch.nn.functional.binary_cross_entropy torch.nn.functional.binary_cross_entropy_with_logits
    torch.nn.functional.celu torch.nn.functional.cosine_embedding_loss torch.nn.functional.cross_entropy
    torch.nn.functional.ctc_loss torch.nn.functional.dropout torch.nn.functional.dropout1d
    torch.nn.functional.dropout2d torch.nn.functional.dropout3d torch.nn.functional.elu
    torch.nn.functional.embedding torch.nn.functional.embedding_bag torch.nn.functional.feature_alpha_dropout
    torch.nn.functional.fold torch.nn.functional.fractional_max_pool2d
    torch.nn.functional.fractional_max_pool2d_with_indices torch.nn.functional.fractional_max_pool3d
    torch.nn.functional.fractional_max_pool3d_with_indices torch.nn.functional.gaussian_nll_loss
    torch.nn.functional.glu torch.nn.functional.grid_sample torch.nn.functional.group_norm
    torch.nn.functional.grouped_mm torch.nn.functional.gumbel_softmax torch.nn.functional.hardsigmoid
    torch.nn.functional.hardswish torch.nn.functional.hardtanh torch.nn.functional.hinge_embedding_loss
    torch.nn.functional.huber_loss torch.nn.functional.instance_norm torch.nn.functional.interpolate
    torch.nn.functional.kl_div torch.nn.functional.l1_loss torch.nn.functional.layer_norm
    torch.nn.functional.leaky_relu torch.nn.functional.linear_cross_entropy
    torch.nn.functional.local_response_norm torch.nn.functional.log_softmax torch.nn.functional.lp_pool1d
    torch.nn.functional.lp_pool2d torch.nn.functional.lp_pool3d torch.nn.functional.margin_ranking_loss
    torch.nn.functional.max_pool1d torch.nn.functional.max_pool1d_with_indices torch.nn.functional.max_pool2d
    torch.nn.functional.max_pool2d_with_indices torch.nn.functional.max_pool3d
    torch.nn.functional.max_pool3d_with_indices torch.nn.functional.max_unpool1d
    torch.nn.functional.max_unpool2d torch.nn.functional.max_unpool3d torch.nn.functional.mish
    torch.nn.functional.mse_loss torch.nn.functional.multi_head_attention_forward
    torch.nn.functional.multi_margin_loss torch.nn.functional.multilabel_margin_loss
    torch.nn.functional.multilabel_soft_margin_loss torch.nn.functional.nll_loss torch.nn.functional.normalize
    torch.nn.functional.pad torch.nn.functional.poisson_nll_loss torch.nn.functional.relu
    torch.nn.functional.relu6 torch.nn.functional.rms_norm torch.nn.functional.rrelu
    torch.nn.functional.scaled_grouped_mm torch.nn.functional.scaled_mm torch.nn.functional.selu
    torch.nn.functional.sigmoid torch.nn.functional.silu torch.nn.functional.smooth_l1_loss
    torch.nn.functional.soft_margin_loss torch.nn.functional.softmax torch.nn.functional.softmin
    torch.nn.functional.softsign torch.nn.functional.tanh torch.nn.functional.tanhshrink
    torch.nn.functional.triplet_margin_loss torch.nn.functional.triplet_margin_with_distance_loss
    torch.nn.functional.unfold torch.nn.functional.upsample torch.nn.functional.upsample_bilinear
    torch.nn.functional.upsample_nearest
    """.split()  # noqa: SIM905
)
