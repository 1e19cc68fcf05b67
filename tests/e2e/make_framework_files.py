"""Makes a checkpoint with the framework itself: make_framework_files.py NAME FOLDER prints the path that it wrote.

Runs in an environment of that framework. Where the model is a product, it is y = x · W with W below, so that a test
can say by arithmetic what comes out.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

W = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def keras(folder: Path) -> Path:
    return _keras(folder / "net.keras")


def keras_h5(folder: Path) -> Path:
    return _keras(folder / "net.h5")


def _keras(path: Path) -> Path:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import numpy as np

    x = keras.Input((3,), name="x")
    model = keras.Model(x, keras.layers.Dense(2, use_bias=False, name="y")(x))
    model.get_layer("y").set_weights([np.array(W)])
    model.save(path)
    return path


def tensorflow(folder: Path) -> Path:
    import tensorflow as tf

    class Product(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable(W)

        @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
        def run(self, x: Any) -> Any:
            return {"y": x @ self.w}

    product = Product()
    tf.saved_model.save(product, str(folder / "product"), signatures=product.run)
    return folder / "product"


def executorch(folder: Path) -> Path:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    model = torch.nn.Linear(3, 2, bias=False)
    model.weight.data = torch.tensor(W).T.contiguous()
    exported = torch.export.export(model, (torch.ones(2, 3),))
    lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
    (folder / "net.pte").write_bytes(lowered.to_executorch().buffer)
    return folder / "net.pte"


def ncnn(folder: Path) -> Path:
    text = "7767517\n2 2\nInput x 0 1 x 0=3\nInnerProduct fc 1 1 x y 0=2 1=0 2=6\n"
    (folder / "net.param").write_text(text)
    rows = [W[row][column] for column in range(2) for row in range(3)]
    (folder / "net.bin").write_bytes(struct.pack("<I6f", 0, *rows))
    import ncnn

    assert ncnn.Net().load_param(str(folder / "net.param")) == 0
    return folder / "net.param"


def mnn(folder: Path) -> Path:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", s]) for n, s in (("x", 3), ("y", 2)))
    weight = numpy_helper.from_array(np.array(W, "f4"), "W")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "W"], ["y"])], "g", [x], [y], [weight])
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), str(folder / "net.onnx"))
    convert = [str(Path(sys.executable).with_name("mnnconvert")), "-f", "ONNX", "--bizCode", "dnnbox"]
    files = ["--modelFile", str(folder / "net.onnx"), "--MNNModel", str(folder / "net.mnn")]
    subprocess.run([*convert, *files], check=True, stdout=subprocess.DEVNULL)
    return folder / "net.mnn"


def paddle(folder: Path) -> Path:
    import paddle

    class Product(paddle.nn.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            start = paddle.nn.initializer.Assign(paddle.to_tensor(W))
            self.w = self.create_parameter([3, 2], default_initializer=start)

        def forward(self, x: Any) -> Any:
            return paddle.matmul(x, self.w)

    spec = [paddle.static.InputSpec([None, 3], "float32", "x")]
    paddle.jit.save(Product(), str(folder / "product" / "inference"), input_spec=spec)
    return folder / "product"


def jax(folder: Path) -> Path:
    import jax
    import jax.numpy as jnp
    from jax import export

    (batch,) = export.symbolic_shape("batch")
    function = jax.jit(lambda x: {"y": x @ jnp.array(W)})
    exported = export.export(function)(jax.ShapeDtypeStruct((batch, 3), jnp.float32))
    (folder / "net.jaxexport").write_bytes(exported.serialize())
    return folder / "net.jaxexport"


def diffusers(folder: Path) -> Path:
    import torch
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    torch.manual_seed(0)
    down, up = ("DownBlock2D", "AttnDownBlock2D"), ("AttnUpBlock2D", "UpBlock2D")
    model = UNet2DModel(
        sample_size=16,
        block_out_channels=(16, 32),
        norm_num_groups=8,
        layers_per_block=1,
        down_block_types=down,
        up_block_types=up,
    )
    DDPMPipeline(model, DDPMScheduler(num_train_timesteps=10)).save_pretrained(folder / "pipeline")
    return folder / "pipeline"


def open_clip(folder: Path) -> Path:
    import torch

    # torchvision's wheel is for another build of torch than the CPU's: it imports once its operators are declared.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(0)
    vision = {"image_size": 32, "layers": 2, "width": 32, "patch_size": 16, "head_width": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    made, named = folder / "clip", folder / "configs"
    made.mkdir()
    named.mkdir()
    (named / "tiny.json").write_text(json.dumps(config))
    open_clip.add_model_config(named)
    model, _, _ = open_clip.create_model_and_transforms("tiny")
    preprocess = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
    whole = {"model_cfg": config, "preprocess_cfg": preprocess}
    (made / "open_clip_config.json").write_text(json.dumps(whole))
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, str(made / "open_clip_model.safetensors"))
    return made


def ultralytics(folder: Path) -> Path:
    os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false", YOLO_CONFIG_DIR=str(folder))
    import torch
    from ultralytics import YOLO

    torch.manual_seed(0)
    YOLO("yolo11n.yaml").save(folder / "net.pt")
    return folder / "net.pt"


LIGHTNING = """
import lightning
import torch


class Product(lightning.LightningModule):
    def __init__(self, features=1):
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Linear(features, 2, bias=False)

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, index):
        return self(batch).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.0)
"""


def lightning(folder: Path) -> Path:
    (folder / "source").mkdir()
    (folder / "source" / "product.py").write_text(LIGHTNING)
    sys.path.insert(0, str(folder / "source"))
    import torch
    from lightning import Trainer
    from product import Product

    model = Product(features=3)
    model.net.weight.data = torch.tensor(W).T.contiguous()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    trainer = Trainer(max_epochs=1, default_root_dir=folder, **quiet)
    trainer.fit(model, torch.utils.data.DataLoader(torch.ones(4, 3), batch_size=2))
    trainer.save_checkpoint(folder / "net.ckpt")
    return folder / "net.ckpt"


def llama_cpp(folder: Path) -> Path:
    import gguf
    import numpy as np

    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁the", "▁fox", "▁dog"]
    kinds = [2, 3, 3, *[6] * 256, 1, 1, 1]
    width, hidden, heads = 64, 128, 4
    writer = gguf.GGUFWriter(folder / "net.gguf", "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(width)
    writer.add_block_count(2)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(len(words))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(words)
    writer.add_token_scores([0.0] * len(words))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    numbers = np.random.default_rng(0)
    square, wide, tall = (width, width), (hidden, width), (width, hidden)
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (len(words), width), "output": (len(words), width)}
    for block in range(2):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes[f"blk.{block}.{name}"] = square
        shapes |= {f"blk.{block}.ffn_gate": wide, f"blk.{block}.ffn_up": wide, f"blk.{block}.ffn_down": tall}
        shapes |= {f"blk.{block}.attn_norm": (width,), f"blk.{block}.ffn_norm": (width,)}
    shapes["output_norm"] = (width,)
    for name, shape in shapes.items():
        values = np.ones(shape) if len(shape) == 1 else numbers.normal(0, 0.05, shape)
        writer.add_tensor(f"{name}.weight", values.astype("f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder / "net.gguf"


if __name__ == "__main__":
    print(globals()[sys.argv[1]](Path(sys.argv[2])))
