"""A pre-training step and an encoding on a GPU, as a share of its own matmul rate."""

import gc
import statistics
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks._plain_autoencoder import PlainAutoencoder
from benchmarks.pretraining import fused_attention, training
from skedema.modules.autoencoder_objective import pretraining_losses
from skedema.modules.autoencoder_sizes import SIZES
from skedema.modules.masked_autoencoder import MaskedAutoencoder

DTYPES = ("bf16", "tf32", "fp32")
BATCH, LARGE = 4, (64, 32, 16)  # of the large ones the first that fits
TINY = replace(SIZES["tiny"], patch=(8, 8, 8), depth=1, decoder_depth=1)
_REPEATS, _SECONDS = 12, 4.0  # of a row, whichever is over first


class Speed:
    """What all rows share: the device, sizes, and the rates to compare with."""

    def __init__(self, rows, device: str, quick: bool) -> None:
        self.rows = rows
        self.device = torch.device(device)
        self.side, self.size = (16, TINY) if quick else (96, SIZES["base"])
        self.matmul = 256 if quick else 8192
        self.batch, self.large = (2, (3,)) if quick else (BATCH, LARGE)
        self.rates: dict[str, float] = {}
        self.seconds: dict[tuple[object, ...], float] = {}
        self.failed = 0
        torch.manual_seed(0)

    def draw(self, *shape: int) -> torch.Tensor:
        return torch.rand(*shape, device=self.device)

    def measure_rates(self) -> None:
        for dtype in DTYPES:
            kind = torch.bfloat16 if dtype == "bf16" else torch.float32
            a, b = torch.randn(2, self.matmul, self.matmul, device=self.device, dtype=kind)
            with computing_in(dtype, self.device, autocast=False):
                seconds = self.median(lambda a=a, b=b: a @ b)
            self.rates[dtype] = 2 * self.matmul**3 / seconds / 1e12
            self.rows.add(
                matmul=f"{self.matmul} cubed", dtype=dtype, **{"TFLOP/s": short(self.rates[dtype])}
            )

    def median(self, run: Callable[[], object]) -> float:
        """Time runs one by one; on a GPU by its own events."""
        on_gpu = self.device.type == "cuda"
        for _ in range(3 if on_gpu else 1):
            run()
        found, begin = [], time.perf_counter()
        while len(found) < _REPEATS and (len(found) < 3 or time.perf_counter() - begin < _SECONDS):
            if on_gpu:
                first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                first.record()
                run()
                last.record()
                torch.cuda.synchronize(self.device)
                found.append(first.elapsed_time(last) / 1e3)
            else:
                start = time.perf_counter()
                run()
                found.append(time.perf_counter() - start)
        return statistics.median(found)

    def row(self, what: str, batch: int, dtype: str, run: Callable[[], object]) -> bool:
        """Measure and tell; False where it does not fit into memory."""
        on_gpu = self.device.type == "cuda"
        try:
            with computing_in(dtype, self.device):
                mapping = fused_attention()
                with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
                    run()
                if on_gpu:
                    torch.cuda.synchronize(self.device)
                    torch.cuda.reset_peak_memory_stats(self.device)
                seconds = self.median(run)
        except torch.OutOfMemoryError:
            print(f"{what}, batch {batch}, {dtype}: more than the memory", flush=True)
            return False
        except Exception:
            traceback.print_exc()
            self.failed += 1
            return True
        rate = counter.get_total_flops() / seconds / 1e12
        self.seconds[what, batch, dtype] = seconds
        plain = self.seconds.get(("plain", batch, dtype)) if what != "encoding" else None
        self.rows.add(
            what=what,
            batch=batch,
            dtype=dtype,
            ms=short(1e3 * seconds),
            **{
                "scans/s": short(batch / seconds),
                "times plain": "" if plain is None else f"{plain / seconds:.2f}",
                "TFLOP/s": short(rate),
                "of matmul": f"{rate / self.rates[dtype]:.0%}" if dtype in self.rates else "",
                "GB": short(torch.cuda.max_memory_allocated(self.device) / 1e9) if on_gpu else "",
            },
        )
        return True

    def own_model(self, **parameters: Any) -> MaskedAutoencoder:
        return MaskedAutoencoder(1, (self.side,) * 3, self.size, **parameters).train()

    def plain_model(self) -> torch.nn.Module:
        return PlainAutoencoder(self.side, dim=self.size.dim, inner=self.size.decoder_dim)

    def measure_steps(self, what: str, model, dtype: str, batches: tuple[int, ...]) -> None:
        """Measure a step with the first batch that fits."""
        with self.here(model):
            for batch in batches:
                views = self.draw(2, batch, 1, *(self.side,) * 3)
                noise = self.draw(2, batch, (self.side // 8) ** 3)
                if self.row(what, batch, dtype, step_of(model, views, noise)):
                    return

    def measure_encoding(self, model: MaskedAutoencoder, dtype: str) -> None:
        with self.here(model):
            for batch in (1, 2 if self.batch == 2 else 16):
                volumes = self.draw(batch, 1, *(self.side,) * 3)
                encode = torch.no_grad()(lambda volumes=volumes: model.features(volumes))
                self.row("encoding", batch, dtype, encode)

    @contextmanager
    def here(self, model: torch.nn.Module):
        """Bring a model to the device, so that memory is that of one model."""
        model.to(self.device)
        try:
            yield
        finally:
            model.zero_grad(set_to_none=True)
            model.cpu()
            gc.collect()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()


def step_of(model, views, noise):
    """Make a step: two masked views, losses, backward, AdamW."""
    if isinstance(model, MaskedAutoencoder):
        return training(model, lambda: pretraining_losses(model, *views, *noise).total, fused=True)
    return training(model, lambda: model.loss(*views, *noise), fused=True)


@contextmanager
def computing_in(dtype: str, device: torch.device, autocast: bool = True):
    """Compute in float32 proper, in TF32, or in bfloat16 where that is safe."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest" if dtype == "fp32" else "high")
    torch.backends.cudnn.allow_tf32 = dtype != "fp32"
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast and dtype == "bf16"):
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def short(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def measure_all(rows, device: str, quick: bool) -> int:
    speed = Speed(rows, device, quick)
    speed.measure_rates()
    plain, own = speed.plain_model(), speed.own_model()
    cross = speed.own_model(decoder="cross", predicted_share=1 / 3)
    for dtype in DTYPES:
        speed.measure_steps("plain", plain, dtype, (speed.batch,))
        for batches in ((speed.batch,), speed.large):
            speed.measure_steps("skedema", own, dtype, batches)
            speed.measure_steps("skedema, cross decoder of a third", cross, dtype, batches)
        speed.measure_encoding(own, dtype)
    for dtype in DTYPES:
        speed.measure_steps("plain", plain, dtype, speed.large)
    return speed.failed


def measure_compiled(rows, device: str, quick: bool) -> int:
    """Measure steps whose blocks torch.compile has compiled beside the same ones without.

    All blocks of a width are compiled as one: a whole step, of 20 blocks, takes minutes to compile.
    """
    speed = Speed(rows, device, quick)
    model = speed.own_model().to(speed.device)
    backend = "aot_eager" if quick else "inductor"
    batches = (speed.batch,) if quick else (speed.batch, 32)
    before: dict[int, float] = {}
    warnings.filterwarnings("ignore", "Dynamo detected a call to a `functools.lru_cache`")
    for how in ("as it is", "compiled blocks"):
        if how != "as it is":
            for block in (*model.blocks, *model.decoder_blocks):
                block.compile(backend=backend, dynamic=False)
        for batch in batches:
            views = speed.draw(2, batch, 1, *(speed.side,) * 3)
            noise = speed.draw(2, batch, model.n_patches)
            run = step_of(model, views, noise)
            with computing_in("bf16", speed.device):
                start = time.perf_counter()
                run()
                first = time.perf_counter() - start
                seconds = speed.median(run)
            rows.add(
                **{
                    "torch.compile": how,
                    "batch": batch,
                    "dtype": "bf16",
                    "ms": short(1e3 * seconds),
                    "times as fast": f"{before[batch] / seconds:.2f}" if batch in before else "",
                    "first step s": short(first),
                }
            )
            before[batch] = seconds
    return 0
