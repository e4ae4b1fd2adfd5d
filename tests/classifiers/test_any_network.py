"""Networks that were made elsewhere: of every library and file, their preprocessing, and what learns of them."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from explainfb import IMAGENET, InputError, LimeSettings, Network, Preprocessing, Split, Task, TrainingSettings, network
from explainfb.classifiers.classifier import clone, load_classifier, save_classifier
from explainfb.classifiers.loading.layers import blocks_of, head_of
from explainfb.classifiers.networks import BUILDERS
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.settings import FinetuneSettings

SIDE = 24
HALF = Preprocessing(SIDE, (0.5,) * 3, (0.25,) * 3, "bilinear")
STEPS = TrainingSettings(steps=4, batch_size=6, validate_every=2, learning_rate=0.01)


@pytest.fixture(autouse=True)
def _known_networks() -> Iterator[None]:
    before = dict(BUILDERS)
    yield
    for name in BUILDERS.keys() - before.keys():
        del BUILDERS[name]


def a_task(side: int = SIDE, channels: int = 3, classes: int = 3) -> Task:
    draw = torch.Generator().manual_seed(0)

    def split(count: int) -> Split:
        images = torch.rand(count, channels, side, side, generator=draw)
        return Split(images, torch.arange(count) % classes)

    return Task("made", tuple("abcdef"[:classes]), split(12), split(6), split(6))


class Three(nn.Module):
    """Three blocks with batch normalisation, which no empty batch survives, and a head behind a dropout."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        block: Callable[[int], nn.Module] = lambda width: nn.Sequential(  # noqa: E731
            nn.Conv2d(width, 8, 3, padding=1, stride=2), nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        )
        self.first, self.second, self.third = block(3), block(8), block(8)
        self.drop, self.head = nn.Dropout(0.2), nn.Linear(8, classes)

    def forward(self, x: Tensor) -> object:
        x = self.third(self.second(self.first(x))).mean((2, 3))
        return {"logits": self.head(self.drop(x.view(x.size(0), -1))), "features": x}


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return make()


def moved(before: nn.Module, after: nn.Module) -> set[str]:
    old = before.state_dict()
    return {name for name, tensor in after.state_dict().items() if not torch.equal(tensor, old[name])}


def test_a_module_is_a_classifier_of_its_own_classes_and_is_not_touched() -> None:
    module = seeded(Three).train()
    net = network(module, preprocess=HALF)
    images = torch.rand(2, 3, SIDE, SIDE)
    assert (net.size, net.architecture.classes, net.head) == (SIDE, 5, "head")
    assert module.training
    assert torch.equal(net(images), module.eval()((images - 0.5) / 0.25)["logits"])
    assert net(images[:0]).shape == (0, 5)


@pytest.mark.parametrize("train", ["head", "last 1 block", "last 2 blocks", "all"])
def test_what_is_frozen_stays_in_training_feedback_and_files(train: str, tmp_path: Path) -> None:
    net, task = network(seeded(Three), preprocess=HALF), a_task()
    start = net.transfer(task, train=train, settings=TrainingSettings(steps=0))
    trained = net.transfer(task, train=train, settings=STEPS)
    save_classifier(trained, tmp_path / "a.safetensors")
    again = load_classifier(tmp_path / "a.safetensors")
    settings, lime = FinetuneSettings(steps=2, batch_size=6), LimeSettings(n_samples=52)
    tuned = finetune(again, task.train, None, lime=lime, settings=settings, seed=0).classifier
    free = {"head": {"head"}, "last 1 block": {"third", "head"}, "last 2 blocks": {"second", "third", "head"}}
    allowed = free.get(train, {"first", "second", "third", "head"})
    assert {name.split(".")[0] for name in moved(start.network, trained.network)} == allowed
    assert {name.split(".")[0] for name in moved(trained.network, tuned.network)} == allowed
    assert not moved(trained.network, again.network)
    assert clone(again).architecture == trained.architecture


def test_what_its_owner_froze_stays_frozen_when_all_is_trained() -> None:
    module = seeded(Three)
    module.get_submodule("first").requires_grad_(False)
    trained = network(module, preprocess=HALF).transfer(a_task(), train="all", settings=STEPS)
    assert not any(name.startswith("first") for name in moved(module, trained.network) if "head" not in name)


def test_the_body_learns_more_slowly_than_the_head() -> None:
    net, task = network(seeded(Three), preprocess=HALF), a_task()
    start = net.transfer(task, train="all", settings=TrainingSettings(steps=0)).network.state_dict()
    steps = TrainingSettings(steps=1, batch_size=6, learning_rate=0.01, body_rate=0.01)
    after = net.transfer(task, train="all", settings=steps).network.state_dict()
    # Adam's first step is as long as its learning rate wherever there is a gradient
    assert (after["head.weight"] - start["head.weight"]).abs().max() == pytest.approx(0.01, rel=0.01)
    assert (after["first.0.weight"] - start["first.0.weight"]).abs().max() == pytest.approx(0.0001, rel=0.01)


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "net.", "module.model."])
@pytest.mark.parametrize("kind", ["pth", "safetensors", "checkpoint"])
def test_weights_are_found_in_every_kind_of_file(prefix: str, kind: str, tmp_path: Path) -> None:
    module = seeded(lambda: Three(4))  # the builder's own has five classes
    weights = {prefix + name: tensor for name, tensor in module.state_dict().items()}
    file = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.pth")
    if kind == "safetensors":
        save_file(weights, file)
    else:
        torch.save({"state_dict": weights, "epoch": 3} if kind == "checkpoint" else weights, file)
    net = network(str(file), builder=Three, preprocess=HALF)
    assert net.architecture.classes == 4
    assert not moved(module, net.network)


def test_weights_of_another_network_and_a_file_without_a_builder_are_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth does not hold the weights of Three: Missing key"):
        network(tmp_path / "a.pth", builder=Three, preprocess=HALF)
    with pytest.raises(InputError, match="say what they are of"):
        network(tmp_path / "a.pth", preprocess=HALF)
    with pytest.raises(InputError, match="did you mean 'resnet18'"):
        network("resnet-18")


def test_a_name_of_torchvision_with_weights_of_ones_own(tmp_path: Path) -> None:
    module = seeded(lambda: torchvision.models.squeezenet1_1(num_classes=7))
    torch.save(module.state_dict(), tmp_path / "a.pth")
    net = network("squeezenet1_1", weights=str(tmp_path / "a.pth"), size=64)
    assert (net.size, net.architecture.classes, net.class_names) == (64, 7, None)
    assert net.architecture.mean == IMAGENET.mean
    grey = net.transfer(a_task(side=32, channels=1), settings=STEPS)
    assert grey(torch.rand(2, 1, 32, 32)).shape == (2, 3)
    assert {
        name.split(".")[0] for name in moved(module, network(module, size=64, preprocess=IMAGENET).network)
    } == set()


def test_one_logit_is_made_two() -> None:
    module = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE * 3, 1)))
    net = network(module, preprocess=HALF)
    assert net.architecture.classes == 2
    assert net(torch.rand(3, 3, SIDE, SIDE)).shape == (3, 2)
    assert net.transfer(a_task(classes=2), settings=STEPS)(torch.rand(3, 3, SIDE, SIDE)).shape == (3, 2)
    assert net.transfer(a_task(classes=4), settings=STEPS)(torch.rand(3, 3, SIDE, SIDE)).shape == (3, 4)


def test_normalisation_of_levels_and_none_at_all_are_told() -> None:
    module = seeded(Three)
    with pytest.raises(InputError, match=re.escape("mean (0.498, 0.498, 0.498), std (0.502, 0.502, 0.502)")):
        network(module, preprocess={"mean": (127,) * 3, "std": (128,) * 3, "input_size": (3, SIDE, SIDE)})
    with pytest.warns(UserWarning, match="no normalisation"):
        network(module, size=SIDE)


TIMM = {"mean": (0.4,) * 3, "std": (0.2,) * 3, "input_size": (3, 96, 96), "interpolation": "bicubic"}
HUGGING_FACE = {"image_mean": [0.4] * 3, "image_std": [0.2] * 3, "size": {"height": 80, "width": 80}}
SHORTEST = HUGGING_FACE | {"size": {"shortest_edge": 72}, "resample": 3}
LEVELS = {"image_mean": [102] * 3, "image_std": [51] * 3, "do_rescale": False, "do_center_crop": True}
CROPPED = LEVELS | {"crop_size": {"height": 64, "width": 64}, "size": {"shortest_edge": 80}}


@pytest.mark.parametrize(
    ("given", "side", "mean", "kind"),
    [
        (TIMM, 96, 0.4, "bicubic"),
        (HUGGING_FACE, 80, 0.4, "bilinear"),
        (SHORTEST, 72, 0.4, "bicubic"),
        (CROPPED, 64, 0.4, "bilinear"),
    ],
)
def test_configurations_of_timm_and_hugging_face_are_read(
    given: dict[str, object], side: int, mean: float, kind: str, tmp_path: Path
) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(given))
    for form in (given, SimpleNamespace(to_dict=lambda: given), str(tmp_path)):
        shape = network(seeded(Three), preprocess=form).architecture
        assert (shape.height, shape.interpolation) == (side, kind)
        assert shape.mean == pytest.approx((mean,) * 3)
        assert shape.std == pytest.approx((0.2,) * 3)


def test_a_preset_of_torchvision_is_read() -> None:
    preset = torchvision.models.get_model_weights("resnet18").DEFAULT.transforms()
    assert network(seeded(Three), preprocess=preset).architecture.mean == IMAGENET.mean


def test_every_torchvision_network_has_a_head_and_blocks() -> None:
    for name in ("alexnet", "vgg11", "resnet18", "densenet121", "squeezenet1_1", "mobilenet_v3_small", "vit_b_32"):
        with torch.device("meta"):
            module = torchvision.models.get_model(name, weights=None, num_classes=1009)
        head = head_of(module, 1009)
        assert head is not None
        assert module.get_submodule(head).weight.shape[0] == 1009
        assert len(blocks_of(module, head)) >= 7, name


def test_probabilities_and_what_has_no_head_are_refused() -> None:
    with pytest.raises(InputError, match="returns probabilities"):
        network(nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE * 3, 4), nn.Softmax(1)), preprocess=HALF)

    class Backwards(nn.Module):
        """Its last layer by definition is its first one by use."""

        def __init__(self) -> None:
            super().__init__()
            self.last, self.first = nn.Linear(4, 4), nn.Linear(SIDE * SIDE * 3, 4)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.last(self.first(x.flatten(1)))
            return found

    net = network(Backwards(), preprocess=HALF)
    assert isinstance(net, Network)
    with pytest.raises(InputError, match="gives its logits"):
        net.transfer(a_task())


def test_timm_and_hugging_face_by_name(tmp_path: Path) -> None:
    """Both write what they read here; nothing is downloaded."""
    timm, transformers = pytest.importorskip("timm"), pytest.importorskip("transformers")
    theirs = timm.create_model("test_resnet", num_classes=4)
    net = network(theirs, size=64)
    assert net.architecture.mean == pytest.approx(theirs.pretrained_cfg["mean"])
    images = torch.rand(2, 3, 64, 64)
    mean, std = (torch.tensor(theirs.pretrained_cfg[key]).view(-1, 1, 1) for key in ("mean", "std"))
    assert torch.allclose(net(images), theirs.eval()((images - mean) / std), atol=1e-5)
    config = transformers.ResNetConfig(
        num_labels=2, depths=[1, 1], hidden_sizes=[8, 16], embedding_size=8, layer_type="basic",
        id2label={0: "ant", 1: "bee"},
    )  # fmt: skip
    model = transformers.ResNetForImageClassification(config)
    model.save_pretrained(tmp_path)
    settings = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 64, "width": 64}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    net = network(f"hf:{tmp_path}")
    assert (net.class_names, net.size) == (("ant", "bee"), 64)
    assert torch.allclose(net(images), model.eval()((images - 0.5) / 0.5).logits, atol=1e-5)
    trained = net.transfer(a_task(side=64), train="head", settings=TrainingSettings(steps=0))
    save_classifier(trained, tmp_path / "a.safetensors")
    assert torch.equal(load_classifier(tmp_path / "a.safetensors")(images), trained(images))


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"timm is not installed; `pip install timm`"):
        network("timm:resnet18")
