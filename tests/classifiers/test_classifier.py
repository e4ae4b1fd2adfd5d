"""Classifiers are built from a seed, copied, written and read."""

import json
import pickle
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, build_classifier, clone, load_classifier, save_classifier
from explainfb.classifiers.networks import Architecture
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


@pytest.mark.parametrize("architecture", ANY, ids=lambda architecture: architecture.name)
def test_a_file_and_a_clone_give_back_the_classifier(architecture: Architecture, tmp_path: Path) -> None:
    """Bit for bit, layout in memory included; in evaluation mode, without a gradient, and nothing shared with the
    original, which stays as it was; what is frozen in it is frozen in a copy, and free when it is read from a file."""
    original = build_classifier(architecture, seed=3)
    original.train()(images(architecture, 8)).sum().backward()  # moves the running statistics, where there are some
    next(original.parameters()).requires_grad_(False)
    before = torch.random.get_rng_state()
    twin = clone(original)
    assert torch.equal(torch.random.get_rng_state(), before)
    save_classifier(original, tmp_path / "a.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]
    read = load_classifier(tmp_path / "a.safetensors")
    for copy in (twin, read):
        assert copy.architecture == architecture
        assert same_weights(original, copy)
        assert not any(module.training for module in copy.modules())
        assert all(weight.grad is None for weight in copy.parameters())
    assert [weight.requires_grad for weight in twin.parameters()] == [w.requires_grad for w in original.parameters()]
    assert all(weight.requires_grad for weight in read.parameters())
    assert [w.stride() for w in twin.parameters()] == [w.stride() for w in read.parameters()]
    assert torch.equal(twin(images(architecture)), read(images(architecture)))
    assert all(module.training for module in original.modules())
    assert not next(original.parameters()).requires_grad
    with torch.no_grad():
        next(twin.parameters()).add_(1)
    assert same_weights(original, read)
    assert torch.equal(original.eval()(images(architecture)), read(images(architecture)))


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


def test_torchvision_refuses_two_channels_in_words() -> None:
    with pytest.raises(InputError, match="resnet18 takes images of 1 or 3 channels; found 2"):
        build_classifier(replace(RESNET, channels=2, mean=(0.1, 0.1), std=(0.2, 0.2)))


def test_large_inputs_go_through_in_small_batches() -> None:
    assert build_classifier(LENET).comfortable_batch == 512
    assert build_classifier(replace(RESNET, resize=224)).comfortable_batch == 20
    assert build_classifier(replace(RESNET, resize=1200)).comfortable_batch == 1
