"""In which precision a device computes fast."""

from __future__ import annotations

import torch


def training_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Resolve the parameter `dtype`.

    ``"auto"`` asks the processor what it is made for and measures nothing, so that a busy machine
    does not decide otherwise the next time: bfloat16 where a GPU has it and on CPUs that multiply
    it in hardware (AMX, AVX512-BF16), else float32.
    """
    if dtype != "auto":
        return torch.bfloat16 if dtype == "bfloat16" else torch.float32
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        fast = any(
            getattr(torch.cpu, name, lambda: False)()
            for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        )
    else:
        fast = False
    return torch.bfloat16 if fast else torch.float32
