"""Makes the small files in ``samples/`` with the libraries that write them; run by hand, the files are committed.

Needs torch, onnx and onnxruntime (as in .venv-zoo), and h5py 3.16, keras 3.15, ai-edge-litert 2.3, flatbuffers 25,
litert-lm-builder 0.18, paddlepaddle 3.3, orbax-checkpoint 0.12 with jax, xgboost 3.2, lightgbm 4.6:
``PYTHONPATH=WRITERS .venv-zoo/bin/python tests/unit/checkpoints/make_samples.py [NAME …]``.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"
HERE = Path(__file__).with_name("samples")


def hdf5() -> None:
    """Files of both generations: groups, types, links, attributes."""
    import h5py
    import numpy as np

    for generation in ("earliest", "latest"):
        with h5py.File(HERE / f"{generation}.h5", "w", libver=generation) as file:
            file.attrs["note"] = "héllo"
            file.attrs["list"] = ["a", "bc"]
            file.attrs.create("fixed", np.bytes_("abc"))
            group = file.create_group("a/b")
            group["half"] = np.zeros((2, 3), "f2")
            group["flag"] = np.zeros(4, bool)
            group["big"] = np.zeros((5,), ">i4")
            file["scalar"] = np.float64(1.0)
            file["chunks"] = file.create_dataset("c", (100, 10), "f4", chunks=(10, 10), compression="gzip")
            for number in range(12):
                file.create_dataset(f"many/x{number}", data=np.zeros((number + 1,), "u1"))
            file["soft"] = h5py.SoftLink("/scalar")
            file["outside"] = h5py.ExternalLink("other.h5", "/x")


def dense() -> None:
    """A group of many links and an object of many and large attributes: fractal heaps, and a tree of two levels."""
    import h5py

    with h5py.File(HERE / "heaps.h5", "w", libver="latest") as file:
        group = file.create_group("many")
        for number in range(100):
            group.create_dataset(f"layer_{number:03d}", (number + 1,), "f4")
        file.create_dataset("named/" + "n" * 900, (2,), "f2")
        for number in range(12):
            file.attrs[f"attribute {number}"] = "v" * number
        file.attrs["model_config"] = '{"class_name": "Sequential", "config": {"name": "' + "x" * 70_000 + '"}}'


def paddle() -> None:
    """Two layers and a batch normalisation, as `paddle.jit.save` and `paddle.save` write them."""
    import paddle as library

    parts = library.nn.Linear(3, 4), library.nn.BatchNorm1D(4), library.nn.Linear(4, 2)
    net = library.nn.Sequential(*parts)
    net.eval()
    spec = [library.static.InputSpec([None, 3], "float32", "x")]
    library.jit.save(net, str(HERE / "paddle" / "inference"), input_spec=spec)
    library.save(net.state_dict(), str(HERE / "net.pdparams"))


def orbax() -> None:
    """One tree in both layouts: OCDBT's database, and a zarr folder for each array."""
    import jax.numpy as jnp
    import orbax.checkpoint as ocp

    layer = {"kernel": jnp.ones((3, 4)), "bias": jnp.zeros((4,), jnp.bfloat16)}
    tree = {"params": {"dense": layer}, "step": 7}
    for name, is_database in (("orbax-ocdbt", True), ("orbax-zarr", False)):
        shutil.rmtree(HERE / name, ignore_errors=True)
        with ocp.PyTreeCheckpointer(use_ocdbt=is_database) as writer:
            writer.save(HERE / name, tree)
        for database in ("d", "ocdbt.process_0"):  # the numbers are compressed, and are not read
            shutil.rmtree(HERE / name / database, ignore_errors=True)


def boosted() -> None:
    """One round of boosting for three classes, by both libraries."""
    import lightgbm
    import numpy as np
    import xgboost

    rows, classes = np.arange(300.0).reshape(60, 5) % 7, np.arange(60) % 3
    data = xgboost.DMatrix(rows, classes, feature_names=list("abcde"))
    settings = {"objective": "multi:softprob", "num_class": 3, "max_depth": 1}
    for suffix in ("json", "ubj"):
        xgboost.train(settings, data, 1).save_model(HERE / f"boosted.{suffix}")
    about = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_leaves": 2}
    lightgbm.train(about, lightgbm.Dataset(rows, classes), 1).save_model(HERE / "boosted.txt")


def keras() -> None:
    """One functional model in three layouts, and one with a Lambda layer."""
    import keras as library

    image = library.Input((8,), name="image")
    hidden = library.layers.Dense(4, name="hidden")(image)
    model = library.Model(image, library.layers.Dense(2, name="answer")(hidden), name="small")
    model.save(HERE / "functional.keras")
    model.save(HERE / "functional.h5")
    model.save_weights(HERE / "functional.weights.h5")
    names: dict[str, Any] = {}
    exec(compile("twice = lambda value: value * 2", "sample", "exec"), names)
    layers = [library.Input((3,)), library.layers.Lambda(names["twice"], name="twice"), library.layers.Dense(1)]
    library.Sequential(layers).save(HERE / "lambda.keras")


def tflite() -> None:
    """A model of one dense layer by the object interface of the schema."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: bytes, shape: list[int], buffer: int, free: list[int] | None = None) -> Any:
        made = schema.TensorT()
        made.name, made.shape, made.buffer, made.type, made.shapeSignature = name, shape, buffer, 0, free
        return made

    def mapped(name: bytes, index: int) -> Any:
        made = schema.TensorMapT()
        made.name, made.tensorIndex = name, index
        return made

    graph = schema.SubGraphT()
    graph.tensors = [tensor(b"x", [1, 8], 0, [-1, 8]), tensor(b"dense/kernel", [4, 8], 1), tensor(b"y", [1, 4], 0)]
    graph.inputs, graph.outputs, graph.operators = [0], [2], []
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs, signature.outputs = [mapped(b"image", 0)], [mapped(b"answer", 2)]
    custom = schema.OperatorCodeT()
    custom.customCode, custom.deprecatedBuiltinCode, custom.builtinCode = b"MyOp", 32, 32
    model, full = schema.ModelT(), schema.BufferT()
    full.data = [0] * 128
    model.version, model.description, model.operatorCodes = 3, b"sample", [custom]
    model.buffers, model.subgraphs, model.signatureDefs = [schema.BufferT(), full], [graph], [signature]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    (HERE / "dense.tflite").write_bytes(builder.Output())


def onnxruntime() -> None:
    """One matrix product, saved by ONNX Runtime in its own format."""
    import numpy as np
    import onnxruntime as runtime
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.zeros((8, 4), np.float32), "w")
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", s]) for n, s in (("x", 8), ("y", 4))]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ports[:1], ports[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = runtime.SessionOptions()
    options.optimized_model_filepath = str(HERE / "product.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def executorch() -> None:
    """A program of one method with one constant, built by hand after schema/program.fbs."""
    import flatbuffers

    builder = flatbuffers.Builder(256)

    def vector(items: list[int], offsets: bool) -> int:
        builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            builder.PrependUOffsetTRelative(item) if offsets else builder.PrependInt32(item)
        return int(builder.EndVector())

    def table(fields: int, references: dict[int, int], numbers: dict[int, int] | None = None) -> int:
        builder.StartObject(fields)
        for field, item in references.items():
            builder.PrependUOffsetTRelativeSlot(field, item, 0)
        for field, number in (numbers or {}).items():
            slot = builder.PrependUint32Slot if field == 5 else builder.PrependInt8Slot
            slot(field, number, 0)
        return int(builder.EndObject())

    def value(sizes: list[int], buffer: int, name: str = "") -> int:
        extra = {9: table(3, {1: builder.CreateString(name)})} if name else {}
        tensor = table(10, {2: vector(sizes, False), **extra}, {0: 6, 5: buffer})
        return table(2, {1: tensor}, {0: 5})

    values = [value([1, 8], 0), value([4, 8], 1, "dense.weight"), value([1, 4], 0)]
    backend = table(3, {0: builder.CreateString("XnnpackBackend")})
    references = {
        0: builder.CreateString("forward"),
        2: vector(values, True),
        3: vector([0], False),
        4: vector([2], False),
        7: vector([backend], True),
    }
    program = table(8, {1: vector([table(9, references)], True)})
    builder.Finish(program, file_identifier=b"ET12")
    (HERE / "dense.pte").write_bytes(builder.Output())


def litertlm() -> None:
    """A container of one TFLite model and some bytes, as litert-lm-builder 0.18 writes it."""
    from litert_lm_builder import DType, LitertLmFileBuilder, Metadata, TfLiteModelType

    builder = LitertLmFileBuilder()
    builder.add_system_metadata(Metadata(key="author", value="samples", dtype=DType.STRING))
    builder.add_system_metadata(Metadata(key="build", value=7, dtype=DType.INT32))
    builder.add_tflite_model(str(HERE / "dense.tflite"), TfLiteModelType.PREFILL_DECODE)
    (HERE / "note.bin").write_bytes(b"note")
    builder.add_generic_binary_data(str(HERE / "note.bin"))
    with (HERE / "small.litertlm").open("wb") as file:
        builder.build(file)
    (HERE / "note.bin").unlink()


def mnn() -> None:
    """A net of one Input operator, built by hand after MNN's schema."""
    import flatbuffers

    builder = flatbuffers.Builder(64)

    def vector(items: list[int]) -> int:
        builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            builder.PrependUOffsetTRelative(item)
        return int(builder.EndVector())

    builder.StartVector(4, 4, 4)
    for extent in (8, -1, 3, 1):
        builder.PrependInt32(extent)
    extents = builder.EndVector()
    builder.StartObject(3)
    builder.PrependUOffsetTRelativeSlot(0, extents, 0)
    shape, name = builder.EndObject(), builder.CreateString("image")
    builder.StartObject(6)
    builder.PrependUint8Slot(1, 21, 0)
    builder.PrependUOffsetTRelativeSlot(2, shape, 0)
    builder.PrependUOffsetTRelativeSlot(3, name, 0)
    builder.PrependInt32Slot(5, 34, 0)
    operators = vector([builder.EndObject()])
    outputs = vector([builder.CreateString("prob")])
    names = vector([builder.CreateString("image"), builder.CreateString("prob")])
    builder.StartObject(12)
    for field, item in ((3, operators), (4, outputs), (7, names)):
        builder.PrependUOffsetTRelativeSlot(field, item, 0)
    builder.Finish(builder.EndObject())
    (HERE / "net.mnn").write_bytes(builder.Output())


def distributed() -> None:
    """A distributed checkpoint, written by one process."""
    import torch
    import torch.distributed.checkpoint as dcp

    os.chdir(HERE)  # the path that is written into the checkpoint is a relative one
    shutil.rmtree("distributed", ignore_errors=True)
    state = {"model": {"weight": torch.zeros(2, 3), "half": torch.zeros(4, dtype=torch.bfloat16)}, "epoch": 3}
    dcp.save(state, checkpoint_id="distributed", no_dist=True)


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    makers = (hdf5, dense, keras, tflite, onnxruntime, executorch, litertlm, mnn, paddle, orbax, boosted, distributed)
    for make in makers:
        if len(sys.argv) < 2 or make.__name__ in sys.argv[1:]:
            make()
