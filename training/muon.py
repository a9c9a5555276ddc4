"""Muon: momentum whose steps are made orthogonal, for the many small convolutions of MSSNet.

Adam scales every number by itself. Muon treats a convolution as one matrix (outputs x inputs) and
replaces its momentum by the nearest orthogonal matrix, so that all directions of the layer learn at
the same pace, rare ones too. Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/
"""

import torch
from torch import Tensor

__all__ = ["Muon"]


class Muon(torch.optim.Optimizer):
    """parameters: convolution weights (out, in, k, k). lr: share of a layer's norm moved per step.

    Layers of one shape are worked on together: a GPU would wait for hundreds of tiny products.
    """

    def __init__(self, parameters, lr: float = 0.01, momentum: float = 0.95, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        """Move every parameter once. closure is not supported (None)."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault(p.shape, []).append(p)
            for shape, parameters in shapes.items():
                kept = [self._momentum(p) for p in parameters]
                gradients = [p.grad for p in parameters]
                torch._foreach_lerp_(kept, gradients, 1 - group["momentum"])
                ahead = torch._foreach_lerp(gradients, kept, group["momentum"])  # Nesterov
                matrices = torch.stack([a.reshape(shape[0], -1) for a in ahead])
                steps = orthogonal(matrices) * max(1.0, shape[0] / matrices.shape[2]) ** 0.5
                if group["decay"]:
                    torch._foreach_mul_(parameters, 1 - group["lr"] * group["decay"])
                moves = [s.reshape(shape) for s in steps]
                torch._foreach_add_(parameters, moves, alpha=-group["lr"])

    def _momentum(self, p: Tensor) -> Tensor:
        state = self.state[p]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(p)
        return state["momentum"]


def orthogonal(matrices: Tensor) -> Tensor:
    """The (nearly) orthogonal matrices nearest to (N, rows, columns), by five Newton-Schulz steps.

    Singular values come out between about 0.7 and 1.2, which is all that Muon needs.
    """
    a, b, c = 3.4445, -4.7750, 2.0315  # the quintic of the source, tuned for speed
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
