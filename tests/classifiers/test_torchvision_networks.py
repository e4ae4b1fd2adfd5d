import pytest
import torch
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.torchvision_networks import (
    body_and_head,
    build_network,
    network_names,
    preprocessing,
    weights_of,
)
from explainfb.classifiers.transfer import pretrained
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator

FAMILIES = (
    *("alexnet", "vgg11", "vgg11_bn", "resnet18", "resnext50_32x4d", "wide_resnet50_2", "squeezenet1_0", "densenet121"),
    *("mobilenet_v2", "mobilenet_v3_large", "mnasnet1_0", "shufflenet_v2_x0_5", "efficientnet_b1", "efficientnet_v2_s"),
    *("inception_v3", "googlenet", "convnext_tiny", "vit_b_32", "vit_h_14", "swin_t", "swin_v2_t", "maxvit_t"),
)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_returns_logits_alone(name: str) -> None:
    """Shapes only: the meta device computes nothing."""
    wanted = preprocessing(weights_of(name))
    with torch.device("meta"):
        shape = {"channels": 1, "height": 20, "width": 30, "mean": wanted.mean, "std": wanted.std}
        classifier = build_classifier(
            Architecture(name, 7, resize=wanted.side, interpolation=wanted.interpolation, **shape)
        )
        outputs = [classifier.train(training)(torch.rand(2, 1, 20, 30)) for training in (True, False)]
    for logits in outputs:
        assert isinstance(logits, Tensor)
        assert logits.shape == (2, 7)


@pytest.mark.parametrize("name", [*FAMILIES, "regnet_y_400mf"])
def test_the_head_is_what_the_number_of_classes_changes(name: str) -> None:
    side = preprocessing(weights_of(name)).side
    before = torch.random.get_rng_state()
    shapes, head = body_and_head(name, side)
    assert torch.equal(torch.random.get_rng_state(), before)
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        small, large = (build_network(name, classes, side).state_dict() for classes in (5, 6))
    assert {key for key in small if small[key].shape != large[key].shape} == set(head) != set()
    assert {key: small[key].shape for key in small if key not in head} == shapes


@pytest.mark.parametrize("side", [20, 400])
@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "efficientnet_v2_l", "inception_v3"])
def test_what_reaches_the_network_is_what_torchvision_gives_it(name: str, side: int) -> None:
    """Bilinear and bicubic, other means and sides; shrinking is antialiased, and that shows."""
    pictures = torch.rand(2, 3, side, side, generator=torch_generator(0, "pictures"))
    wanted = preprocessing(weights_of(name))
    shape = {"channels": 3, "height": side, "width": side, "mean": wanted.mean, "std": wanted.std}
    architecture = Architecture(name, 3, resize=wanted.side, interpolation=wanted.interpolation, **shape)
    ours = Classifier(architecture, nn.Identity())(pictures)
    preset = weights_of(name).transforms
    assert torch.allclose(ours, preset(resize_size=wanted.side)(pictures), atol=1e-5)
    if side > wanted.side:
        aliased = preset(resize_size=wanted.side, antialias=False)(pictures)
        assert not torch.allclose(ours, aliased, atol=0.1)


@pytest.mark.parametrize(
    ("name", "nearest"), [("alexnett", "alexnet"), ("ResNet-50", "resnet50"), ("vit_b16", "vit_b_16")]
)
def test_an_unknown_name_gets_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(InputError, match=f"no classifier '{name}'; did you mean '{nearest}'"):
        pretrained(name)


@pytest.mark.parametrize("name", ["fasterrcnn_resnet50_fpn", "deeplabv3_resnet50", "raft_small", "r3d_18", "lenet"])
def test_only_image_classifiers_of_torchvision_are_offered(name: str) -> None:
    assert name not in network_names()
    with pytest.raises(InputError, match="torchvision has no classifier"):
        pretrained(name)
