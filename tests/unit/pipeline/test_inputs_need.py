"""What the chosen inputs add to the packages."""

from dnnbox.pipeline.prepare import _with_input_needs
from dnnbox.records.dependencies import Dependencies, Requirement
from dnnbox.records.plan import InputChoice

PICTURE = InputChoice("given", "image", "/w/cat.png")


def test_with_input_needs__picture_for_a_tensor_model__adds_pillow_with_the_reason():
    derived = _with_input_needs(Dependencies("onnxruntime", (Requirement("onnxruntime"),)), (PICTURE,))

    assert [requirement.name for requirement in derived.requirements] == ["onnxruntime", "pillow"]
    assert derived.requirements[-1].evidence[0].claim == "an input is a picture"


def test_with_input_needs__pillow_is_there_or_no_picture__changes_nothing():
    vision = Dependencies("timm", (Requirement("Pillow"),))

    assert _with_input_needs(vision, (PICTURE,)) is vision
    assert _with_input_needs(Dependencies("onnxruntime"), (InputChoice("synthesised", "tensor"),)).requirements == ()
