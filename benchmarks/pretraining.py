"""A pre-training step and an encoding: skedema, a textbook writing, MONAI.

    python -m benchmarks.pretraining [--threads 2] [--steps 3] [--sides 64 96]
    python -m benchmarks.pretraining --decoders [--batches 1 4]

Base size (768/12/12 and 512/8/16, patch 8), batch 4, one channel. A step is two masked views,
losses, backward and AdamW. Each row runs in a process of its own, so that its peak memory is its
own; the rows are comparable by their ratios. MONAI's masked autoencoder has no second view and no
edge loss, so it does less work than the others.

`--decoders` compares steps of skedema's own decoders instead, one step of each after the other in
one process, by seconds of the processor, which a busy machine tells better than the clock.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from itertools import product
from typing import Any

SIDES, BATCH = (64, 96), 4
COMPETITORS = ("skedema", "plain", "monai")
DECODERS: dict[str, dict[str, Any]] = {
    "self": {},
    "cross": {"decoder": "cross"},
    "cross, a third": {"decoder": "cross", "predicted_share": 1 / 3},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3, help="counted, after one warm-up")
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES)
    parser.add_argument("--child", nargs=3, metavar=("WHO", "SIDE", "DTYPE"))
    parser.add_argument("--decoders", action="store_true", help="compare these, and nothing else")
    parser.add_argument("--batches", type=int, nargs="+", default=(1, 4), help="with --decoders")
    arguments = parser.parse_args()
    if arguments.decoders:
        return compare_decoders(arguments)
    if arguments.child:
        who, side, dtype = arguments.child
        print(json.dumps(measure(who, int(side), dtype, arguments.steps, arguments.threads)))
        return

    def run(who: str, side: int, dtype: str, steps: int = arguments.steps) -> dict[str, Any]:
        command = [sys.executable, "-m", "benchmarks.pretraining", "--child", who, str(side), dtype]
        command += ["--steps", str(steps), "--threads", str(arguments.threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return {"error": done.stderr.strip().splitlines()[-1]}
        return dict(json.loads(done.stdout.splitlines()[-1]))

    rate = {dtype: run("matmul", 0, dtype, 30)["rate"] for dtype in ("fp32", "bf16")}
    print(
        f"{arguments.threads} threads, batch {BATCH}, seconds are the median of {arguments.steps}"
    )
    print(f"matmul 2048 cubed: fp32 {rate['fp32']:.0f}, bf16 {rate['bf16']:.0f} GFLOP/s\n")
    header = f"{'what':<12}{'side':>5}{'dtype':>7}{'s/step':>9}{'spread':>8}{'x plain':>9}"
    print(header + f"{'GB':>7}{'GFLOP/s':>9}{'of matmul':>11}")
    for side in arguments.sides:
        for dtype in ("fp32", "bf16"):
            rows = {who: run(who, side, dtype) for who in COMPETITORS}
            rows["encode"] = run("encode", side, dtype)
            for who, row in rows.items():
                if "error" in row:
                    print(f"{who:<12}{side:>5}{dtype:>7}  fails: {row['error']}", flush=True)
                    continue
                ratio = (
                    "" if who == "encode" else f"{rows['plain']['seconds'] / row['seconds']:.2f}"
                )
                share = row["rate"] / rate[dtype]
                print(
                    f"{who:<12}{side:>5}{dtype:>7}{row['seconds']:>9.2f}{row['spread']:>8.2f}"
                    f"{ratio:>9}{row['gigabytes']:>7.1f}{row['rate']:>9.0f}{share:>10.0%}",
                    flush=True,
                )


def compare_decoders(arguments: argparse.Namespace) -> None:
    import torch

    from skedema.modules.autoencoder_sizes import SIZES
    from skedema.modules.masked_autoencoder import MaskedAutoencoder

    torch.set_num_threads(arguments.threads)
    print("| side | batch | dtype | decoder | processor s | times self | GFLOP |")
    print(f"|{' --- |' * 7}")
    for side in arguments.sides:
        models = {
            name: MaskedAutoencoder(1, (side,) * 3, SIZES["base"], **given)
            for name, given in DECODERS.items()
        }
        for batch, dtype in product(arguments.batches, ("fp32", "bf16")):
            steps = {name: own_step(model, batch) for name, model in models.items()}
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
                rows = take_turns(steps, arguments.steps)
            for name, (seconds, count) in rows.items():
                print(
                    f"| {side} | {batch} | {dtype} | {name} | {seconds:.2f} | "
                    f"{rows['self'][0] / seconds:.2f} | {count / 1e9:.0f} |",
                    flush=True,
                )


def take_turns(steps: dict[str, Any], n_rounds: int) -> dict[str, tuple[float, int]]:
    """Give the median of the processor's seconds, after a warm-up, and the operations of each."""
    from torch.utils.flop_counter import FlopCounterMode

    seconds: dict[str, list[float]] = {name: [] for name in steps}
    counts = {}
    for name, step in steps.items():
        with FlopCounterMode(display=False, custom_mapping=fused_attention()) as counter:
            step()
        counts[name] = counter.get_total_flops()
    for _ in range(n_rounds):
        for name, step in steps.items():
            begin = time.process_time()
            step()
            seconds[name].append(time.process_time() - begin)
    return {name: (statistics.median(each), counts[name]) for name, each in seconds.items()}


def measure(who: str, side: int, dtype: str, n_steps: int, n_threads: int) -> dict[str, float]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    torch.set_num_threads(n_threads)
    torch.manual_seed(0)
    step = matmul(dtype) if who == "matmul" else make_step(who, side)

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            step()

    with FlopCounterMode(display=False, custom_mapping=fused_attention()) as counter:
        run()
    seconds = []
    for _ in range(max(n_steps, 2)):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    middle = sorted(seconds)[len(seconds) // 2]
    return {
        "seconds": middle,
        "spread": max(seconds) - min(seconds),
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "rate": counter.get_total_flops() / middle / 1e9,
    }


def fused_attention():
    """Count fused attention: that of CPUs is left out by torch, and of GPUs is counted otherwise.

    Two products forward and four backward; what a kernel computes a second time is no work done.
    """
    import torch
    from torch.utils.flop_counter import sdpa_flop_count

    def forward(query, key, value, *_, **__) -> int:
        return sdpa_flop_count(query, key, value)

    def backward(_, query, key, value, *__, **___) -> int:
        return 2 * sdpa_flop_count(query, key, value)

    aten = torch.ops.aten
    return {
        aten._scaled_dot_product_flash_attention_for_cpu: forward,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: backward,
        aten._scaled_dot_product_flash_attention_backward: backward,
        aten._scaled_dot_product_efficient_attention_backward: backward,
        aten._scaled_dot_product_cudnn_attention_backward: backward,
    }


def matmul(dtype: str):
    import torch

    a, b = torch.rand(2, 2048, 2048).to(torch.bfloat16 if dtype == "bf16" else torch.float32)
    return lambda: a @ b


def make_step(who: str, side: int):
    import torch

    shape = (side, side, side)
    view1, view2 = torch.rand(2, BATCH, 1, *shape)
    n_patches = (side // 8) ** 3
    noise1, noise2 = torch.rand(2, BATCH, n_patches)
    if who in ("skedema", "encode"):
        from skedema.modules.autoencoder_sizes import SIZES
        from skedema.modules.masked_autoencoder import MaskedAutoencoder

        model = MaskedAutoencoder(1, shape, SIZES["base"])
        if who == "encode":
            return torch.no_grad()(lambda: model.features(view1))
        return own_step(model, BATCH)
    if who == "plain":
        from benchmarks._plain_autoencoder import PlainAutoencoder

        plain = PlainAutoencoder(side)
        return training(plain, lambda: plain.loss(view1, view2, noise1, noise2))
    from monai.networks.nets import MaskedAutoEncoderViT

    monai = MaskedAutoEncoderViT(
        in_channels=1,
        img_size=shape,
        patch_size=(8, 8, 8),
        decoder_hidden_size=512,
        decoder_mlp_dim=2048,
        decoder_num_layers=8,
        decoder_num_heads=16,
        decoder_pos_embed_type="learnable",  # its sin-cos table wants a width divisible by 6
    )
    target = torch.rand(BATCH, n_patches, 512)

    def loss() -> torch.Tensor:
        prediction, mask = monai(view1)
        return (((prediction - target) ** 2).mean(dim=-1) * mask).sum() / mask.sum()

    return training(monai, loss)


def own_step(model, batch: int):
    import torch

    from skedema.modules.autoencoder_objective import pretraining_losses

    views = torch.rand(2, batch, 1, *model.patches.shape)
    noise = torch.rand(2, batch, model.n_patches)
    return training(model, lambda: pretraining_losses(model, *views, *noise).total, fused=True)


def training(model, loss, fused: bool = False):
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=fused)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
