"""A network of a few thousand parameters that decides: adopt this frame as the reference, or not.

It sees a few numbers about the present frame and the kept one (`reference_selection.FEATURES`), and
nothing of the future. Trained by reinforcement learning.

Source: Xing et al., "Online Overexposed Pixels Hallucination in Videos with Adaptive Reference
Frame Selection" (2023), from the paper alone, for the idea of such a policy and its reward. The
numbers it looks at are this course's.
"""

from torch import Tensor, nn

__all__ = ["ReferencePolicy", "build"]

FIRST_LOGIT = -2.0


class ReferencePolicy(nn.Module):
    """Numbers about two frames -> how much it wants to adopt the present one.

    features: how many numbers; width: of the hidden layers. Called with (..., features), it returns
    (...,) logits: above 0, adopt.

    >>> import torch
    >>> ReferencePolicy(features=5)(torch.zeros(2, 5)).shape
    torch.Size([2])
    """

    def __init__(self, features: int, width: int = 40):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(features, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()
        )
        self.head = nn.Linear(width, 1)
        # at first it seldom adopts: what a frame is worth shows only if it is kept for a while
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, FIRST_LOGIT)

    def forward(self, features: Tensor) -> Tensor:
        return self.head(self.body(features))[..., 0]


def build(features: int, width: int = 40) -> ReferencePolicy:
    """The network that a model card's `config` describes, with random weights."""
    return ReferencePolicy(features, width)
