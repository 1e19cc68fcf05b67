"""Fingerprints: exact, body, similar and family, with arguments, prefixes, twins and what is not known."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import pytest

from dnnbox.identify import arguments, identify, index, keys, names
from dnnbox.identify.compare import compare
from dnnbox.records.identity import Candidate
from tests.unit.identify.made import claims, everyone, inspection, pairs


def best(*tensors: tuple[str, tuple[int, ...]], **more: str) -> Candidate:
    candidate = identify(inspection(tensors, **more)).best  # type: ignore[arg-type]
    assert candidate is not None
    return candidate


def test_index__every_model__is_found_by_its_own_tensors() -> None:
    known = index.load()
    lost = [
        known.model(number).name
        for number in range(0, known.count, 17)
        if number not in known.exact(keys.set_hashes(known.tensors.pairs(number))[0])
    ]
    assert lost == []


def test_index__covers_the_three_libraries__with_their_versions() -> None:
    known = index.load()
    assert set(known.versions) == {"timm", "torchvision", "transformers", "torch"}
    libraries = [library for library, _ in known.by_name]
    assert libraries.count("timm") > 1300
    assert libraries.count("torchvision") > 110
    assert libraries.count("transformers") > 1400


def test_index__committed_files__stay_small_in_the_wheel() -> None:
    files = Path(index.__file__).with_name("data").iterdir()
    assert sum(len(zlib.compress(file.read_bytes())) for file in files) <= 1_500_000


def test_index__every_name__is_found_in_lower_case() -> None:
    known = index.load()
    assert [name for _, name in known.by_name if names.normal(name) != name.lower()] == []


def test_tensor_table__every_template__is_found_by_its_hash() -> None:
    table = index.load().tensors
    assert [n for n in range(0, 34_000, 97) if table.number_of(table.template(n)) != n] == []
    assert table.number_of("no.such.template") is None


def test_identify__all_names_and_shapes__is_exact() -> None:
    found = best(*pairs("timm", "convnext_atto"))
    assert (found.library, found.architecture, found.match, found.score) == ("timm", "convnext_atto", "exact", 1.0)
    assert found.arguments == {}
    assert found.evidence[0].source == "tensor names and shapes"


def test_identify__another_number_of_classes__is_body_with_the_number_inferred() -> None:
    changed = [
        (n, (7, *s[1:]) if n.startswith("classifier.") else s) for n, s in pairs("timm", "mobilenetv3_small_050")
    ]
    found = best(*changed)
    assert (found.architecture, found.match, found.arguments) == ("mobilenetv3_small_050", "body", {"num_classes": 7})
    reason = next(e for e in found.evidence if e.claim == "num_classes=7")
    assert reason.source == "shape of classifier.weight"
    assert reason.detail.startswith("inferred: [7, ")


def test_identify__head_gone__asks_timm_for_no_classes() -> None:
    found = best(*[(n, s) for n, s in pairs("timm", "convnext_atto") if not n.startswith("head.fc.")])
    assert (found.architecture, dict(found.arguments)) == ("convnext_atto", {"num_classes": 0})


def test_identify__head_gone_of_a_name_in_two_libraries__is_the_one_that_builds_it() -> None:
    body = [(name, shape) for name, shape in pairs("torchvision", "resnet101") if not name.startswith("fc.")]
    found = best(*body)
    assert (found.library, found.architecture, found.match) == ("timm", "resnet101", "body")
    assert found.arguments == {"num_classes": 0}


def test_identify__head_added_where_none_is_the_default__gives_its_number_of_classes() -> None:
    name = "vit_large_patch16_siglip_gap_384"
    whole = [*pairs("timm", name), ("head.weight", (10, 1024)), ("head.bias", (10,))]
    found = best(*whole)
    assert (found.architecture, found.match, found.arguments) == (name, "body", {"num_classes": 10})


def test_identify__head_added_and_other_channels__is_not_taken_for_another_resolution() -> None:
    def changed(name: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        return name, (shape[0], 1, *shape[2:]) if name == "patch_embed.proj.weight" else shape

    plain = [changed(name, shape) for name, shape in pairs("timm", "eva02_large_patch14_224")]
    found = best(*plain, ("head.weight", (10, 1024)), ("head.bias", (10,)))
    assert found.architecture == "eva02_large_patch14_224"
    assert found.arguments == {"num_classes": 10, "in_chans": 1}


def test_arguments__second_branch_of_another_scale__is_not_explained_by_the_image_size() -> None:
    known = index.load()
    model = known.model(known.by_name["timm", "crossvit_18_dagger_240"])
    expected, found = pairs("timm", model.name), pairs("timm", "crossvit_18_dagger_408")
    inferred = arguments.infer(model, {}, expected, compare(expected, found))
    assert (inferred.arguments, inferred.explained) == ({"img_size": 408}, {"pos_embed_0"})


@pytest.mark.parametrize("prefix", ["module.", "model.", "backbone.", "_orig_mod.", "model.module.", "student.net."])
def test_identify__wrapped_keys__gives_the_prefix_to_strip(prefix: str) -> None:
    found = best(*[(prefix + name, shape) for name, shape in pairs("torchvision", "mobilenet_v3_small")])
    assert (found.architecture, found.match, found.prefix) == ("mobilenet_v3_small", "exact", prefix)


def test_identify__shuffled_and_without_counters__is_still_exact() -> None:
    tensors = pairs("timm", "resnet26d")
    random.Random(0).shuffle(tensors)
    counters = [
        (name.replace("running_mean", "num_batches_tracked"), ()) for name, _ in tensors if "running_mean" in name
    ]
    assert best(*tensors).match == "exact"
    assert best(*tensors, *counters).match == "exact"


def test_identify__channels_and_image_size__are_inferred_for_timm() -> None:
    changed = {"pos_embed": (1, 401, 768), "patch_embed.proj.weight": (768, 4, 16, 16)}
    found = best(*[(n, changed.get(n, s)) for n, s in pairs("timm", "vit_base_patch16_224")])
    assert (found.architecture, found.match) == ("vit_base_patch16_224", "similar")
    assert found.arguments == {"in_chans": 4, "img_size": 320}
    assert found.score == 1.0


def test_identify__channels__have_no_argument_in_torchvision() -> None:
    changed = [
        (n, (16, 1, 3, 3) if n == "features.0.0.weight" else s) for n, s in pairs("torchvision", "mobilenet_v3_small")
    ]
    found = best(*changed)
    assert (found.library, found.architecture, found.arguments) == ("torchvision", "mobilenet_v3_small", {})
    assert "the first convolution takes 1 channels" in claims(found)
    assert found.score < 1.0


def test_identify__detector_with_other_classes__is_not_taken_for_its_backbone() -> None:
    changed = [
        (n, tuple({91: 5, 364: 20}.get(d, d) for d in s)) for n, s in pairs("torchvision", "fasterrcnn_resnet50_fpn")
    ]
    found = best(*changed)
    assert (found.architecture, dict(found.arguments)) == ("fasterrcnn_resnet50_fpn", {"num_classes": 5})


def test_identify__forty_percent_of_tensors_gone__is_similar_and_says_what_is_missing() -> None:
    tensors = pairs("timm", "regnety_016")
    found = best(*random.Random(4).sample(tensors, round(0.6 * len(tensors))))
    assert (found.architecture, found.match) == ("regnety_016", "similar")
    assert any(claim.endswith("tensors missing") for claim in claims(found))
    assert 0.5 < found.score < 0.7


def test_identify__projection_beside_the_model__is_similar() -> None:
    found = best(*pairs("timm", "resnet26d"), ("proj.0.weight", (64, 2048)), ("proj.0.bias", (64,)))
    assert (found.architecture, found.match) == ("resnet26d", "similar")
    assert "2 tensors unexpected" in claims(found)


def test_identify__transformer_of_another_size__is_family_with_the_configuration() -> None:
    def smaller(shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple({768: 384, 3072: 1536, 30522: 31000}.get(d, d) for d in shape)

    layers = [f"encoder.layer.{n}." for n in range(6, 12)]
    found = best(*[(n, smaller(s)) for n, s in pairs("transformers", "BertModel") if not n.startswith(tuple(layers))])
    assert (found.library, found.architecture, found.match) == ("transformers", "BertModel", "family")
    wanted = {"hidden_size": 384, "intermediate_size": 1536, "vocab_size": 31000, "num_hidden_layers": 6}
    assert wanted.items() <= dict(found.arguments).items()


def test_identify__architecture_with_more_blocks__is_at_most_a_family() -> None:
    deeper = pairs("timm", "convnext_tiny")
    deeper += [
        (n.replace("stages.2.blocks.8.", "stages.2.blocks.9."), s) for n, s in deeper if "stages.2.blocks.8." in n
    ]
    assert identify(inspection(deeper)).candidates[0].match == "family"


def test_identify__foreign_layout__is_unknown() -> None:
    identity = identify(inspection([(f"bricks.{i}.{kind}", (17, 23)) for i in range(40) for kind in ("up", "down")]))
    assert identity.unknown
    assert identity.best is None


def test_identify__no_tensors__is_unknown() -> None:
    assert identify(inspection()).unknown


def test_identify__twins__are_listed_with_what_differs_and_said_to_be_open() -> None:
    found = best(*pairs("timm", "resnet50"))
    differs = {twin.architecture.rsplit("/", 1)[-1]: twin.differs for twin in found.same_weights}
    assert {"resnetaa50", "resnetblur50"} <= differs.keys()
    assert "BlurPool2d" in differs["resnetblur50"]
    assert found.architecture == "resnet50"
    assert any("not settled" in evidence.detail for evidence in found.evidence)


def test_identify__twins_and_a_telling_file_name__are_settled() -> None:
    found = best(*pairs("timm", "resnet50"), path="models/resnetaa50_a1h-4cf422b3.pth")
    assert (found.library, found.architecture) == ("timm", "resnetaa50")
    assert any(evidence.source == "file name" for evidence in found.evidence)


def test_identify__training_arguments_against_file_name__arguments_win() -> None:
    arguments = {"args": {"model": "tf_efficientnet_b0"}}
    one = inspection(pairs("timm", "efficientnet_b0"), path="efficientnet_b0.pth", metadata=arguments)
    found = identify(one).best
    assert found is not None
    assert found.architecture == "tf_efficientnet_b0"
    assert "args.model" in [evidence.source for evidence in found.evidence]


def test_identify__same_name_in_two_libraries__follows_the_format() -> None:
    tensors = pairs("timm", "resnet18")
    assert best(*tensors, format_name="torch-zip").library == "torchvision"
    assert best(*tensors, format_name="safetensors").library == "timm"


def test_identify__twin_with_another_default_head__keeps_the_exact_one() -> None:
    found = best(*pairs("timm", "vit_base_patch32_clip_quickgelu_224"))
    assert (found.architecture, found.match, found.arguments) == ("vit_base_patch32_clip_quickgelu_224", "exact", {})
    assert "vit_base_patch32_clip_224" in everyone([found])


def test_identify__onnx_with_module_like_names__is_not_matched() -> None:
    one = inspection(pairs("timm", "resnet18"), format_name="onnx", framework="onnx")
    assert identify(one).unknown


def test_identify__wrong_scheme__says_what_to_do() -> None:
    with pytest.raises(ValueError, match="build_fingerprints"):
        index.Index({"scheme": -1, "name": []}, b"")


def test_identify__backbone_without_head__is_no_segmenter_that_lost_its_own() -> None:
    tensors = [(f"backbone.{n}", s) for n, s in pairs("timm", "resnet101") if not n.startswith("fc.")]
    found = best(*tensors, path="runs/last.safetensors", format_name="safetensors")
    assert (found.library, found.architecture, found.match) == ("timm", "resnet101", "body")
    assert (found.arguments, found.prefix) == ({"num_classes": 0}, "backbone.")


def test_identify__head_that_no_argument_explains__is_a_family() -> None:
    changed = [(n, (7, 99) if n == "head.fc.weight" else s) for n, s in pairs("timm", "convnext_atto")]
    found = best(*changed)
    assert (found.architecture, found.match) == ("convnext_atto", "family")
