"""The training loop of MSSNet: batches, optimisers, averaged weights, validation, checkpoints.

The learning rate warms up, then falls along a cosine over the run's length. A run of `steps` that
was cut off is finished by resuming it; a time-limited run stores no step count to resume to, so
resuming begins another fall of the learning rate.
"""

import math
import time
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from mssnet_edu import metrics
from mssnet_edu.mssnet import MSSNet, MSSNetConfig
from training import checkpoint, losses
from training.curriculum import Curriculum
from training.dataset import Corpus
from training.degradation import PairMaker, source_side_px, validation_pairs
from training.distillation import DistillationLoss, DistilledPairs
from training.distributed import ProcessGroup
from training.muon import Muon
from training.optimisation import averaged, set_learning_rates
from training.recipes import Recipe

__all__ = ["Trainer"]

WARM_UP_STEPS = 200
MUON_WEIGHT_DECAY = 0.2  # without it Muon's weights grow until the network diverges
MAX_GRADIENT_NORM = 20.0


class _AllOutputs(nn.Module):
    """MSSNet with all stages' outputs as its forward: DDP and torch.compile wrap a forward."""

    def __init__(self, model: MSSNet, scales: int):
        super().__init__()
        self.model, self.scales = model, scales

    def forward(self, blurry: Tensor, noise: Tensor | None = None) -> list[Tensor]:
        return self.model.pictures(blurry, noise, self.scales)


class Trainer:
    """One network in training.

    recipe: see recipes.py. train_files, held_out: photographs. out: folder for the run's files (see
    checkpoint.py). device: "cpu" or "cuda". start: folder or .safetensors file to start from.
    bf16: run convolutions and Muon in bfloat16 (default: on a GPU); weights and losses stay
    float32. pairs: folder of a teacher's answers, for the task "distil", which needs no
    train_files. feature_weights: EfficientNet-Lite0 for its loss (default: the course's).
    Raises ValueError if "distil" has no pairs, or the batch cannot be shared by the processes.
    """

    def __init__(
        self,
        recipe: Recipe,
        train_files: list[Path],
        held_out: list[Path],
        out: Path,
        device: str = "cpu",
        seed: int = 0,
        start: Path | None = None,
        resume: bool = False,
        compile_network: bool = False,
        bf16: bool | None = None,
        pairs: Path | None = None,
        feature_weights: Path | None = None,
    ):
        self.recipe, self.out, self.seed = recipe, Path(out), seed
        self.group = ProcessGroup.join(device)
        if recipe.batch % self.group.world:
            raise ValueError(
                f"batch {recipe.batch} cannot be shared by {self.group.world} processes"
            )
        self.device, self.gpu = self.group.device, device.startswith("cuda")
        bf16 = self.gpu if bf16 is None else bf16
        self.autocast = torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=bf16)

        if recipe.task == "distil":
            if pairs is None:
                raise ValueError(
                    f"{recipe.name} learns a teacher's answers: have them made once, by "
                    "python -m training.distillation, and give their folder, --pairs FOLDER."
                )
            self.pairs = DistilledPairs(pairs, recipe.size_px, self.device)
            self.loss = DistillationLoss(self.autocast, self.device, feature_weights)
        else:
            copies = (1.0, 0.7, 0.5) if self.gpu else (1.0, 0.5)
            side = source_side_px(recipe.task, recipe.size_px)
            corpus = Corpus.load(train_files, self.device, copies, side)
            self.pairs = PairMaker(corpus, recipe.task, recipe.size_px)
            self.loss = losses.LOSSES[recipe.loss]
        self.out.mkdir(parents=True, exist_ok=True)
        # of photographs in every task: only they say what an answer is worth
        task = "deblur" if recipe.task == "deblur" else "upscale"
        self.held_out = validation_pairs(held_out, task, 256 if self.gpu else 128)
        self._prefetched: tuple[int, tuple[Tensor, ...]] | None = None

        torch.manual_seed(seed)
        self.model = MSSNet(recipe.config)
        # torch's stubs of Module.to lack memory_format
        self.model.to(self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if start:
            checkpoint.load_widened(self.model, checkpoint.starting_weights(Path(start)))
        for number, scale in enumerate((self.model.s1, self.model.s2, self.model.s3)):
            # DDP waits for gradients of unused parameters unless they need none
            scale.requires_grad_(recipe.frozen <= number < recipe.scales)
        self.model.act.requires_grad_(not recipe.frozen)  # all scales share it
        self.optimisers = self._optimisers(bf16)
        self.ema = averaged(self.model)
        self.curriculum = Curriculum(*recipe.difficulty, recipe.gain_db, self.device)

        self.step, self.seconds = 0, 0.0
        self.warm_up_from = 0  # the step at which the optimisers' state began
        self.schedule: tuple[int, int] | None = None  # first step and length of an unfinished run
        self.previous_runs = checkpoint.previous_runs(Path(start)) if start else []
        if resume:
            self._resume()
        network = _AllOutputs(self.model, recipe.scales)
        compiled = cast(nn.Module, torch.compile(network)) if compile_network else network
        self.network = self.group.wrap(compiled)

    # -- the loop ------------------------------------------------------------------------------

    def run(
        self,
        minutes: float | None = None,
        steps: int | None = None,
        every_s: float = 60,
        part: tuple[float, float] = (0.0, 1.0),
    ) -> dict[str, Any]:
        """Train for a time or for a number of steps, validating and saving about every `every_s`.

        part: with minutes, which part of the learning rate's fall they are, so that a long run can
        be made in pieces. Returns the last row of the log.
        """
        if (minutes is None) == (steps is None):
            raise ValueError("give either minutes or steps")
        if steps is not None and self.schedule is None:
            self.schedule = (self.step, steps)
        started, seconds_before, first_step = time.monotonic(), self.seconds, self.step
        saved, mean_loss = started, None

        def log() -> dict[str, Any]:
            elapsed = time.monotonic() - started
            self.seconds = seconds_before + elapsed
            patches = self.recipe.batch * (self.step - first_step)
            return self._validate_and_log(patches / max(elapsed, 1e-9), mean_loss)

        while (progress := self._progress(minutes, time.monotonic() - started)) < 1:
            if steps is None:
                progress = part[0] + (part[1] - part[0]) * progress
            loss = self._train_step(progress)
            if (self.step - first_step) % 10 == 0:  # reading the loss waits for the GPU
                value = float(loss)
                if not math.isfinite(value):
                    raise RuntimeError(f"the loss is {value} at step {self.step}; lower the rate")
                mean_loss = value if mean_loss is None else 0.9 * mean_loss + 0.1 * value
            self.step += 1
            if time.monotonic() - saved > every_s:
                log()
                self.save()
                saved = time.monotonic()
        self.schedule = None
        row = log()
        self.save()
        return row

    def _progress(self, minutes: float | None, elapsed_s: float) -> float:
        """Which share of the run is done; all processes must stop at the same step."""
        if minutes is not None:
            return self.group.broadcast(elapsed_s / (60 * minutes))
        assert self.schedule  # run() has set it
        first, steps = self.schedule
        return (self.step - first) / steps

    def _train_step(self, progress: float) -> Tensor:
        self._set_learning_rates(progress)
        blurry, sharp, *noise = self._batch()
        blurry = blurry.contiguous(memory_format=torch.channels_last)
        with self.autocast:
            outputs = self.network(blurry, *noise)
        outputs = [output.float() for output in outputs]
        loss = self.loss(outputs, sharp, blurry)
        at_size = [losses.targets(outputs[-1:], x)[0] for x in (blurry, sharp)]
        self.curriculum.record(at_size[0], outputs[-1], at_size[1])
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM)
        for optimiser in self.optimisers:
            optimiser.step()
        self.ema.update_parameters(self.model)
        return loss.detach()

    def _batch(self) -> list[Tensor]:
        """This step's blurry and sharp patches, and of a teacher's answers the noise behind them.

        A GPU makes the pairs of eight steps at once: it likes large batches.
        """
        ahead = 8 if self.gpu else 1
        turn, place = divmod(self.step, ahead)
        # hash() of integers is the same in every process and run
        seed = hash((self.seed, turn, self.group.rank)) & 0x7FFFFFFF
        recipe, count = self.recipe, ahead * self.recipe.batch // self.group.world
        if self._prefetched is None or self._prefetched[0] != turn:
            if recipe.task == "deblur" and self.step >= WARM_UP_STEPS:
                self.curriculum.update(count, self.group)
            blur = (self.curriculum.difficulty, recipe.stretch, recipe.non_uniform)
            options = () if recipe.task == "distil" else blur
            self._prefetched = turn, self.pairs.batch(count, seed, *options)
        # every eighth pair: enlargement pairs lie sorted by their factor
        return [x[place::ahead] for x in self._prefetched[1]]

    def _optimisers(self, bf16: bool) -> list[torch.optim.Optimizer]:
        """AdamW for the few parameters that touch colours, Muon for all convolutions inside."""
        named = dict(self.model.named_parameters())
        inner = {n for n, p in named.items() if p.ndim == 4 and ".unets." in n}
        adam = torch.optim.AdamW(
            [p for n, p in named.items() if n not in inner],
            lr=self.recipe.rate,
            betas=(0.9, 0.99),
            fused=self.gpu,
        )
        muon = Muon(
            [p for n, p in named.items() if n in inner],
            lr=self.recipe.muon_rate,
            weight_decay=MUON_WEIGHT_DECAY,
            bf16=bf16,
        )
        for optimiser in (adam, muon):
            for group in optimiser.param_groups:
                group["initial_lr"] = group["lr"]
        return [adam, muon]

    def _set_learning_rates(self, progress: float) -> None:
        warm_up = (self.step - self.warm_up_from + 1) / WARM_UP_STEPS
        set_learning_rates(self.optimisers, progress, warm_up)

    # -- validation and log --------------------------------------------------------------------

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """Mean PSNR (dB) over the held-out pairs: of the input, and of each averaged output."""
        rows = []
        for blurry, sharp in self.held_out:
            blurry, sharp = blurry.to(self.device), sharp.to(self.device)
            blurry = blurry.contiguous(memory_format=torch.channels_last)
            outputs = cast(MSSNet, self.ema.module).pictures(blurry)
            targets = losses.targets(outputs, sharp)
            pairs = zip([blurry, *outputs], [sharp, *targets], strict=True)
            rows.append([metrics.psnr(a[0].clamp(0, 1), b[0]) for a, b in pairs])
        stages = enumerate(self.recipe.config.unets)
        names = ["input"] + [f"S{s + 1}-U{u + 1}" for s, count in stages for u in range(count)]
        mean = torch.tensor(rows).mean(0).tolist() if rows else [math.nan] * len(names)
        return dict(zip(names, mean, strict=True))

    def _validate_and_log(self, patches_per_s: float, loss: float | None) -> dict[str, Any]:
        row = {
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "patches_per_s": round(patches_per_s, 1),
            "rate": f"{self.optimisers[0].param_groups[0]['lr']:.2e}",
            "difficulty": round(self.curriculum.difficulty, 3),
            "loss": "" if loss is None else f"{loss:.4f}",
            "gain": round(self.curriculum.gain_db(), 2),
        }
        row |= {k: round(v, 3) for k, v in self.validate().items()}
        if self.group.rank == 0:
            checkpoint.append_row(self.out, row)
        return row

    # -- checkpoints ---------------------------------------------------------------------------

    def save(self) -> None:
        """Write the run's files, from the first process."""
        if self.group.rank:
            return
        about = {
            "recipe": self.recipe.name,
            "config": self.recipe.config.to_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "difficulty": self.curriculum.difficulty,
            "before": self.previous_runs,
        }
        state = {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "curriculum": self.curriculum.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "schedule": self.schedule,
            "warm_up_from": self.warm_up_from,
        }
        weights = dict(self.model.named_parameters())
        ema = dict(self.ema.module.named_parameters())
        checkpoint.save_run(self.out, about, state, weights, ema)

    def _resume(self) -> None:
        about, state = checkpoint.load_run(self.out, self.device)
        config = MSSNetConfig(**about["config"])
        if about["recipe"] != self.recipe.name or config != self.recipe.config:
            raise ValueError(f"{self.out} is of recipe {about['recipe']!r} or of another size")
        self.previous_runs = about["before"]
        if state is None:
            return self._resume_from_weights(about)
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.curriculum.load_state_dict(state["curriculum"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.schedule, self.warm_up_from = state["schedule"], state["warm_up_from"]

    def _resume_from_weights(self, about: dict[str, Any]) -> None:
        """Go on where only weights and run.json were kept: the optimisers begin afresh."""
        self.model.load_state_dict(checkpoint.load_weights(self.out / "weights.safetensors"))
        self.ema.module.load_state_dict(checkpoint.load_weights(self.out / "ema.safetensors"))
        self.step, self.seconds = about["step"], about["seconds"]
        self.ema.n_averaged.fill_(self.step + 1)
        self.curriculum.difficulty = about["difficulty"]
        self.warm_up_from = self.step  # without the optimisers' moments: begin with small steps
