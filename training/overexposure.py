"""Train the overexposure network: `python -m training.train overexposure --panoramas DIR`.

Training views are rendered once from the panoramas (see views.py). Each step then chooses an
exposure with which 2 to 30 % of each frame is clipped, and a reference: none, the frame before, an
older one, the same view well exposed, or one of another scene.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mssnet_edu import images, metrics
from mssnet_edu.exposure import CEILING_STOPS, clipped, expose, is_beyond, sensor
from mssnet_edu.models.overexposure import Features, Overexposure, build
from training import checkpoint, panoramas
from training.optimisation import averaged, set_learning_rates
from training.views import Views, cached_views, displacements

__all__ = ["LOSSES", "REFERENCES", "Batch", "Trainer", "energy", "make_batch", "run_command"]

OPTIONS = {"recipe", "panoramas", "out", "seed", "bf16", "steps", "minutes", "resume", "part"}
OPTIONS |= {"batch", "size", "rate", "loss", "scales", "width", "every", "items", "views"}
REFERENCES = {"previous": 0.25, "older": 0.4, "ideal": 0.15, "unrelated": 0.2}
NO_REFERENCE = 0.3  # share of the batches that have none
CLIPPED = (0.02, 0.30)  # share of a frame
RENDERED_PX = 192  # side of the cached views, from which patches are cut
VALIDATION_ITEMS = 12  # of each scene
WARM_UP_STEPS = 100
MAX_GRADIENT_NORM = 1.0
BEYOND = 0.1  # how much sun discs and bare lamps count
ENERGY, ALIGNMENT = 0.5, 0.05  # weights of these losses beside that of the best guess
WINDOWS = (4, 16)  # px, in which the energy score compares fills

LOSSES = {  # in which units errors are measured; both about 1 for white
    "pu": lambda stops: metrics.pu21(torch.exp2(stops)) / metrics.PU21_PEAK,
    "linear": torch.exp2,
}


class Batch(NamedTuple):
    """Frames, references, and the truth.

    frame, reference: (N, 3, S, S) sRGB; gain_ev: (N,), see `Overexposure.features`. stops: (N, 3,
    S, S), the true light in stops above the frame's white. weight: (N, 3, S, S), 1 where a value is
    clipped. displacement: (N, 2, S, S) px, NaN where there is none.
    """

    frame: Tensor
    reference: Tensor | None
    gain_ev: Tensor
    stops: Tensor
    weight: Tensor
    displacement: Tensor


def make_batch(
    scenes: list[Views],
    count: int,
    size_px: int,
    generator: torch.Generator,
    references: dict[str, float] | None,
) -> Batch:
    """Draw items, expose them and choose references by their shares; None: without reference."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    items = [_draw(scenes, size_px, generator) for _ in range(count)]
    light, covered = (torch.stack([item[key] for item in items]) for key in ("light", "covered"))
    light = _vary(light.float(), generator)  # (N, 3, 3, S, S)
    now, brightest = light[:, 0], light[:, 0].amax(1).flatten(1)
    share = torch.exp(uniform(*map(math.log, CLIPPED)))
    level = torch.stack([torch.quantile(b, 1 - s) for b, s in zip(brightest, share, strict=True)])
    ev = -torch.log2(level.clamp(min=1e-6))

    names = list(references or {"ideal": 1.0})
    shares = torch.tensor(list((references or {"ideal": 1.0}).values()))
    chosen = torch.multinomial(shares, count, replacement=True, generator=generator).tolist()
    kinds = [names[i] for i in chosen]
    seen, reference_ev, moved = [], [], []
    small, wide = 0.6 * torch.randn(count, generator=generator) - 0.3, uniform(-4, 0.5)
    spare = uniform(0, 0.5)
    for i, kind in enumerate(kinds):
        view = {"previous": 1, "older": 2}.get(kind, 0)
        seen.append(light[i - 1, 2] if kind == "unrelated" else light[i, view])
        well = -torch.log2(torch.quantile(brightest[i], 0.999).clamp(min=1e-6)) - spare[i]
        gain = {"previous": small[i], "ideal": (well - ev[i]).clamp(-CEILING_STOPS, 0)}
        reference_ev.append(ev[i] + gain.get(kind, wide[i]))
        moved.append(_true_displacement(items[i], view, kind == "unrelated", covered[i]))
    photons = float(torch.exp(uniform(*map(math.log, (1000, 20000)))[0]))
    read_noise = float(uniform(0.0005, 0.004)[0])

    def camera(light: Tensor, ev: Tensor) -> Tensor:
        counted = sensor(expose(light, ev), photons, read_noise, generator)
        return images.quantize(images.to_srgb(counted))

    frame, reference_ev = camera(now, ev), torch.stack(reference_ev)
    reference = camera(torch.stack(seen), reference_ev) if references else None
    exposed = expose(now, ev)
    weight = clipped(frame, "each").float()
    weight = torch.where(is_beyond(exposed), BEYOND * weight, weight)
    # noise lifts a few values up to white that were just below
    stops = torch.log2(exposed.clamp(1, 2**CEILING_STOPS))
    return Batch(frame, reference, ev - reference_ev, stops, weight, torch.stack(moved))


def _draw(scenes: list[Views], size_px: int, generator: torch.Generator) -> Views:
    """One item of a random scene: a patch of it, perhaps mirrored, with its displacements."""

    def whole(below: int) -> int:
        return int(torch.randint(below, (), generator=generator))

    scene = scenes[whole(len(scenes))]
    i = whole(len(scene["light"]))
    side = scene["light"].shape[-1]
    top, left = whole(side - size_px + 1), whole(side - size_px + 1)
    poses = scene["poses"][i]
    moved = displacements(
        poses[:1].expand(3, -1), poses, scene["fov_deg"][i].expand(3), side
    )  # (3, 2, side, side)
    item = {"light": scene["light"][i], "covered": scene["covered"][i], "moved": moved}
    item = {
        key: value[..., top : top + size_px, left : left + size_px] for key, value in item.items()
    }
    if whole(2):
        item = {key: value.flip(-1) for key, value in item.items()}
        item["moved"] = item["moved"] * torch.tensor([-1.0, 1.0]).view(2, 1, 1)
    return item


def _vary(light: Tensor, generator: torch.Generator) -> Tensor:
    """Other colours and another contrast for each item: (N, V, 3, S, S)."""
    count = len(light)
    order = torch.stack([torch.randperm(3, generator=generator) for _ in range(count)])
    keep = torch.rand(count, 1, generator=generator) < 0.5
    order = torch.where(keep, torch.arange(3), order)
    light = torch.stack([each[:, o] for each, o in zip(light, order, strict=True)])
    gain = torch.exp2(0.25 * torch.randn(count, 1, 3, 1, 1, generator=generator))
    contrast = 0.85 + 0.35 * torch.rand(count, 1, 1, 1, 1, generator=generator)
    return panoramas.GREY * (light * gain / panoramas.GREY) ** contrast


def _true_displacement(item: Views, view: int, unrelated: bool, covered: Tensor) -> Tensor:
    """(2, S, S), NaN where the reference shows another thing, or nothing."""
    moved = item["moved"][view]
    size = moved.shape[-1]
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    place = moved + torch.stack([x, y])
    inside = ((place >= 0) & (place <= size - 1)).all(0)
    if view:
        inside = inside & ~covered[0, 0] & ~covered[view, 0]
    return torch.where(inside & (not unrelated), moved, torch.nan)


def energy(one: Tensor, other: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Energy score of two random fills: small if both are near the truth, and far from each other.

    (|x1 - y| + |x2 - y|) / 2 - |x1 - x2| / 2, with |.| the RMS over windows of clipped values. Its
    least value is reached by drawing from what is true, not by a mean of it.
    Source: Gneiting and Raftery, "Strictly Proper Scoring Rules", 2007.
    """
    total = one.new_zeros(())
    for window in WINDOWS:
        share = F.avg_pool2d(weight, window).mean(1)

        def distance(a: Tensor, b: Tensor, window: int = window) -> Tensor:
            squares = F.avg_pool2d(weight * (a - b).square(), window).mean(1)
            return (squares + 1e-6).sqrt()

        score = (distance(one, truth) + distance(other, truth) - distance(one, other)) / 2
        total = total + score.sum() / (share.sqrt().sum() + 1e-6)
    return total / len(WINDOWS)


class Trainer:
    """The overexposure network in training.

    scenes, held_out: views of the training and validation panoramas (see views.py). out: folder of
    the run's files (see checkpoint.py). loss: a key of LOSSES. bf16: compute in bfloat16; weights
    and losses stay float32. resume: go on from the run in `out`.
    """

    def __init__(
        self,
        scenes: list[Views],
        held_out: list[Views],
        out: Path,
        config: dict[str, int],
        loss: str = "pu",
        batch: int = 8,
        size_px: int = 128,
        rate: float = 8e-4,
        seed: int = 0,
        bf16: bool = False,
        resume: bool = False,
    ):
        self.scenes, self.held_out, self.out = scenes, held_out, out
        self.config, self.loss, self.batch, self.size_px = config, loss, batch, size_px
        self.seed = seed
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        self.model = build(**config)
        # torch's stubs of Module.to lack memory_format
        self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=1e-3
        )
        for group in self.optimiser.param_groups:
            group["initial_lr"] = rate
        self.ema = averaged(self.model)
        self.step, self.seconds = 0, 0.0
        self.warm_up_from = 0
        self.schedule: tuple[int, int] | None = None
        if resume:
            self._resume()

    def run(
        self,
        minutes: float | None = None,
        steps: int | None = None,
        every_s: float = 60,
        part: tuple[float, float] = (0.0, 1.0),
    ) -> dict[str, Any]:
        """Train for a time or a number of steps; see the trainer of MSSNet, which does the same."""
        if (minutes is None) == (steps is None):
            raise ValueError("give either minutes or steps")
        if steps is not None and self.schedule is None:
            self.schedule = (self.step, steps)
        started, seconds_before, first_step = time.monotonic(), self.seconds, self.step
        saved, mean_loss = started, None

        def done() -> float:
            if minutes is not None:
                share = (time.monotonic() - started) / (60 * minutes)
                return 1.0 if share >= 1 else part[0] + (part[1] - part[0]) * share
            assert self.schedule
            return (self.step - self.schedule[0]) / self.schedule[1]

        def record() -> dict[str, Any]:
            elapsed = time.monotonic() - started
            self.seconds = seconds_before + elapsed
            row = {
                "step": self.step,
                "seconds": round(self.seconds, 1),
                "patches_per_s": round(self.batch * (self.step - first_step) / elapsed, 2),
                "rate": f"{self.optimiser.param_groups[0]['lr']:.2e}",
                "loss": "" if mean_loss is None else f"{mean_loss:.4f}",
            }
            row |= {key: round(value, 3) for key, value in self.validate().items()}
            checkpoint.append_row(self.out, row)
            self.save()
            return row

        while (progress := done()) < 1:
            warm_up = (self.step - self.warm_up_from + 1) / WARM_UP_STEPS
            set_learning_rates([self.optimiser], progress, warm_up)
            value = float(self.train_step())
            if not math.isfinite(value):
                raise RuntimeError(f"the loss is {value} at step {self.step}; lower the rate")
            mean_loss = value if mean_loss is None else 0.97 * mean_loss + 0.03 * value
            self.step += 1
            if time.monotonic() - saved > every_s:
                record()
                saved = time.monotonic()
        self.schedule = None
        return record()

    def train_step(self) -> Tensor:
        """One step; returns the loss."""
        # hash() of integers is the same in every process and run
        generator = torch.Generator().manual_seed(hash((self.seed, self.step)) & 0x7FFFFFFF)
        alone = float(torch.rand((), generator=generator)) < NO_REFERENCE
        batch = make_batch(
            self.scenes, self.batch, self.size_px, generator, None if alone else REFERENCES
        )
        with self.autocast:
            features = self.model.features(batch.frame, batch.reference, batch.gain_ev)
            stops, _ = self.model.decode(features)
            # many fills are possible where there is no reference: half of these are drawn twice
            some = _first(features, self.batch // 2 if alone else self.batch // 8)
            draws = [
                self.model.decode(some, self.model.draw_noise(some, generator))[0]
                for _ in range(2 if len(some.known) else 0)
            ]
        encode = LOSSES[self.loss]
        truth = encode(batch.stops)
        loss = _guess_loss(encode(stops.float()), truth, batch.weight)
        if draws:
            n = len(some.known)
            one, other = (encode(draw.float()) for draw in draws)
            loss = loss + ENERGY * energy(one, other, truth[:n], batch.weight[:n])
        if features.displacement is not None:
            loss = loss + ALIGNMENT * _alignment_loss(features.displacement, batch.displacement)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM)
        self.optimiser.step()
        self.ema.update_parameters(self.model)
        return loss.detach()

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """Mean PSNR in PU21 (dB) on clipped pixels of the held-out scenes, by reference.

        white: what the camera says; draw: one random fill without a reference. The exposures,
        patches and noise are the same every time.
        """
        network = cast(Overexposure, self.ema.module)
        scores: dict[str, list[Tensor]] = {}
        for number, scene in enumerate(self.held_out):
            for name in ("none", *REFERENCES):
                generator = torch.Generator().manual_seed(number)
                shares = None if name == "none" else {name: 1.0}
                count, size = VALIDATION_ITEMS, min(RENDERED_PX, scene["light"].shape[-1])
                batch = make_batch([scene], count, size, generator, shares)
                with self.autocast:
                    features = network.features(batch.frame, batch.reference, batch.gain_ev)
                    answers = {name: network.decode(features)[0]}
                    if name == "none":
                        noise = network.draw_noise(features, generator)
                        answers["draw"] = network.decode(features, noise)[0]
                        answers["white"] = torch.zeros_like(batch.stops)
                for key, stops in answers.items():
                    pair = (torch.exp2(x.float()) for x in (stops, batch.stops))
                    score = metrics.psnr_pu(*pair, mask=batch.weight == 1)
                    scores.setdefault(key, []).append(cast(Tensor, score))
        return {key: float(torch.cat(values).nanmean()) for key, values in sorted(scores.items())}

    def save(self) -> None:
        """Write the run's files."""
        about = {
            "recipe": "overexposure",
            "config": self.config,
            "loss": self.loss,
            "step": self.step,
            "seconds": self.seconds,
            "before": [],
        }
        state = {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "schedule": self.schedule,
            "warm_up_from": self.warm_up_from,
        }
        weights = dict(self.model.named_parameters())
        ema = dict(self.ema.module.named_parameters())
        checkpoint.save_run(self.out, about, state, weights, ema)

    def _resume(self) -> None:
        about, state = checkpoint.load_run(self.out, "cpu")
        if about["recipe"] != "overexposure" or about["config"] != self.config:
            raise ValueError(f"{self.out} is of recipe {about['recipe']!r} or of another size")
        if state is None:
            self.model.load_state_dict(checkpoint.load_weights(self.out / "weights.safetensors"))
            self.ema.module.load_state_dict(checkpoint.load_weights(self.out / "ema.safetensors"))
            self.step, self.seconds = about["step"], about["seconds"]
            self.ema.n_averaged.fill_(self.step + 1)
            self.warm_up_from = self.step
            return
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.schedule, self.warm_up_from = state["schedule"], state["warm_up_from"]


def _first(features: Features, count: int) -> Features:
    return Features(
        features.known[:count],
        features.recorded[:count],
        features.available[:count],
        [x[:count] for x in features.maps],
        None,
    )


def _guess_loss(guess: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """RMS error over the clipped values of each frame, averaged: hard frames must not drown all."""
    squares = (weight * (guess - truth).square()).sum((1, 2, 3))
    return (squares / weight.sum((1, 2, 3)).clamp(min=1) + 1e-4).sqrt().mean()


def _alignment_loss(found: Tensor, truth: Tensor) -> Tensor:
    """Robust error of the displacements, (|d| + 0.1)^0.5, where the truth is known.

    Source: the form is that of Sun et al., "PWC-Net" (2018).
    """
    known = torch.isfinite(truth).all(1)
    error = (found.float() - truth.nan_to_num()).norm(dim=1)
    return ((error + 0.1).sqrt() * known).sum() / known.sum().clamp(min=1)


def run_command(args: argparse.Namespace) -> int:
    """Run `python -m training.train overexposure`; returns the exit code."""
    out = args.out or Path("runs/overexposure")
    parts = panoramas.split_panoramas(args.panoramas)
    if not parts["train"] or not parts["validation"]:
        raise ValueError(
            "training needs panoramas of both splits of data/light/CREDITS.tsv, train and "
            f"validation; found {len(parts['train'])} and {len(parts['validation'])}."
        )
    cache = args.views or out.parent / "views"
    items = args.items or 150
    scenes = cached_views(parts["train"], cache, items, RENDERED_PX, 0)
    held_out = cached_views(parts["validation"], cache, 2 * VALIDATION_ITEMS, RENDERED_PX, 1)
    config = {"width": args.width or 40, "scales": args.scales or 3}
    if args.loss is not None and args.loss not in LOSSES:
        raise ValueError(f"--loss {args.loss} is for other recipes; choose {', '.join(LOSSES)}.")
    given = {"batch": args.batch, "size_px": args.size, "rate": args.rate, "loss": args.loss}
    trainer = Trainer(
        scenes,
        held_out,
        out,
        config,
        seed=args.seed,
        bf16=bool(args.bf16),
        resume=args.resume,
        **{key: value for key, value in given.items() if value is not None},
    )
    trainer.run(args.minutes, args.steps, args.every, tuple(args.part))
    return 0
