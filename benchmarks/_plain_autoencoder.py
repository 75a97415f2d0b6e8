"""ViT-AE++'s step as a textbook writes it: the yardstick of `benchmarks.pretraining`.

The same widths, masks and losses as `skedema.modules`, with nothing done about speed: every token
is embedded before the masked ones are thrown away, attention is softmax(QK^T)V written out, the
Sobel filters and the Gaussian blur are dense 3-D convolutions, the views go through one by one.
There is no VGG pass, which the reference implementation makes and whose result has no gradient.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d, cosine_similarity, pad


class PlainBlock(nn.Module):
    def __init__(self, dim: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.project = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(b, n, 3, self.n_heads, d // self.n_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-2, -1) * (d // self.n_heads) ** -0.5).softmax(dim=-1)
        x = x + self.project((attention @ v).transpose(1, 2).reshape(b, n, d))
        return x + self.mlp(self.norm2(x))


class PlainAutoencoder(nn.Module):
    def __init__(self, side: int, patch: int = 8, dim: int = 768, inner: int = 512) -> None:
        super().__init__()
        self.patch, self.n = patch, (side // patch) ** 3
        self.embed = nn.Conv3d(1, dim, patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, inner))
        self.register_buffer("positions", torch.randn(1, self.n, dim) * 0.02)
        self.register_buffer("inner_positions", torch.randn(1, self.n + 1, inner) * 0.02)
        self.blocks = nn.ModuleList(PlainBlock(dim, 12) for _ in range(12))
        self.norm = nn.LayerNorm(dim)
        self.bridge = nn.Linear(dim, inner)
        self.inner_blocks = nn.ModuleList(PlainBlock(inner, 16) for _ in range(8))
        self.inner_norm = nn.LayerNorm(inner)
        self.predict = nn.Linear(inner, patch**3)
        self.predictor = nn.Sequential(
            nn.Linear(dim, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(), nn.Linear(dim, dim)
        )

    def encode(self, volumes: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        tokens = self.embed(volumes).flatten(2).transpose(1, 2) + self.positions
        order = noise.argsort(dim=1)
        back, kept = order.argsort(dim=1), order[:, : self.n // 4]
        tokens = tokens.gather(1, kept.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
        tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        mask = torch.ones_like(noise)
        mask[:, : self.n // 4] = 0
        return self.norm(tokens), back, mask.gather(1, back)

    def decode(self, tokens: Tensor, back: Tensor) -> Tensor:
        x = self.bridge(tokens)
        hidden = self.mask_token.expand(len(x), self.n + 1 - x.shape[1], -1).to(x.dtype)
        rest = torch.cat([x[:, 1:], hidden], dim=1)
        rest = rest.gather(1, back.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
        x = torch.cat([x[:, :1], rest], dim=1) + self.inner_positions
        for block in self.inner_blocks:
            x = block(x)
        return self.predict(self.inner_norm(x))[:, 1:]

    def patchify(self, volumes: Tensor) -> Tensor:
        p, g = self.patch, volumes.shape[-1] // self.patch
        x = volumes.reshape(len(volumes), g, p, g, p, g, p)
        return x.permute(0, 1, 3, 5, 2, 4, 6).reshape(len(volumes), self.n, p**3)

    def unpatchify(self, patches: Tensor) -> Tensor:
        p, g = self.patch, round(self.n ** (1 / 3))
        x = patches.reshape(len(patches), g, g, g, p, p, p).permute(0, 1, 4, 2, 5, 3, 6)
        return x.reshape(len(patches), 1, g * p, g * p, g * p)

    def loss(self, view1: Tensor, view2: Tensor, noise1: Tensor, noise2: Tensor) -> Tensor:
        tokens1, back, mask = self.encode(view1, noise1)
        tokens2, _, _ = self.encode(view2, noise2)
        prediction = self.decode(tokens1, back)
        error = ((prediction - self.patchify(view1)) ** 2).mean(dim=-1)
        rebuilt = (error * mask).sum() / mask.sum()
        edges = (sobel(self.unpatchify(prediction)) - sobel(blur(view1))).square().mean()
        flat1, flat2 = tokens1.flatten(0, 1), tokens2.flatten(0, 1)
        contrast = -(
            cosine_similarity(self.predictor(flat1), flat2.detach()).mean()
            + cosine_similarity(self.predictor(flat2), flat1.detach()).mean()
        )
        return rebuilt + 0.01 * edges + 0.001 * contrast / 2


def sobel(volumes: Tensor) -> Tensor:
    smooth = torch.tensor([1.0, 2.0, 1.0], dtype=volumes.dtype, device=volumes.device)
    slope = torch.tensor([-1.0, 0.0, 1.0], dtype=volumes.dtype, device=volumes.device)
    kernels = torch.stack(
        [
            torch.einsum("i,j,k->ijk", *(slope if axis == k else smooth for k in range(3)))
            for axis in range(3)
        ]
    )
    return (conv3d(volumes, kernels.unsqueeze(1), padding=1).square().sum(dim=1) + 1e-12).sqrt()


def blur(volumes: Tensor, sigma: float = 1.0) -> Tensor:
    x = torch.arange(-5.0, 6.0, dtype=volumes.dtype, device=volumes.device)
    line = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = torch.einsum("i,j,k->ijk", line, line, line)
    return conv3d(pad(volumes, [5] * 6, mode="replicate"), (kernel / kernel.sum())[None, None])
