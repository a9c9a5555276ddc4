"""Muon: momentum with orthogonalised updates, for the many small convolutions of MSSNet.

Adam scales every number by itself. Muon treats a convolution as one matrix (outputs x inputs) and
replaces its momentum by the nearest orthogonal matrix, so that all directions of the layer learn at
the same pace, rare ones too. Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

# torch's own optimisers use torch._foreach_*, and there is no public name for it:
# pyright: reportPrivateImportUsage=false

__all__ = ["Muon", "orthogonalise"]


class Muon(torch.optim.Optimizer):
    """Muon for convolution weights (out, in, k, k); torch.optim.Muon takes plain matrices only.

    lr: relative to the norm of a layer's weights. bf16: orthogonalise in bfloat16, as the source
    does: in float32 it takes 44 % of a step of a large network.
    Layers of one shape are stacked: a GPU would wait for hundreds of tiny products.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float = 0.01,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        bf16: bool = False,
    ):
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(parameters, defaults)
        self.dtype = torch.bfloat16 if bf16 else torch.float32

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Update every parameter once. closure is not supported (None)."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append((p, p.grad))
            for shape, pairs in by_shape.items():
                parameters, gradients = zip(*pairs, strict=True)
                buffers = [self._momentum_buffer(p) for p in parameters]
                torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
                nesterov = torch._foreach_lerp(gradients, buffers, group["momentum"])
                matrices = torch.stack([x.reshape(shape[0], -1) for x in nesterov])
                scale = max(1.0, shape[0] / matrices.shape[2]) ** 0.5
                steps = orthogonalise(matrices, self.dtype) * scale
                if group["weight_decay"]:
                    torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                updates = [x.reshape(shape) for x in steps]
                torch._foreach_add_(parameters, updates, alpha=-group["lr"])

    def _momentum_buffer(self, p: Tensor) -> Tensor:
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p)
        return state["momentum_buffer"]


def orthogonalise(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """The (nearly) orthogonal matrices nearest to (N, rows, columns), by five Newton-Schulz steps.

    dtype: to compute in; the result has the type of `matrices`. Singular values come out between
    about 0.7 and 1.2, which is all that Muon needs.
    """
    a, b, c = 3.4445, -4.7750, 2.0315  # the quintic polynomial of the source, tuned for speed
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(dtype)
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    x = x.to(matrices.dtype)
    return x.mT if tall else x
