import io
import pickle
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn

from explainfb.classifiers.classifier import clone, load_classifier, save_classifier
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.torchvision_networks import weights_of
from explainfb.classifiers.transfer import pretrained
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.tasks.task import Split, Task

UNTRAINED = TrainingSettings(steps=0)
THREE_STEPS = TrainingSettings(steps=3, batch_size=4, validate_every=3)


def coloured(count: int, channels: int, side: int, *names: object) -> Tensor:
    return torch.rand(count, channels, side, side, generator=torch_generator(0, "pictures", *names))


def make_task(channels: int = 3, side: int = 32) -> Task:
    """Three classes told apart by brightness."""
    labels = torch.arange(12) % 3
    images = coloured(12, channels, side) * 0.4 + labels.view(-1, 1, 1, 1) * 0.3
    split = Split(images, labels)
    return Task("brightness", ("dark", "middling", "bright"), split, split.take(slice(0, 6)), split.take(slice(6, 12)))


def published(name: str, **options: Any) -> nn.Module:
    """What torchvision itself makes of this name: weights from a fixed seed, running statistics from four pictures."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(17)
        network: nn.Module = torchvision.models.get_model(name, weights=None, **options)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = None  # the plain average
        if any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules()):
            with torch.no_grad():
                network.train()(coloured(4, 3, 64))
    return network.eval()


def file_of(name: str, folder: Path, **options: Any) -> Path:
    path = folder / f"{name}.pth"
    torch.save(published(name, **options).state_dict(), path)
    return path


def same_but(left: dict[str, Tensor], right: dict[str, Tensor]) -> set[str]:
    assert left.keys() == right.keys()
    return {name for name in left if not torch.equal(left[name], right[name])}


def parity(name: str, file: Path, **options: Any) -> tuple[Tensor, Tensor]:
    """Logits of a transferred classifier, and of torchvision's network behind torchvision's own transforms."""
    task = make_task(side=48)
    classifier = pretrained(name, file).transfer(task, settings=UNTRAINED)
    network = torchvision.models.get_model(name, weights=None, num_classes=3, **options)
    network.load_state_dict(classifier.network.state_dict(), strict=False)
    preset = weights_of(name).transforms
    side = preset.keywords["crop_size"]
    with torch.no_grad():
        theirs = network.eval()(preset(resize_size=side)(task.clean.images))
        return classifier(task.clean.images), theirs


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18"])
def test_the_preprocessing_inside_is_torchvisions_own(name: str, tmp_path: Path) -> None:
    ours, theirs = parity(name, file_of(name, tmp_path))
    assert ours.shape == (6, 3)
    assert torch.allclose(ours, theirs, atol=1e-5, rtol=1e-4)
    assert (ours[0] - ours[1]).abs().max() > 1e-4


def test_a_networks_second_rescaling_survives_without_its_auxiliary_heads(tmp_path: Path) -> None:
    file = file_of("googlenet", tmp_path, init_weights=False)
    ours, theirs = parity("googlenet", file, init_weights=False, transform_input=True)
    assert torch.allclose(ours, theirs, atol=1e-5, rtol=1e-4)
    ours, without = parity("googlenet", file, init_weights=False, transform_input=False)
    assert not torch.allclose(ours, without, atol=1e-3)
    classifier = pretrained("googlenet", file).transfer(make_task(), settings=UNTRAINED)
    assert isinstance(classifier.train()(coloured(2, 3, 32)), Tensor)


def test_grey_images_enter_as_three_equal_channels(tmp_path: Path) -> None:
    source = pretrained("squeezenet1_1", file_of("squeezenet1_1", tmp_path))
    classifier = source.transfer(make_task(channels=1), settings=UNTRAINED)
    pictures = coloured(2, 1, 32)
    theirs = weights_of("squeezenet1_1").transforms(resize_size=224)(pictures.expand(-1, 3, -1, -1))
    assert torch.allclose(classifier(pictures), classifier.network(theirs), atol=1e-5)


def test_alexnet_is_transferred_and_attackable(tmp_path: Path) -> None:
    """The one large network here: its features are as in the file, and a gradient reaches the task's own pixels."""
    file = file_of("alexnet", tmp_path)
    classifier = pretrained("alexnet", file).transfer(make_task(channels=1, side=28), settings=THREE_STEPS)
    state = classifier.network.state_dict()
    stored = torch.load(file, weights_only=True)
    kept = {key for key in stored if torch.equal(stored[key], state[key])}
    assert stored.keys() - kept == {"classifier.6.weight", "classifier.6.bias"}
    images = coloured(2, 1, 28).requires_grad_()
    classifier(images)[:, 0].sum().backward()
    assert images.grad is not None
    assert images.grad.shape == (2, 1, 28, 28)
    assert images.grad.abs().amax((1, 2, 3)).min() > 0


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("shufflenet_v2_x0_5", {"fc.weight", "fc.bias"}),
        ("squeezenet1_1", {"classifier.1.weight", "classifier.1.bias"}),
        ("mobilenet_v3_small", {"classifier.3.weight", "classifier.3.bias"}),
    ],
)
def test_only_the_head_is_trained_unless_all_is_asked_for(name: str, head: set[str], tmp_path: Path) -> None:
    """Running statistics belong to the body too."""
    source = pretrained(name, file_of(name, tmp_path))
    states = {}
    for layers, settings in (("head", UNTRAINED), ("head", THREE_STEPS), ("all", THREE_STEPS)):
        trained = source.transfer(make_task(side=16), settings=settings, train=layers)
        free = {name for name, parameter in trained.network.named_parameters() if parameter.requires_grad}
        assert free == head if layers == "head" else free > head
        states[layers, settings.steps] = trained.network.state_dict()
    untrained = states["head", 0]
    assert {key for key in untrained if key in head or not torch.equal(untrained[key], source.body[key])} == head
    assert same_but(untrained, states["head", 3]) == head
    assert same_but(untrained, states["all", 3]) > head


def test_transfer_learns(tmp_path: Path) -> None:
    source = pretrained("shufflenet_v2_x0_5", file_of("shufflenet_v2_x0_5", tmp_path))
    settings = TrainingSettings(steps=14, batch_size=12, learning_rate=3e-3, validate_every=7)
    losses: list[float] = []
    source.transfer(
        make_task(side=16), settings=settings, train="all", on_validation=lambda point: losses.append(point.train_loss)
    )
    assert losses[1] < losses[0] / 2


def test_transfer_repeats_bit_for_bit_and_leaves_the_global_state(tmp_path: Path) -> None:
    source = pretrained("mobilenet_v3_small", file_of("mobilenet_v3_small", tmp_path))
    before = torch.random.get_rng_state()
    first, again, other = (
        source.transfer(make_task(side=16), settings=THREE_STEPS, train="all", seed=seed).state_dict()
        for seed in (4, 4, 5)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert same_but(first, again) == set()
    assert {"network.classifier.3.weight", "network.features.0.0.weight"} <= same_but(first, other)


def test_a_transferred_classifier_survives_its_file_and_a_clone(tmp_path: Path) -> None:
    task, source = make_task(channels=1, side=16), pretrained("squeezenet1_1", file_of("squeezenet1_1", tmp_path))
    classifier = source.transfer(task, settings=THREE_STEPS, train="all")
    save_classifier(classifier, tmp_path / "a.safetensors")
    for twin in (load_classifier(tmp_path / "a.safetensors"), clone(classifier)):
        assert twin.architecture == classifier.architecture
        assert same_but(twin.state_dict(), classifier.state_dict()) == set()
        assert torch.equal(twin(task.clean.images), classifier(task.clean.images))


def test_safetensors_and_pth_give_the_same(tmp_path: Path) -> None:
    file = file_of("squeezenet1_1", tmp_path)
    safe = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(torch.load(file, weights_only=True), safe)
    assert same_but(dict(pretrained("squeezenet1_1", file).body), dict(pretrained("squeezenet1_1", safe).body)) == set()


def test_densenets_published_names_are_understood(tmp_path: Path) -> None:
    """Published files say `denselayer1.norm.1.weight`; torchvision itself renames them when it downloads."""
    new = published("densenet121").state_dict()
    old = {}
    for key, tensor in new.items():
        layer, _, rest = key.partition(".denselayer")
        for part in ("norm", "relu", "conv"):
            rest = rest.replace(f".{part}1.", f".{part}.1.").replace(f".{part}2.", f".{part}.2.")
        old[f"{layer}.denselayer{rest}" if rest else key] = tensor
    assert old.keys() != new.keys()
    torch.save(old, tmp_path / "densenet121-a639ec97.pth")
    body = pretrained("densenet121", tmp_path / "densenet121-a639ec97.pth").body
    assert all(torch.equal(new[key], tensor) for key, tensor in body.items())


def test_files_of_2018_without_batch_counters_are_read(tmp_path: Path) -> None:
    state = published("resnet18").state_dict()
    torch.save({key: value for key, value in state.items() if "num_batches" not in key}, tmp_path / "old.pth")
    assert torch.equal(pretrained("resnet18", tmp_path / "old.pth").body["bn1.running_var"], state["bn1.running_var"])


def test_a_file_of_another_network_is_named_with_the_first_missing_tensor(tmp_path: Path) -> None:
    file = file_of("squeezenet1_1", tmp_path)
    with pytest.raises(InputError) as refused:
        pretrained("resnet18", file)
    assert f"{file} does not hold the weights of resnet18: conv1.weight is missing" in str(refused.value)
    with pytest.raises(InputError, match=r"features\.0\.weight has shape \(64, 3, 3, 3\), not \(96, 3, 7, 7\)"):
        pretrained("squeezenet1_0", file)


def test_one_missing_tensor_in_the_middle_is_enough(tmp_path: Path) -> None:
    state = published("resnet18").state_dict()
    del state["layer3.1.bn2.running_mean"]
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth .* layer3\.1\.bn2\.running_mean is missing"):
        pretrained("resnet18", tmp_path / "a.pth")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    state = published("squeezenet1_1").state_dict()
    state["features.3.squeeze.bias"][0] = float("nan")
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth is damaged: features\.3\.squeeze\.bias holds NaN"):
        pretrained("squeezenet1_1", tmp_path / "a.pth")


def as_pth(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_files_that_hold_no_weights_are_named_and_nothing_in_them_runs(tmp_path: Path) -> None:
    whole = as_pth(published("squeezenet1_1").state_dict())
    bomb = Bomb(tmp_path / "exploded")
    contents = [
        *(b"", b"hello", b"<html>404</html>", whole[: len(whole) // 2], whole[:-1], whole[100:]),
        *(as_pth(bomb), pickle.dumps(bomb), as_pth([torch.zeros(3)]), as_pth({"state_dict": {"a": torch.zeros(1)}})),
    ]
    for suffix in (".pth", ".safetensors"):
        for content in contents:
            path = tmp_path / f"weights{suffix}"
            path.write_bytes(content)
            with pytest.raises(InputError) as refused:
                pretrained("squeezenet1_1", path)
            assert str(path) in str(refused.value)
    assert not bomb.path.exists()
    with pytest.raises(InputError, match=r"No weights at .*gone\.pth; expected a \.pth state dict"):
        pretrained("squeezenet1_1", tmp_path / "gone.pth")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch's on a machine without a network."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_without_cache_and_network_the_wanted_file_is_named(cache: Path) -> None:
    with pytest.raises(InputError) as refused:
        pretrained("alexnet")
    message = str(refused.value)
    for part in ("alexnet-owt-7be5be79.pth", str(cache), "Name or service not known", "--weights FILE"):
        assert part in message
    assert "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth" in message


def test_the_cache_is_used_without_a_network(cache: Path) -> None:
    state = published("squeezenet1_1").state_dict()
    torch.save(state, cache / "squeezenet1_1-b8a52dc0.pth")
    assert torch.equal(pretrained("squeezenet1_1").body["features.0.weight"], state["features.0.weight"])


def test_a_damaged_cache_is_named(cache: Path) -> None:
    (cache / "squeezenet1_1-b8a52dc0.pth").write_bytes(as_pth({"a": torch.zeros(9)})[:-30])
    with pytest.raises(InputError, match=r"squeezenet1_1-b8a52dc0\.pth is damaged .*; delete it"):
        pretrained("squeezenet1_1")


def test_unknown_layers_are_refused(tmp_path: Path) -> None:
    source = pretrained("squeezenet1_1", file_of("squeezenet1_1", tmp_path))
    with pytest.raises(InputError, match="Unknown train 'tail'; expected 'head', 'last N blocks'"):
        source.transfer(make_task(), train="tail")
