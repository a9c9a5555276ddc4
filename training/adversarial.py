"""Losses for a network that draws one of many possible answers, and the discriminator it plays."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mssnet_edu.models import classifier
from mssnet_edu.samples import find_data
from training import losses
from training.checkpoint import load_weights
from training.distributed import ProcessGroup

__all__ = ["AdversarialTraining"]


class AdversarialTraining:
    """Perceptual, adversarial and diversity losses (generator), and the discriminator's own steps.

    group: gives the device. autocast: in which the networks run. feature_weights: of the
    EfficientNet-Lite0 whose features are compared (default: the course's own).
    """

    def __init__(
        self, group: ProcessGroup, autocast: torch.autocast, feature_weights: Path | None = None
    ):
        self.group, self.autocast = group, autocast
        path = feature_weights or find_data("weights/efficientnet-lite0.safetensors")
        self.feature_network = classifier.build()
        self.feature_network.load_state_dict(load_weights(path))
        self.feature_network.eval().requires_grad_(False)
        self.discriminator = losses.Discriminator()
        for network in (self.feature_network, self.discriminator):
            # torch's stubs of Module.to lack memory_format
            network.to(group.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimiser = torch.optim.Adam(
            self.discriminator.parameters(), lr=2e-4, betas=(0.0, 0.99)
        )

    def noise(self, shape: tuple[int, ...], seed: int) -> Tensor:
        """Standard normal input for (N, 3, H, W) photos, (N, 1, H, W); the same for one seed."""
        n, _, height, width = shape
        device = self.group.device
        generator = torch.Generator(device=device).manual_seed(seed)
        return torch.randn(n, 1, height, width, generator=generator, device=device)

    def generator_loss(
        self, outputs: list[Tensor], sharp: Tensor, blurry: Tensor, factors: Tensor
    ) -> Tensor:
        """Each answer must look real and fit its input, and two answers to one input must differ.

        outputs: of all stages, each for 2N photos, of which the second N are the first N again,
        with other noise. sharp, blurry: (2N, 3, H, W). factors: (2N,), how the inputs were reduced.
        """
        answer = outputs[-1]
        one, other = answer.chunk(2)
        photo, small = sharp[: len(one)], blurry[: len(one)]
        # the early stages keep the fidelity task; the mean of two answers keeps the last one honest
        loss = 0.2 * losses.paper_loss(outputs[:-1], sharp) / len(outputs)
        loss = loss + ((one + other) / 2 - photo).abs().mean()
        for factor in factors.unique().tolist():  # consistency: what was recorded must stay
            chosen = (factors == factor).to(answer.device)
            error = F.avg_pool2d((answer - sharp)[chosen], factor)
            loss = loss + 20.0 * error.abs().mean() * chosen.float().mean()
        loss = loss + 2.0 * losses.colour(answer, sharp) + losses.texture(answer, sharp)
        with self.autocast:
            loss = loss + 0.5 * losses.perceptual(self.feature_network, answer, sharp)
            self.discriminator.requires_grad_(False)
            scores = self.discriminator(answer, blurry)
            self.discriminator.requires_grad_(True)
        loss = loss + 0.15 * losses.adversarial(scores.float(), True)
        return loss + 0.5 * losses.diversity(one, other, photo, small)

    def discriminator_step(self, fake: Tensor, sharp: Tensor, blurry: Tensor) -> None:
        """Train the discriminator once to tell answers from photographs, each (N, 3, H, W)."""
        with self.autocast:
            real_scores = self.discriminator(sharp, blurry)
            fake_scores = self.discriminator(fake.detach(), blurry)
        loss = losses.adversarial(real_scores.float(), True)
        loss = loss + losses.adversarial(fake_scores.float(), False)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.group.average_gradients(self.discriminator.parameters())
        self.optimiser.step()

    def state_dict(self) -> dict[str, Any]:
        """What has to be saved to go on exactly."""
        return {
            "discriminator": self.discriminator.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimiser.load_state_dict(state["optimiser"])
