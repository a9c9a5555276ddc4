"""Pairs to learn a slow chain of networks from: a small photo, random numbers, the chain's answer.

    python -m training.distillation --photos FOLDER --out PAIRS --shards 0 98
    python -m training.train upscale8-realism --photos FOLDER --pairs PAIRS --minutes 60

The teacher is given the small photo with a little noise, and so every noise draws another answer.
The student is given the clean photo and that noise, which is all it takes to tell which answer is
meant: it can learn by regression, and needs no discriminator. Source: Hinton et al. 2015.

A shard holds 16 pairs. Those that exist are kept, so the same command goes on where it was stopped,
and several can fill one folder, each its own range of shards.
"""

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from mssnet_edu import cli, degrade, operators, restore
from mssnet_edu.files import replacing
from mssnet_edu.models import classifier
from mssnet_edu.samples import find_data
from training import losses
from training.checkpoint import load_weights
from training.dataset import Corpus, split_files, turned

__all__ = [
    "DistillationLoss",
    "DistilledPairs",
    "command_line",
    "main",
    "make_shard",
    "run_command",
]

FACTOR, SIDE_PX = 8, 384  # of the teacher's answers
NOISE_SIGMA = 4 / 255
PAIRS_PER_SHARD = 16
COPIES = (1.0, 0.5, 0.25)  # what people enlarge shows a whole face in a hundred pixels


class DistilledPairs:
    """Batches out of a folder of shards that `make_shard` made.

    size_px: side of a patch, a multiple of 16, at most SIDE_PX. All pairs stay in memory, as bytes:
    half a megabyte each. Raises ValueError if the folder holds none, or for another size.
    """

    def __init__(self, folder: Path, size_px: int, device: str = "cpu"):
        from safetensors.torch import load_file

        files = sorted(Path(folder).glob("[0-9]*.safetensors"))
        if not files:
            raise ValueError(
                f"{folder} holds no pairs. Make some: "
                f"python -m training.distillation --photos FOLDER --out {folder}"
            )
        names = ("small", "noise", "answer")
        shards = [load_file(path, device) for path in files]
        self.pairs = [pair for shard in shards for pair in zip(*map(shard.get, names), strict=True)]
        side = self.pairs[0][2].shape[-1]
        if size_px % 16 or not 0 < size_px <= side:
            raise ValueError(
                f"size_px is {size_px}: expected a multiple of 16, at most {side} as the pairs are"
            )
        self.size_px = size_px

    def batch(self, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Enlarged photos and the teacher's answers, (count, 3, S, S), and noise (count, 1, S, S).

        A deterministic function of the pairs and the arguments. Photos in [0, 1]; the noise is
        enlarged as `MSSNetUpscaler.draw_noise` does it.
        """
        generator = torch.Generator().manual_seed(seed)
        side = self.size_px // FACTOR
        room = self.pairs[0][0].shape[-1] - side + 1
        chosen = torch.randint(len(self.pairs), (count,), generator=generator).tolist()
        corners = (FACTOR * torch.randint(room, (count, 2), generator=generator)).tolist()
        turns = torch.randint(8, (count,), generator=generator).tolist()
        rows = []
        for index, (y, x), symmetry in zip(chosen, corners, turns, strict=True):
            small, noise, answer = self.pairs[index]
            # enlarged as MSSNetUpscaler does, and whole: a patch's own edges are no photo's edges
            given = torch.cat([small.float() / 255, noise.float()])[None]
            given = F.interpolate(given, scale_factor=FACTOR, mode="bicubic")[0]
            pair = torch.cat([given[:3], answer.float() / 255, given[3:]])  # (7, 8H, 8W)
            patch = pair[:, y : y + self.size_px, x : x + self.size_px]
            rows.append(turned(patch, symmetry))
        enlarged, answers, noises = torch.stack(rows).split((3, 3, 1), 1)
        return enlarged, answers, noises


class DistillationLoss:
    """How far a student is from the teacher's answer.

    In pixels, spectrum, colour, texture, a classifier's maps, in means of 8 x 8 px (what the small
    photo recorded), and in what repeats every 8 px (`losses.checkerboard`). The early stages have
    MSSNet's own loss, and count little.

    autocast: in which the classifier runs. feature_weights: of the EfficientNet-Lite0 (default: the
    course's own).
    """

    def __init__(
        self, autocast: torch.autocast, device: str = "cpu", feature_weights: Path | None = None
    ):
        self.autocast = autocast
        path = feature_weights or find_data("weights/efficientnet-lite0.safetensors")
        self.feature_network = classifier.build()
        self.feature_network.load_state_dict(load_weights(path))
        self.feature_network.eval().requires_grad_(False)
        # torch's stubs of Module.to lack memory_format
        self.feature_network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def __call__(self, outputs: list[Tensor], sharp: Tensor, blurry: Tensor) -> Tensor:
        """A scalar, as each of `losses.LOSSES`; sharp: the teacher's answers."""
        *early, answer = outputs
        loss = 0.1 * losses.paper_loss(early, sharp) / len(outputs)
        loss = loss + losses.paper_loss([answer], sharp) + 0.2 * F.l1_loss(answer, sharp)
        loss = loss + 2.0 * losses.colour(answer, sharp) + 0.4 * losses.texture(answer, sharp)
        loss = loss + 20.0 * losses.checkerboard(answer, sharp, FACTOR)
        loss = loss + 10.0 * F.avg_pool2d(answer - sharp, FACTOR).abs().mean()
        with self.autocast:
            return loss + 0.7 * losses.perceptual(self.feature_network, answer, sharp)


def make_shard(corpus: Corpus, seed: int) -> dict[str, Tensor]:
    """PAIRS_PER_SHARD pairs of patches of this corpus; the same for one seed.

    Returns small (N, 3, S, S) and answer (N, 3, 8S, 8S), bytes, and noise (N, 1, S, S), float16.
    The answer agrees with the small photo *without* the noise (45 dB or more), by back-projection.
    """
    generator = torch.Generator().manual_seed(seed)
    sharp = corpus.patches(PAIRS_PER_SHARD, SIDE_PX, generator).float() / 255
    small = (degrade.downscale(sharp, FACTOR) * 255).round()
    noise = torch.randn(len(small), 1, *small.shape[2:], generator=generator).half()
    asked = (small / 255 + NOISE_SIGMA * noise.float()).clamp(0, 1)
    answers = [restore.upscale(photo, FACTOR, restore.realistic(FACTOR)) for photo in asked]
    answer = operators.back_project(torch.stack(answers), small / 255)
    shard = {"small": small.byte(), "noise": noise, "answer": (answer * 255).round().byte()}
    return {name: tensor.contiguous() for name, tensor in shard.items()}


def main(argv: list[str] | None = None) -> int:
    """Run `python -m training.distillation`; returns the exit code."""
    return cli.run(command_line(), argv)


def command_line() -> cli.ArgumentParser:
    """Return the parser of `python -m training.distillation`."""
    parser = cli.ArgumentParser(
        "python -m training.distillation", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--photos", type=Path, required=True, help="folder of sharp photographs")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pairs")
    parser.add_argument(
        "--shards",
        type=int,
        nargs=2,
        default=(0, 98),
        metavar=("FIRST", "END"),
        help=f"which, {PAIRS_PER_SHARD} pairs each; END is not made (default: 0 98)",
    )
    parser.set_defaults(run=run_command)
    return parser


def run_command(args: argparse.Namespace) -> int:
    """Run `python -m training.distillation`; returns the exit code. Shards that exist are kept."""
    from safetensors.torch import save_file

    first, end = args.shards
    if not 0 <= first < end:
        raise ValueError(f"--shards {first} {end} makes none: FIRST must be 0 or more, END larger.")
    corpus = Corpus.load(split_files(args.photos)[0], scales=COPIES, min_side=SIDE_PX)
    args.out.mkdir(parents=True, exist_ok=True)
    for number in range(first, end):
        path = args.out / f"{number:04d}.safetensors"
        if not path.exists():
            with replacing(path) as part:
                save_file(make_shard(corpus, number), part)
            print(path.name, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
