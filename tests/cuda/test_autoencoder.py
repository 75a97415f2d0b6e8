"""Pre-training and features on a GPU, beside the CPU."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from skedema import VolumeReader
from skedema._pretraining.loop import Training
from skedema.modules.autoencoder_objective import pretraining_losses
from skedema.modules.autoencoder_sizes import SIZES
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.modules.transformer import attend

pytestmark = pytest.mark.cuda


def weights_of(estimator) -> np.ndarray:
    return np.concatenate([v.ravel().numpy() for v in estimator.module_.state_dict().values()])


class Killed(Exception):
    pass


@pytest.fixture
def kill_after(monkeypatch):
    """Let a fit die after so many steps."""

    def kill(n_steps: int) -> None:
        step = Training.step

        def counted(self, rows):
            if self.n_steps_done == n_steps:
                monkeypatch.setattr(Training, "step", step)
                raise Killed
            return step(self, rows)

        monkeypatch.setattr(Training, "step", counted)

    return kill


def compare_losses(module, gpu, **parameters):
    views = torch.rand(2, 3, 2, *module.patches.shape)
    noise = torch.rand(2, 3, module.n_patches)
    found = []
    for device in ("cpu", gpu):
        module.zero_grad()
        module.to(device)
        losses = pretraining_losses(module, *views.to(device), *noise.to(device), **parameters)
        losses.total.backward()
        gradient = torch.cat([p.grad.flatten().cpu() for p in module.parameters()])
        found.append((torch.stack(losses).detach().cpu(), gradient))
    (expected, gradient), (losses, other) = found
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-6)
    assert (other - gradient).norm() <= 1e-4 * gradient.norm()


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("shape", [(32, 32, 32), (20, 22, 18)])
def test_losses_and_gradients_are_those_of_the_cpu(gpu, shape, compat):
    torch.manual_seed(0)
    norm = "batch" if compat else "layer"
    module = MaskedAutoencoder(2, shape, SIZES["tiny"], predictor_norm=norm)
    compare_losses(module, gpu, reference_compat=compat)


@pytest.mark.parametrize("shape", [(32, 32, 32), (20, 22, 18)])
def test_those_of_the_cross_decoder_are_those_of_the_cpu(gpu, shape):
    torch.manual_seed(0)
    parameters = {"decoder": "cross", "predicted_share": 0.4}
    compare_losses(MaskedAutoencoder(2, shape, SIZES["tiny"], **parameters), gpu)


@pytest.mark.parametrize("length", [20, 300])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_attention_is_that_of_the_cpu(gpu, length, masked, dtype):
    torch.manual_seed(0)
    parts = torch.randn(3, 2, 4, length, 32, dtype=torch.float64)
    shown = torch.rand(2, length) < 0.5
    shown[:, 0] = True
    expected = attend(*parts, shown if masked else None)
    found = attend(*parts.to(gpu, dtype), shown.to(gpu) if masked else None)
    most = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float64: 1e-12}[dtype]
    torch.testing.assert_close(found.cpu().double(), expected, rtol=0, atol=most)


@pytest.mark.parametrize("pool", ["mean", "cls", "patches"])
def test_features_are_those_of_the_cpu(autoencoder, gpu, scans, pool):
    model = autoencoder(device=gpu, pool=pool).fit(scans)
    for give in (model.transform, model.transform_mirrored, model.reconstruct):
        there = give(scans)
        model.set_params(device="cpu")
        np.testing.assert_allclose(there, give(scans), rtol=1e-4, atol=1e-4)
        model.set_params(device=gpu)
    assert all(tensor.device.type == "cpu" for tensor in model.module_.state_dict().values())


def test_digests_tell_kinds_of_device_apart(autoencoder, real_gpu, scans):
    model = autoencoder(device=real_gpu).fit(scans)
    there = model.features_digest()
    assert model.set_params(device="cuda:0").features_digest() == there
    assert model.set_params(device="cpu").features_digest() != there


def test_features_do_not_depend_on_tf32(autoencoder, real_gpu, scans):
    model = autoencoder(device=real_gpu).fit(scans)
    expected = model.transform(scans)
    for name in ("cuda.matmul", "cudnn.conv"):
        settings = torch.backends
        for part in name.split("."):
            settings = getattr(settings, part)
        settings.fp32_precision = "tf32"
    from skedema._features import features

    features.clear()
    np.testing.assert_array_equal(model.transform(scans), expected)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"reference_compat": True},
        {"augment": False},
        {"decoder": "cross", "predicted_share": 0.4},
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_pretraining_learns(autoencoder, gpu, scans, dtype, parameters):
    model = autoencoder(device=gpu, dtype=dtype, max_epochs=12, batch_size=4, **parameters)
    losses = model.fit(scans).history_["reconstruction"]
    assert np.isfinite(model.history_.to_numpy()).all()
    assert losses.iloc[-1] < losses.iloc[0]
    assert np.isfinite(model.transform(scans)).all()


def test_bfloat16_is_near_float32(autoencoder, gpu, scans):
    found = [
        autoencoder(device=gpu, dtype=dtype, max_epochs=2).fit(scans).history_
        for dtype in ("float32", "bfloat16")
    ]
    for part in ("reconstruction", "edge"):
        np.testing.assert_allclose(found[1][part], found[0][part], rtol=0.05)


def test_auto_is_bfloat16_where_the_gpu_has_it(autoencoder, real_gpu, scans, monkeypatch):
    seen = []
    step = Training.step

    def look(self, rows):
        seen.append(self.dtype)
        return step(self, rows)

    monkeypatch.setattr(Training, "step", look)
    autoencoder(device=real_gpu, dtype="auto", max_epochs=1).fit(scans)
    fast = torch.cuda.is_bf16_supported(including_emulation=False)
    assert set(seen) == {torch.bfloat16 if fast else torch.float32}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_killed_pretraining_goes_on_to_what_it_would_have_been(
    autoencoder, gpu, scans, tmp_path, kill_after, dtype, deterministic
):
    settings = {"device": gpu, "dtype": dtype, "checkpoint_minutes": 0, "max_epochs": 4}
    undisturbed = autoencoder(**settings).fit(scans)
    kill_after(7)  # in the third epoch, of three steps each
    with pytest.raises(Killed):
        autoencoder(checkpoint_dir=tmp_path / "run", **settings).fit(scans)
    model = autoencoder(checkpoint_dir=tmp_path / "run", **settings).fit(scans)
    np.testing.assert_array_equal(weights_of(model), weights_of(undisturbed))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_pretraining_goes_on_on_the_cpu(autoencoder, gpu, scans, tmp_path, kill_after, dtype):
    model = autoencoder(
        device=gpu, dtype=dtype, checkpoint_dir=tmp_path / "run", checkpoint_minutes=0
    )
    kill_after(7)
    with pytest.raises(Killed):
        model.fit(scans)
    assert model.set_params(device="cpu").fit(scans).n_iter_ == 3
    assert np.isfinite(weights_of(model)).all()


def test_a_pretraining_of_the_cpu_goes_on_there(autoencoder, gpu, scans, tmp_path, kill_after):
    model = autoencoder(device="cpu", checkpoint_dir=tmp_path / "run", checkpoint_minutes=0)
    kill_after(4)
    with pytest.raises(Killed):
        model.fit(scans)
    assert model.set_params(device=gpu).fit(scans).n_iter_ == 3


@pytest.mark.parametrize("parameters", [{}, {"dtype": "bfloat16"}, {"reference_compat": True}])
def test_two_pretrainings_are_equal_with_deterministic_operations(
    autoencoder, gpu, scans, deterministic, parameters
):
    made = [weights_of(autoencoder(device=gpu, **parameters).fit(scans)) for _ in range(2)]
    np.testing.assert_array_equal(made[1], made[0])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_two_pretrainings_are_alike(autoencoder, gpu, scans, dtype):
    made = [autoencoder(device=gpu, dtype=dtype).fit(scans) for _ in range(2)]
    off = np.abs(weights_of(made[1]) - weights_of(made[0])).max()
    print(f"weights off by {off:.1e}")
    np.testing.assert_allclose(
        made[1].history_["reconstruction"], made[0].history_["reconstruction"], rtol=1e-2
    )


def test_warm_start_and_partial_fit_take_the_optimizer_along(autoencoder, gpu, scans):
    model = autoencoder(device=gpu, warm_start=True, max_epochs=1).fit(scans)
    model = pickle.loads(pickle.dumps(model))
    model.fit(scans).set_params(device="cpu").fit(scans).set_params(device=gpu).partial_fit(scans)
    assert model.n_iter_ == 4
    assert np.isfinite(model.transform(scans)).all()


def test_pickled_it_gives_the_same_features(autoencoder, gpu, scans):
    model = autoencoder(device=gpu, warm_start=True).fit(scans)
    found = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(found.transform(scans), model.transform(scans))


def test_the_generators_of_the_gpu_go_on_as_if_nothing_had_been(autoencoder, real_gpu, scans):
    torch.manual_seed(3)
    expected = torch.rand(3, device=real_gpu)
    torch.manual_seed(3)
    autoencoder(device=real_gpu).fit(scans).transform(scans)
    assert torch.equal(torch.rand(3, device=real_gpu), expected)


def test_the_cost_tells_the_memory_of_the_gpu(autoencoder, real_gpu, scans):
    cost = autoencoder(device=real_gpu).estimate(scans)
    assert 4 * cost.n_parameters * 4 <= cost.memory < 2**32
    assert cost.seconds_per_step > 0


def test_rows_of_numbers_and_other_shapes(autoencoder, gpu):
    reader = VolumeReader(spacing=8, shape=(12, 14, 9))
    rows = np.random.default_rng(0).random((6, 12 * 14 * 9), dtype=np.float32)
    model = autoencoder(device=gpu, volume=reader, max_epochs=1).fit(rows)
    there = model.transform(rows)
    np.testing.assert_allclose(there, model.set_params(device="cpu").transform(rows), atol=1e-4)
