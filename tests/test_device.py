"""Devices, as far as they can be tested where there is none but the CPU."""

from __future__ import annotations

import pickle
import threading
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema._device import _rounding, device_at_hand, find_device, full_float32, on_device
from skedema._pretraining.views import ViewAugmentation
from skedema._training.net import FusionNet
from skedema.baselines import ScanFeatures
from skedema.encoders import CNN, list_encoders, make_encoder
from skedema.encoders.base import is_transformer
from skedema.fusion import CrossAttention, Perceiver, SelfAttention, list_fusions, make_fusion
from skedema.modules.autoencoder_objective import pretraining_losses
from skedema.modules.autoencoder_sizes import SIZES
from skedema.modules.fused import FusedNetwork
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.modules.pooled_encoder import PooledEncoder
from skedema.modules.tokens import ClinicalTokens, ScanTokens
from skedema.refiners import list_refiners, make_refiner

SIDE = 16
READER = VolumeReader(spacing=8, shape=SIDE)


def cohort(n: int = 12) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    scans = [rng.normal(40 + 5 * label, 10, (SIDE,) * 3) for label in y]
    X = pd.DataFrame({"scan": pd.Series(scans, dtype=object), "age": rng.normal(60, 10, n)})
    X.loc[3, "age"] = np.nan
    return X, y


def classifier(**parameters) -> AttentionMixerClassifier:
    defaults = {
        "image": "scan",
        "encoder": CNN(width=4, depth=2),
        "volume": READER,
        "dim": 8,
        "n_heads": 2,
        "max_epochs": 2,
        "random_state": 0,
    }
    return AttentionMixerClassifier(**(defaults | parameters))


def autoencoder(**parameters) -> ViTAutoencoder:
    defaults = {"size": "tiny", "volume": READER, "max_epochs": 1, "random_state": 0}
    return ViTAutoencoder(**(defaults | parameters))


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_auto_takes_a_gpu_if_there_is_one(two_gpus):
    assert find_device("auto") == torch.device("cuda")
    assert find_device("cuda:1") == torch.device("cuda:1")
    assert find_device(torch.device("cuda", 0)) == torch.device("cuda:0")


def test_a_device_that_is_not_there_is_refused_with_what_there_is(two_gpus):
    with pytest.raises(
        ValueError,
        match=r"device='cuda:2' is not on this machine.* finds 2, from 0 on\. Give .*'auto'",
    ):
        find_device("cuda:2")
    assert device_at_hand("cuda:2") == torch.device("cuda")


@pytest.mark.parametrize("device", ["cuda", "cuda:0", torch.device("cuda:1"), "meta"])
def test_without_a_gpu_none_is_taken(no_cuda, device):
    with pytest.raises(ValueError, match=r"is not on this machine: .* finds none"):
        find_device(device)
    assert find_device("auto") == device_at_hand(device) == torch.device("cpu")


@pytest.mark.parametrize("make", [classifier, autoencoder])
def test_a_missing_device_is_told_before_a_scan_is_read(no_cuda, make, monkeypatch):
    def read(*_, **__):
        raise AssertionError("read")

    monkeypatch.setattr("skedema.scans.reader.VolumeReader.transform", read)
    monkeypatch.setattr("skedema.scans.cache.VolumeCache.get", read, raising=False)
    X, y = cohort()
    given = (X, y) if make is classifier else (list(X["scan"]),)
    with pytest.raises(ValueError, match="device='cuda' is not on this machine"):
        make(device="cuda").fit(*given)


def test_the_remedy_for_a_missing_device_works(no_cuda):
    X, y = cohort()
    model = classifier(device="cuda:3")
    with pytest.raises(ValueError, match="device='auto'"):
        model.fit(X, y)
    assert model.set_params(device="auto").fit(X, y).predict_proba(X).shape == (12, 2)


# A file that was pickled on a machine with a GPU: torch writes into it where each
# tensor lay, and here that all that the model holds lay there.


@pytest.fixture
def pickled_on_a_gpu(monkeypatch):
    def dumps(model, modules, *nets) -> bytes:
        there = {
            tensor.untyped_storage().data_ptr()
            for module in modules
            for tensor in (*module.parameters(), *module.buffers())
        }
        for net in nets:
            net.device = torch.device("cuda")
            for moments in net.optimizer_.state.values():
                there |= {value.untyped_storage().data_ptr() for value in moments.values()}
        tag = torch.serialization.location_tag

        def tagged(storage):
            return "cuda:0" if storage.data_ptr() in there else tag(storage)

        with monkeypatch.context() as patch:
            patch.setattr(torch.serialization, "location_tag", tagged)
            return pickle.dumps(model)

    return dumps


def test_the_files_of_these_tests_are_those_of_a_gpu(no_cuda, pickled_on_a_gpu):
    module = torch.nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        pickle.loads(pickled_on_a_gpu(module, [module]))


@pytest.mark.parametrize("device", ["auto", "cuda:0"])
@pytest.mark.parametrize("parameters", [{"fine_tune": True}, {"fine_tune": False}])
def test_a_model_of_a_gpu_predicts_where_there_is_none(
    no_cuda, pickled_on_a_gpu, device, parameters
):
    X, y = cohort()
    model = classifier(warm_start=True, **parameters).fit(X, y)
    expected = model.predict_proba(X)
    model.device = device
    modules = [model.net_.module_]  # an encoder that is fixed stays on the CPU
    found = pickle.loads(pickled_on_a_gpu(model, modules, model.net_))
    np.testing.assert_array_equal(found.predict_proba(X), expected)
    np.testing.assert_array_equal(found.attention(X), model.set_params(device="cpu").attention(X))
    found.set_params(device="auto").fit(X, y)  # goes on, with the optimizer's moments
    assert found.n_iter_ == 4


def test_features_of_a_gpu_are_computed_where_there_is_none(no_cuda, pickled_on_a_gpu):
    X, _ = cohort()
    features = ScanFeatures(image="scan", encoder=CNN(width=4, depth=2), volume=READER)
    expected = features.set_params(random_state=0).fit_transform(X)
    features.device = "cuda"
    found = pickle.loads(pickled_on_a_gpu(features, []))  # it stays on the CPU
    np.testing.assert_array_equal(found.transform(X), expected)


def test_an_autoencoder_of_a_gpu_describes_scans_where_there_is_none(no_cuda):
    scans = list(cohort()[0]["scan"])
    fitted = autoencoder().fit(scans)
    expected = fitted.transform(scans), fitted.reconstruct(scans)
    fitted.set_params(device="cuda:0")
    for found in (fitted, pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(found.transform(scans), expected[0])
        np.testing.assert_array_equal(found.reconstruct(scans), expected[1])
    with pytest.raises(ValueError, match="device='cuda:0' is not on this machine"):
        fitted.partial_fit(scans)


def test_a_model_moves_when_its_device_is_changed(monkeypatch):
    X, y = cohort()
    model = classifier(warm_start=True).fit(X, y)
    moved = []
    monkeypatch.setattr(FusionNet, "move_to", lambda self, device: moved.append(device))
    model.set_params(device="cpu:0").predict_proba(X)
    model.fit(X, y)
    model.partial_fit(X, y)
    assert moved == [torch.device("cpu:0")] * 3


def test_a_net_that_moves_goes_on_as_it_would_have():
    X, y = cohort()
    stays = classifier(warm_start=True).fit(X, y)
    moves = pickle.loads(pickle.dumps(stays))
    moves.set_params(device="cpu:0")  # another place by name
    for _ in range(2):
        np.testing.assert_array_equal(
            moves.fit(X, y).predict_proba(X), stays.fit(X, y).predict_proba(X)
        )
    assert moves.net_.device == torch.device("cpu:0")


def test_only_what_is_elsewhere_is_copied():
    module = torch.nn.Linear(2, 2)
    assert on_device(module, torch.device("cpu:0")) is module
    with pytest.raises(NotImplementedError, match="meta tensor"):  # so it tried
        on_device(module.to("meta"), torch.device("cpu"))


def test_no_rounding_to_tf32_while_features_are_computed():
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = matmul.fp32_precision, conv.fp32_precision
    assert "tf32" in before
    with full_float32(torch.device("cuda")):
        assert (matmul.fp32_precision, conv.fp32_precision) == ("ieee", "ieee")
    assert (matmul.fp32_precision, conv.fp32_precision) == before
    with full_float32(torch.device("cpu")):
        assert (matmul.fp32_precision, conv.fp32_precision) == before


def test_who_asks_by_the_older_name_gets_an_answer():
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, _rounding()
    with full_float32(torch.device("cuda")):
        assert not cudnn.allow_tf32
    assert (cudnn.allow_tf32, _rounding()) == before


def test_settings_by_the_newer_name_alone_stay():
    conv = torch.backends.cudnn.conv
    before = conv.fp32_precision
    conv.fp32_precision = "ieee"
    try:
        set_by_hand = _rounding()
        with full_float32(torch.device("cuda")):
            assert _rounding()[1:] == ["ieee"] * 3
        assert _rounding()[1:] == set_by_hand[1:]
    finally:
        conv.fp32_precision = before
        torch.backends.cudnn.allow_tf32 = before == "tf32"


def test_a_thread_that_leaves_takes_no_precision_from_another():
    entered, left, seen = threading.Event(), threading.Event(), []

    def stay_longer() -> None:
        with full_float32(torch.device("cuda")):
            entered.set()
            left.wait(60)
            seen.append(_rounding())

    before = _rounding()
    thread = threading.Thread(target=stay_longer)
    with full_float32(torch.device("cuda")):
        exact = _rounding()
        thread.start()
        assert entered.wait(60)
    left.set()
    thread.join()
    assert seen == [exact] != [before]
    assert _rounding() == before


# Every part on a device that is not the CPU: torch's meta device computes shapes alone. A GPU
# refuses an operation on tensors of two devices; here a mode does.

ELSEWHERE = torch.device("meta")
_MAY_MIX = {"aten::_to_copy", "aten::copy_", "aten::index.Tensor"}  # on a GPU as well


class OneDevice(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor) and t.ndim]
        if len({t.device for t in tensors}) > 1 and func.name() not in _MAY_MIX:
            raise RuntimeError(f"{func.name()} on tensors of two devices")
        return func(*args, **(kwargs or {}))


@pytest.fixture
def one_device(monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # knows no such device
    with OneDevice():
        yield


def test_devices_cannot_be_mixed_in_these_tests(one_device):
    for name in ("add", "matmul", "stack", "where"):
        there, here = torch.ones(2, 2, device=ELSEWHERE), torch.ones(2, 2)
        given = {"stack": ([there, here],), "where": (there > 0, there, here)}
        with pytest.raises(RuntimeError, match=r"two devices|same device"):
            getattr(torch, name)(*given.get(name, (there, here)))


def train_a_step(network, *inputs, **named):
    loss = sum(part.float().square().mean() for part in _tensors(network(*inputs, **named)))
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is None or parameter.grad.device == ELSEWHERE, name
    return loss


def _tensors(found):
    return [part for part in (found if isinstance(found, tuple) else (found,)) if part is not None]


def fused(fusion, refiner="mixer", encoder=None, n_tokens=3, n_features=6):
    dim, n_variables = 8, 2
    mix = make_fusion(fusion).build(
        dim=dim, n_heads=2, n_queries=n_tokens, n_variables=n_variables, dropout=0.1
    )
    refine = make_refiner(refiner)
    return FusedNetwork(
        encoder,
        ScanTokens(n_features, dim, 0.1),
        ClinicalTokens([0, 3], dim, [True, False]),
        mix,
        torch.nn.Identity()
        if refine is None
        else refine.build(dim=dim, n_tokens=mix.n_tokens, depth=1, dropout=0.1),
        dim,
        2,
        0.1,
        token_dropout=0.1,
        modality_dropout=0.0,
    )


FUSIONS = [
    *list_fusions(),
    CrossAttention(query="tokens", missing="mask"),
    CrossAttention(keys="table"),
    SelfAttention(missing="mask"),
    Perceiver(missing="mask"),
]


@pytest.mark.parametrize("refiner", [*list_refiners(), None])
@pytest.mark.parametrize("fusion", FUSIONS, ids=str)
def test_every_fusion_and_refiner_keeps_to_its_device(one_device, fusion, refiner):
    network = fused(fusion, refiner).to(ELSEWHERE)
    clinical = torch.rand(4, 2, device=ELSEWHERE)
    present = torch.ones(4, dtype=torch.bool, device=ELSEWHERE)
    train_a_step(network, clinical, present, torch.rand(4, 3, 6, device=ELSEWHERE))
    network.eval()
    network.fuse(clinical, present, torch.rand(4, 3, 6, device=ELSEWHERE))


# "density" is no network.
@pytest.mark.parametrize("name", [name for name in list_encoders() if name != "density"])
def test_every_encoder_keeps_to_its_device(one_device, name):
    encoder = make_encoder(name)
    volumes = torch.rand(2, 1, 32, 32, 32, device=ELSEWHERE)
    if is_transformer(encoder):
        for pool in ("mean", "cls", "patches", "tokens"):
            module = MaskedAutoencoder(1, (32, 32, 32), SIZES["tiny"])
            train_a_step(PooledEncoder(module, pool).to(ELSEWHERE), volumes)
    else:
        train_a_step(encoder.build(in_channels=1, shape=(32, 32, 32)).to(ELSEWHERE), volumes)


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("shape", [(16, 16, 16), (16, 18, 13)])
def test_pretraining_keeps_to_its_device(one_device, shape, compat):
    norm = "batch" if compat else "layer"
    module = MaskedAutoencoder(1, shape, SIZES["tiny"], predictor_norm=norm).to(ELSEWHERE)
    module.standardize.set([0.5], [0.2])
    views = torch.rand(2, 4, 1, *shape, device=ELSEWHERE)
    noise = torch.rand(2, 4, module.n_patches, device=ELSEWHERE)
    losses = pretraining_losses(module, *views, *noise, reference_compat=compat)
    losses.total.backward()
    assert all(p.grad.device == ELSEWHERE for p in module.parameters())
    rebuilt = module.reconstruct(views[0], noise[0])
    assert rebuilt.device == ELSEWHERE


def test_pretraining_with_the_cross_decoder_keeps_to_its_device(one_device):
    parameters = {"decoder": "cross", "predicted_share": 0.4}
    module = MaskedAutoencoder(1, (16, 18, 13), SIZES["tiny"], **parameters).to(ELSEWHERE)
    views = torch.rand(2, 4, 1, 16, 18, 13, device=ELSEWHERE)
    noise = torch.rand(2, 4, module.n_patches, device=ELSEWHERE)
    pretraining_losses(module, *views, *noise).total.backward()
    assert all(p.grad.device == ELSEWHERE for p in module.parameters())
    assert module.reconstruct(views[0], noise[0]).device == ELSEWHERE


def test_views_are_made_on_their_device(one_device, monkeypatch):
    class Generator:
        device = ELSEWHERE

    for name in ("rand", "randn", "randint"):  # a generator of a ELSEWHERE needs one
        monkeypatch.setattr(torch, name, _without_generator(getattr(torch, name)))
    volumes = torch.rand(2, 1, 8, 8, 8, device=ELSEWHERE)
    for ranges in ((), ((0.0, 80.0),)):
        for view in ViewAugmentation().pair(volumes, ranges, Generator()):
            assert view.device == ELSEWHERE


def _without_generator(draw):
    def drawn(*args, generator=None, **kwargs):
        return draw(*args, **kwargs)

    return drawn
