from __future__ import annotations

import socket

import pytest

import skedema
from skedema.encoders import MonaiEncoder
from skedema.persistence import ModelFileError

from ._models import again, load_parts

pytest.importorskip("monai")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("resnet10", {"pretrained": True}),
        ("EfficientNetBN", {"model_name": "efficientnet-b0"}),  # where True is the default
        ("ResNetFeatures", {"model_name": "resnet10"}),
        ("MILModel", {}),
    ],
)
def test_a_network_that_reads_weights_is_neither_written_nor_made(name, arguments, tmp_path):
    encoder = MonaiEncoder(name, arguments=arguments)
    message = "pretrained reads weights from elsewhere"
    with pytest.raises(ModelFileError, match=message):
        skedema.save(encoder, tmp_path / "model.skedema")
    fields = {"name": name, "dim": 4, "arguments": {"dict": list(arguments.items())}}
    with pytest.raises(ModelFileError, match=message):
        load_parts(tmp_path, ["skedema.MonaiEncoder", fields])
    # The remedy.
    encoder.set_params(arguments=arguments | {"pretrained": False})
    assert again(encoder, tmp_path).get_params() == encoder.get_params()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("get_pretrained_resnet_medicalnet", {"resnet_depth": 10}),
        ("BlockArgs", {}),
        ("Transchex", {}),
        ("__loader__", {}),
    ],
)
def test_what_is_no_image_network_is_never_called(name, arguments, tmp_path):
    encoder = {"name": name, "dim": 4, "arguments": {"dict": list(arguments.items())}}
    sizes = {"dict": [["in_channels", 1], ["shape", {"tuple": [32, 32, 32]}]]}
    built = {"plugin": {"object": 0}, "arguments": sizes}
    with pytest.raises(ModelFileError, match="an encoder of MONAI, and"):
        load_parts(tmp_path, ["skedema.MonaiEncoder", encoder], ["module.built", built])


def test_what_saves_memory_in_training_reads_nothing(tmp_path):
    encoder = MonaiEncoder("SwinUNETR", arguments={"use_checkpoint": True})
    assert again(encoder, tmp_path).arguments == {"use_checkpoint": True}
