import json
import pickle
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, build_classifier, clone, load_classifier, save_classifier
from explainfb.classifiers.networks import BUILDERS, Architecture, classifier_names, lenet
from explainfb.core.devices import resolve_device
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator

LENET = Architecture("lenet", classes=10, channels=1, height=28, width=28, mean=(0.13,), std=(0.31,))
RESNET = replace(LENET, name="resnet18", classes=4)
ANY = [
    LENET,
    replace(LENET, channels=3, height=33, width=20, mean=(0.1, 0.2, 0.3), std=(0.3, 0.2, 0.1)),
    replace(LENET, name="mlp"),
    replace(LENET, name="pooled_lenet"),
    replace(LENET, name="pooled_lenet", channels=2, height=16, width=37, mean=(0.1, 0.2), std=(0.2, 0.1)),
    RESNET,
    replace(LENET, name="squeezenet1_1", height=40, width=40, interpolation="bicubic", resize=64),
    replace(LENET, name="mnasnet0_5", resize=64),
]


def images(architecture: Architecture, count: int = 3) -> Tensor:
    shape = (count, architecture.channels, architecture.height, architecture.width)
    return torch.rand(shape, generator=torch_generator(0, "images"))


def same_weights(left: Classifier, right: Classifier) -> bool:
    ours, theirs = left.state_dict(), right.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("architecture", ANY, ids=lambda architecture: architecture.name)
def test_images_become_logits(architecture: Architecture) -> None:
    logits = build_classifier(architecture)(images(architecture))
    assert logits.shape == (3, architecture.classes)
    assert logits.isfinite().all()
    assert not torch.allclose(logits.sum(1), torch.ones(3), atol=1e-2)


@pytest.mark.parametrize(("name", "weights"), [("lenet", 114_314), ("mlp", 41_090), ("pooled_lenet", 233_196)])
def test_our_networks_have_as_many_weights_as_they_say(name: str, weights: int) -> None:
    assert sum(parameter.numel() for parameter in build_classifier(replace(LENET, name=name)).parameters()) == weights
    assert f"{weights:,} weights on 28×28" in str(BUILDERS[name].__doc__)


def test_pooled_lenet_is_two_pooled_convolutions() -> None:
    classifier = build_classifier(replace(LENET, name="pooled_lenet"))
    first, second, hidden, last = (layer for layer in classifier.network if hasattr(layer, "weight"))
    found = (images(LENET) - 0.13) / 0.31
    for convolution in (first, second):
        found = F.max_pool2d(F.relu(F.conv2d(found, convolution.weight, convolution.bias)), 2, 2)
    assert found.shape == (3, 50, 4, 4)
    found = F.relu(found.reshape(3, 800) @ hidden.weight.T + hidden.bias) @ last.weight.T + last.bias
    torch.testing.assert_close(classifier(images(LENET)), found)


def test_pooled_lenet_refuses_what_its_pooling_would_leave_nothing_of() -> None:
    with pytest.raises(InputError, match="pooled_lenet takes images of at least 16×16 pixels; found 28×15"):
        build_classifier(replace(LENET, name="pooled_lenet", width=15))


def test_normalisation_happens_inside() -> None:
    classifier = build_classifier(LENET)
    batch = images(LENET)
    assert torch.equal(classifier(batch), classifier.network((batch - 0.13) / 0.31))


def test_build_depends_on_the_seed_alone_and_leaves_the_global_state() -> None:
    before = torch.random.get_rng_state()
    first = build_classifier(RESNET, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(7)
    assert same_weights(first, build_classifier(RESNET, seed=1))
    assert not same_weights(first, build_classifier(RESNET, seed=2))
    assert not first.training


def test_the_global_state_would_have_moved_without_care() -> None:
    before = torch.random.get_rng_state()
    lenet(LENET)
    assert not torch.equal(torch.random.get_rng_state(), before)


def test_a_clone_shares_nothing_but_its_values() -> None:
    original = build_classifier(RESNET, seed=3)
    original.requires_grad_(False)
    twin = clone(original)
    assert same_weights(original, twin)
    assert all(parameter.requires_grad for parameter in twin.parameters())
    with torch.no_grad():
        next(iter(twin.parameters())).add_(1)
    assert not same_weights(original, twin)


@pytest.mark.parametrize("architecture", ANY, ids=lambda architecture: architecture.name)
def test_a_clone_is_what_its_file_would_give_and_leaves_the_original(
    architecture: Architecture, tmp_path: Path
) -> None:
    """Bit for bit, layout in memory included; in evaluation mode, every weight free and without a gradient."""
    original = build_classifier(architecture, seed=3)
    original.train()(images(architecture, 8)).sum().backward()
    next(original.parameters()).requires_grad_(False)
    before = torch.random.get_rng_state()
    twin = clone(original)
    assert torch.equal(torch.random.get_rng_state(), before)
    save_classifier(original, tmp_path / "a.safetensors")
    read = load_classifier(tmp_path / "a.safetensors")
    assert twin.architecture == read.architecture
    assert same_weights(twin, read)
    assert [w.stride() for w in twin.parameters()] == [w.stride() for w in read.parameters()]
    assert torch.equal(twin(images(architecture)), read(images(architecture)))
    assert not any(module.training for module in twin.modules())
    assert all(weight.requires_grad and weight.grad is None for weight in twin.parameters())
    assert all(module.training for module in original.modules())
    assert not next(original.parameters()).requires_grad


@pytest.mark.parametrize("architecture", ANY, ids=lambda architecture: architecture.name)
def test_a_classifier_comes_back_from_its_file_bit_for_bit(architecture: Architecture, tmp_path: Path) -> None:
    classifier = build_classifier(architecture, seed=3)
    classifier.train()(images(architecture, 8))  # moves the running statistics, where there are some
    save_classifier(classifier, tmp_path / "a.safetensors")
    back = load_classifier(tmp_path / "a.safetensors")
    assert back.architecture == architecture
    assert same_weights(classifier, back)
    assert torch.equal(classifier.eval()(images(architecture)), back(images(architecture)))
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_neither_saving_nor_loading_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("a pickle was touched")

    for owner, name in [(pickle, "load"), (pickle, "dump"), (pickle, "loads"), (pickle, "dumps")]:
        monkeypatch.setattr(owner, name, forbidden)
    monkeypatch.setattr(torch, "save", forbidden)
    monkeypatch.setattr(torch, "load", forbidden)
    path = tmp_path / "a.safetensors"
    save_classifier(build_classifier(LENET), path)
    load_classifier(path)
    header_size = struct.unpack("<Q", path.read_bytes()[:8])[0]
    assert json.loads(path.read_bytes()[8 : 8 + header_size])["__metadata__"].keys() == {"architecture"}


class Bomb:
    """What a pickle can do to whoever reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_a_pickle_in_place_of_a_classifier_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "round-0.safetensors"
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    with pytest.raises(InputError, match=r"round-0\.safetensors is damaged"):
        load_classifier(path)
    assert not (tmp_path / "exploded").exists()


def test_every_kind_of_damage_is_refused_by_the_files_name(tmp_path: Path) -> None:
    path = tmp_path / "round-2.safetensors"
    save_classifier(build_classifier(LENET), path)
    whole = path.read_bytes()
    size = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + size])

    def with_architecture(**changes: Any) -> bytes:
        fields = json.loads(header["__metadata__"]["architecture"]) | changes
        text = json.dumps(header | {"__metadata__": {"architecture": json.dumps(fields)}}).encode()
        return struct.pack("<Q", len(text)) + text + whole[8 + size :]

    assert with_architecture()
    path.write_bytes(with_architecture())
    load_classifier(path)
    damaged = [
        b"",
        whole[:5],
        whole[: 8 + size // 2],
        whole[:-1],
        whole + b"\0",
        b"\xff" * 8 + whole[8:],
        with_architecture(name="lenot"),
        with_architecture(classes=11),
        with_architecture(colour="red"),
        with_architecture(mean=3),
        whole.replace(b"__metadata__", b"__metadato__"),
    ]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(InputError) as refused:
            load_classifier(path)
        assert str(path) in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No classifier at .*round-9\.safetensors"):
        load_classifier(tmp_path / "round-9.safetensors")


def test_a_file_that_cannot_be_written_is_named_and_the_old_one_stays(tmp_path: Path) -> None:
    (tmp_path / "nowhere").write_text("no folder")
    with pytest.raises(InputError, match=r"nowhere.a\.safetensors cannot be written"):
        save_classifier(build_classifier(LENET), tmp_path / "nowhere" / "a.safetensors")
    path = tmp_path / "a.safetensors"
    save_classifier(build_classifier(LENET), path)
    before = path.read_bytes()
    (tmp_path / "a.safetensors.partial").mkdir()
    with pytest.raises(InputError, match=r"a\.safetensors cannot be written"):
        save_classifier(build_classifier(LENET, seed=1), path)
    assert path.read_bytes() == before


def test_an_unknown_classifier_gets_the_nearest_name() -> None:
    with pytest.raises(InputError, match="Unknown classifier 'resnet-18'; did you mean 'resnet18'"):
        build_classifier(replace(LENET, name="resnet-18"))
    assert {"lenet", "mlp", "pooled_lenet", "alexnet", "vit_b_16"} <= set(classifier_names())
    assert not any("rcnn" in name or "raft" in name or "video" in name for name in classifier_names())


def test_torchvision_refuses_two_channels_in_words() -> None:
    with pytest.raises(InputError, match="resnet18 takes images of 1 or 3 channels; found 2"):
        build_classifier(replace(RESNET, channels=2, mean=(0.1, 0.1), std=(0.2, 0.2)))


def test_large_inputs_go_through_in_small_batches() -> None:
    assert build_classifier(LENET).comfortable_batch == 512
    assert build_classifier(replace(RESNET, resize=224)).comfortable_batch == 20
    assert build_classifier(replace(RESNET, resize=1200)).comfortable_batch == 1


def test_auto_is_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [resolve_device(name).type for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [resolve_device(name).type for name in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(InputError, match="finds no CUDA device here; use --device auto or cpu"):
        resolve_device("cuda")
    with pytest.raises(InputError, match="Unknown device 'gpu'; expected one of auto, cpu, cuda"):
        resolve_device("gpu")  # type: ignore[arg-type]
