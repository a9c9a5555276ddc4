"""What all trainers do alike: averaged weights, and how the learning rate rises and falls."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel

__all__ = ["averaged", "set_learning_rates"]


@torch.no_grad()
def _ema_update(averages: PARAM_LIST, current: PARAM_LIST, updates: Tensor | int) -> None:
    n = int(updates)
    decay = min(0.999, n / (9 + n))  # rises from 0.1, so that the random start is soon forgotten
    # as torch's own averaging does; there is no public name for it
    torch._foreach_lerp_(averages, current, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]


def averaged(model: nn.Module) -> AveragedModel:
    """An exponential moving average (EMA) of a model's weights, which begins with its present ones.

    Call `update_parameters(model)` after each step; its decay rises from 0.1 to 0.999.
    """
    ema = AveragedModel(model, multi_avg_fn=_ema_update).requires_grad_(False)
    ema.update_parameters(model)  # the first update copies
    return ema


def set_learning_rates(
    optimisers: Iterable[torch.optim.Optimizer], progress: float, warm_up: float
) -> None:
    """Linear warm-up, and a cosine down to a hundredth of each group's "initial_lr".

    progress: share of the run that is done; warm_up: share of the warm-up, 1 and more: over.
    """
    factor = min(1.0, warm_up) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * factor
