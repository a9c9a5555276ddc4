"""Train one of the course's networks: on a CPU, one GPU, or several by `torchrun`.

    python -m training.train deblur --photos FOLDER --minutes 30 --resume

A run is one sweep of the learning rate, from warm-up through a cosine to nearly nothing; `--resume`
starts another sweep where the last one ended. A sweep of `--steps` that was cut off is finished by
it; one of `--minutes` is not, since nobody knows what the minutes were worth. The full state
(`state.pt`) continues to the last bit on a CPU. Where only `weights.safetensors` and
`ema.safetensors` were kept, the optimiser starts afresh behind a warm-up.
"""

import argparse
import contextlib
import csv
import json
import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from mssnet_edu import cli, metrics
from mssnet_edu.files import replacing
from mssnet_edu.mssnet import MSSNet, MSSNetConfig
from training import losses
from training.dataset import Corpus, split_files
from training.degradation import MARGIN_PX, PairMaker, reduce
from training.muon import Muon
from training.recipes import RECIPES, Recipe

__all__ = ["Trainer", "command_line", "load_weights", "main", "save_weights", "start_weights"]

WARM_UP = 200  # steps
PACE = 0.0002  # of hardness, per patch
MUON_DECAY = 0.2  # times the rate: without it Muon's weights grow until the network blows up
VALIDATION_SEED = 20_240_601


def save_weights(state: dict[str, Tensor], path: Path, half: bool = False) -> None:
    """Write named tensors as safetensors, whole or not at all."""
    from safetensors.torch import save_file

    kind = torch.float16 if half else torch.float32
    plain = {k: v.detach().to("cpu", kind).contiguous().clone() for k, v in state.items()}
    with replacing(path) as part:
        save_file(plain, part)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read what `save_weights` wrote, as float32."""
    from safetensors.torch import load_file

    return {k: v.float() for k, v in load_file(path).items()}


def start_weights(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Copy weights into a network that may be wider, or have the noise channel.

    It begins with the narrower network's answers: the channels that were there do not listen to the
    new ones yet (to noise, a little), while the new ones, random, listen to all.
    Raises ValueError if the network is narrower anywhere, or has other U-Nets.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name not in state:
                raise ValueError(f"the starting weights lack {name}")
            given = state[name].to(parameter)
            if given.shape == parameter.shape:
                parameter.copy_(given)
                continue
            if any(old > new for old, new in zip(given.shape, parameter.shape, strict=True)):
                raise ValueError(
                    f"{name} is {tuple(given.shape)} in the starting weights and "
                    f"{tuple(parameter.shape)} in this network, which must not be narrower"
                )
            there = slice(len(given))
            parameter[there] *= 0.1 if name.endswith("shallow.0.weight") else 0
            # `merge` reads two maps side by side, and each has become wider
            maps = 2 if ".merge." in name else 1
            for old, new in zip(given.chunk(maps, 1), parameter.chunk(maps, 1), strict=True):
                new[there, : old.shape[1]] = old


class _Pictures(nn.Module):
    """Training's view of the network: all outputs at once (torch's DDP needs a forward)."""

    def __init__(self, model: MSSNet, scales: int):
        super().__init__()
        self.model, self.scales = model, scales

    def forward(self, blurry: Tensor, noise: Tensor | None) -> list[Tensor]:
        return self.model.pictures(blurry, noise, self.scales)


class Trainer:
    """One network in training.

    recipe: see recipes.py. train_files, held_out: photographs. out: folder for state, weights and
    log. device: "cpu" or "cuda". start: folder or .safetensors file to start from. bf16: run the
    network's convolutions in bfloat16 (default: on a GPU); weights and loss stay float32.
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
        perceptual_weights: Path | None = None,
    ):
        self.recipe, self.out, self.seed = recipe, Path(out), seed
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if self.world > 1:
            if not torch.distributed.is_initialized():
                torch.distributed.init_process_group("nccl" if device == "cuda" else "gloo")
            if device == "cuda":
                device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        if recipe.batch % self.world:
            raise ValueError(f"batch {recipe.batch} cannot be shared by {self.world} processes")
        self.device = device
        self.gpu = device.startswith("cuda")
        self.bf16 = self.gpu if bf16 is None else bf16
        self.out.mkdir(parents=True, exist_ok=True)
        side = recipe.size_px + (2 * MARGIN_PX if recipe.task == "deblur" else 0)
        scales = (1.0, 0.7, 0.5) if self.gpu else (1.0, 0.5)
        self.pairs = PairMaker(
            Corpus.load(train_files, device, scales, side), recipe.task, recipe.size_px
        )
        self.check = self._validation_pairs(held_out)
        torch.manual_seed(seed)
        self.model = MSSNet(recipe.config).to(device, memory_format=torch.channels_last)
        if start:
            start_weights(self.model, self._find_weights(Path(start)))
        if recipe.kept >= recipe.scales:
            raise ValueError(f"{recipe.kept} scales are kept as they are: nothing is left to train")
        if recipe.realism and recipe.scales == 1:
            raise ValueError("S1 answers at half size: train 2 or 3 scales to look real")
        for number, scale in enumerate((self.model.s1, self.model.s2, self.model.s3)):
            # without this, several processes would wait for the gradients of what is left out
            scale.requires_grad_(recipe.kept <= number < recipe.scales)
        self.model.act.requires_grad_(not recipe.kept)  # all scales share it
        self.optimisers = self._optimisers()
        self.names = [n for n, _ in self.model.named_parameters()]
        self.parameters = list(self.model.parameters())
        self.ema = [p.detach().clone() for p in self.parameters]
        if recipe.realism:
            self._prepare_realism(perceptual_weights)
        self.step, self.seconds, self.warm_from = 0, 0.0, 0
        self.before = _runs_until(Path(start)) if start else []  # whose weights this run began with
        self.hardness = recipe.hardness[0]
        self.errors = torch.ones(2, device=device)  # running: of the input, of the answer
        self._made = None  # pairs made beforehand
        self.sweep = None  # (first step, number of steps) of a sweep not yet finished
        if resume:
            self._resume()
        self.run_network = _Pictures(self.model, recipe.scales)
        if compile_network:
            self.run_network = torch.compile(self.run_network)
        if self.world > 1:
            self.run_network = nn.parallel.DistributedDataParallel(self.run_network)

    # -- the loop ------------------------------------------------------------------------------

    def run(
        self,
        minutes: float | None = None,
        steps: int | None = None,
        every_s: float = 60,
        part: tuple[float, float] = (0.0, 1.0),
    ):
        """Train for a time or for a number of steps, validating and saving about every `every_s`.

        part: which part of a sweep these minutes are, so that a long sweep can be run in pieces.
        Returns the last validation row.
        """
        if (minutes is None) == (steps is None):
            raise ValueError("give either minutes or steps")
        began, done, last_check = time.monotonic(), 0, time.monotonic()
        if steps is not None and self.sweep is None:
            self.sweep = (self.step, steps)
        first = self.step
        average = None
        while True:
            elapsed = time.monotonic() - began
            if steps is not None:
                share = (self.step - self.sweep[0]) / self.sweep[1]
                if share >= 1:
                    break
                share_of_run = share
            else:
                share = self._agree(elapsed / (60 * minutes))
                if share >= 1:
                    break
                share_of_run = part[0] + (part[1] - part[0]) * share
            value = self._train_step(share_of_run)
            if done % 10 == 0:  # reading the loss waits for the GPU
                value = float(value)
                if not math.isfinite(value):
                    raise RuntimeError(f"the loss is {value} at step {self.step}; lower the rate")
                average = value if average is None else 0.9 * average + 0.1 * value
            self.step += 1
            done += 1
            if time.monotonic() - last_check > every_s:
                self._settle(began, average, done)
                began_save, last_check = time.monotonic(), time.monotonic()
                self.save()
                last_check += time.monotonic() - began_save
        self.sweep = None
        row = self._settle(began, average, self.step - first)
        self.save()
        return row

    def _agree(self, share: float) -> float:
        """All processes must stop at the same step: the first one's clock counts."""
        if self.world == 1:
            return share
        agreed = torch.tensor([share], device=self.device)
        torch.distributed.broadcast(agreed, 0)
        return float(agreed)

    def _rate(self, share: float) -> float:
        warm = min(1.0, (self.step - self.warm_from + 1) / WARM_UP)
        return warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))

    def _optimisers(self) -> list[torch.optim.Optimizer]:
        """Muon for the convolutions between features, AdamW for the few that touch colours."""
        named = dict(self.model.named_parameters())
        inner = [p for n, p in named.items() if p.ndim == 4 and ".unets." in n]
        known = {id(p) for p in inner}
        outer = [p for p in named.values() if id(p) not in known]
        adam = torch.optim.AdamW(outer, lr=self.recipe.rate, betas=(0.9, 0.99), fused=self.gpu)
        muon = Muon(inner, lr=self.recipe.muon_rate, weight_decay=MUON_DECAY)
        for optimiser in (adam, muon):
            for group in optimiser.param_groups:
                group["peak"] = group["lr"]
        return [adam, muon]

    def _pairs(self) -> tuple[Tensor, Tensor, Tensor, int]:
        """This step's pairs, the factors by which they were reduced, and a seed.

        Several steps' worth are made at once: a GPU likes large batches.
        """
        at_once = 8 if self.gpu else 1
        turn, place = divmod(self.step, at_once)
        seed = hash((self.seed, turn, self.rank)) & 0x7FFFFFFF  # ints hash the same every run
        count = self.recipe.batch // self.world
        if self._made is None or self._made[0] != turn:
            self._grow_harder(count * at_once)
            blurry, sharp = self.pairs.batch(
                count * at_once, seed, self.hardness, self.recipe.stretch, self.recipe.warped
            )
            factors = self.pairs.factors(count * at_once, seed)
            self._made = turn, blurry, sharp, factors
        # every eighth pair: enlargement pairs lie sorted by their factor
        return *(made[place::at_once] for made in self._made[1:]), seed + place

    def _grow_harder(self, patches: int) -> None:
        """Harder blur as soon as the network has learned what there is; on all processes alike."""
        if self.step < WARM_UP or self.recipe.task != "deblur":
            return
        errors = self.errors.clone()
        if self.world > 1:
            torch.distributed.all_reduce(errors)
        before, after = errors.tolist()  # waits for the GPU, but only once for several steps
        if before > after * 10 ** (self.recipe.gain_db / 10):
            self.hardness = min(self.recipe.hardness[1], self.hardness + PACE * patches)

    def _train_step(self, share: float) -> Tensor:
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * self._rate(share)
        blurry, sharp, factors, seed = self._pairs()
        blurry = blurry.contiguous(memory_format=torch.channels_last)
        made = None
        if self.recipe.realism:
            loss, made = self._realism_loss(blurry, sharp, factors, seed)
        else:
            with self._precision():
                pictures = self.run_network(blurry, None)
            pictures = [p.float() for p in pictures]
            loss = self._loss(pictures, sharp, blurry)
            with torch.no_grad():  # clean pairs hardly count here: their error is nearly none
                answer = pictures[-1].detach()
                wanted, given = (losses.targets([answer], x)[0] for x in (sharp, blurry))
                found = [(p - wanted).square().mean() for p in (given, answer)]
                self.errors.lerp_(torch.stack(found), 0.03)
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 10.0 if self.recipe.realism else 20.0)
        for optimiser in self.optimisers:
            optimiser.step()
        decay = min(0.999, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.ema, [p.detach() for p in self.parameters], 1 - decay)
        if made is not None:
            self._teach_critic(made, blurry, sharp)
        return loss.detach()

    def _loss(self, pictures: list[Tensor], sharp: Tensor, blurry: Tensor) -> Tensor:
        if self.recipe.loss == "share":
            return losses.share_loss(pictures, sharp, blurry)
        chosen = {"paper": losses.paper_loss, "psnr": losses.psnr_loss}[self.recipe.loss]
        return chosen(pictures, sharp)

    def _precision(self):
        if self.bf16:
            return torch.autocast("cuda" if self.gpu else "cpu", dtype=torch.bfloat16)
        return contextlib.nullcontext()

    # -- realism -------------------------------------------------------------------------------

    def _prepare_realism(self, weights: Path | None) -> None:
        from mssnet_edu.models import classifier

        self.eye = classifier.build()
        self.eye.load_state_dict(load_weights(weights or _perceptual_weights()))
        self.eye.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)
        self.critic = losses.Discriminator().to(self.device, memory_format=torch.channels_last)
        self.critic_optimiser = torch.optim.Adam(
            self.critic.parameters(), lr=2e-4, betas=(0.0, 0.99)
        )

    def _realism_loss(
        self, blurry: Tensor, sharp: Tensor, factors: Tensor, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Two draws for every photo: each must look real and fit the input, and they must differ.

        Returns the loss, and one draw for the critic to judge.
        """
        local = torch.Generator(device=self.device).manual_seed(seed)
        n, _, height, width = blurry.shape
        noise = torch.randn(2 * n, 1, height, width, generator=local, device=self.device)
        with self._precision():
            pictures = self.run_network(torch.cat([blurry, blurry]), noise)
        pictures = [p.float() for p in pictures]
        answer = pictures[-1]
        one, other = answer.chunk(2)
        twice, inputs = torch.cat([sharp, sharp]), torch.cat([blurry, blurry])
        # the early stages keep the fidelity task; the mean of the draws keeps the last one honest
        loss = 0.2 * losses.paper_loss(pictures[:-1], twice) / len(pictures)
        loss = loss + ((one + other) / 2 - sharp).abs().mean()
        for factor in factors.unique().tolist():  # what was recorded must stay as it was
            here = (factors == factor).repeat(2).to(answer.device)
            off = reduce(answer[here], factor) - reduce(twice[here], factor)
            loss = loss + 20.0 * off.abs().mean() * here.float().mean()
        loss = loss + 2.0 * losses.colour(answer, twice) + losses.texture(answer, twice)
        with self._precision():
            loss = loss + 0.5 * losses.perceptual(self.eye, answer, twice)
            self.critic.requires_grad_(False)
            scores = self.critic(answer, inputs)
            self.critic.requires_grad_(True)
        loss = loss + 0.15 * losses.adversarial(scores.float(), True)
        return loss + 0.5 * losses.diversity(one, other, sharp, blurry), one.detach()

    def _teach_critic(self, made: Tensor, blurry: Tensor, sharp: Tensor) -> None:
        with self._precision():
            real, fake = self.critic(sharp, blurry), self.critic(made, blurry)
        verdict = losses.adversarial(real.float(), True) + losses.adversarial(fake.float(), False)
        self.critic_optimiser.zero_grad(set_to_none=True)
        verdict.backward()
        if self.world > 1:
            for p in self.critic.parameters():
                torch.distributed.all_reduce(p.grad)
                p.grad /= self.world
        self.critic_optimiser.step()

    # -- validation and log --------------------------------------------------------------------

    def _validation_pairs(self, held_out: list[Path]) -> list[tuple[Tensor, Tensor]]:
        if not held_out:
            return []
        size = 256 if self.gpu else 128
        side = size + (2 * MARGIN_PX if self.recipe.task == "deblur" else 0)
        pairs = PairMaker(
            Corpus.load(held_out, "cpu", (1.0,), side), self.recipe.task, size, clean=1.0
        )
        blurry, sharp = pairs.batch(32, VALIDATION_SEED, hardness=0.7)
        if self.recipe.task == "deblur":  # pairs without any blur would hide what matters
            blurred = (blurry - sharp).flatten(1).abs().mean(1) > 1e-4
            blurry, sharp = blurry[blurred], sharp[blurred]
        else:
            eight = pairs.factors(32, VALIDATION_SEED) == 8
            blurry, sharp = blurry[eight], sharp[eight]
        return [(b[None], s[None]) for b, s in zip(blurry, sharp, strict=True)]

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """Mean PSNR (dB) over the held-out pairs: of the input, and of each output (EMA)."""
        kept = [p.detach().clone() for p in self.parameters]
        torch._foreach_copy_(self.parameters, self.ema)
        rows = []
        for blurry, sharp in self.check:
            blurry, sharp = blurry.to(self.device), sharp.to(self.device)
            pictures = self.model.pictures(blurry.contiguous(memory_format=torch.channels_last))
            wanted = losses.targets(pictures, sharp)
            pairs = zip([blurry, *pictures], [sharp, *wanted], strict=True)
            rows.append([metrics.psnr(a[0].clamp(0, 1), b[0]) for a, b in pairs])
        torch._foreach_copy_(self.parameters, kept)
        names = ["input"] + [
            f"S{s + 1}-U{u + 1}" for s, n in enumerate(self.recipe.config.unets) for u in range(n)
        ]
        mean = torch.tensor(rows).mean(0).tolist() if rows else [math.nan] * len(names)
        return dict(zip(names, mean, strict=True))

    def _settle(self, began: float, loss: float | None, steps: int) -> dict:
        now = time.monotonic()
        rate = self.optimisers[0].param_groups[0]["lr"]
        row = {
            "step": self.step,
            "seconds": round(self.seconds + now - began, 1),
            "patches_per_s": round(self.recipe.batch * steps / max(now - began, 1e-9), 1),
            "rate": f"{rate:.2e}",
            "hardness": round(self.hardness, 3),
            "loss": "" if loss is None else f"{loss:.4f}",
            # on recent pairs; a network that is to look real is not asked for it
            "gain": ""
            if self.recipe.realism
            else round(10 * math.log10(self.errors[0] / self.errors[1]), 2),
        }
        row |= {k: round(v, 3) for k, v in self.validate().items()}
        if self.rank == 0:
            log = self.out / "log.csv"
            fresh = not log.exists()
            with log.open("a", newline="") as file:
                writer = csv.DictWriter(file, row)
                if fresh:
                    writer.writeheader()
                writer.writerow(row)
            print(" ".join(f"{k}={v}" for k, v in row.items()), flush=True)
        self._elapsed = self.seconds + now - began
        return row

    # -- state ---------------------------------------------------------------------------------

    def save(self) -> None:
        """Write run.json, state.pt, weights and ema.safetensors; each is whole or absent."""
        if self.rank:
            return
        state = {
            "recipe": self.recipe.name,
            "config": self.recipe.config.to_dict(),
            "model": dict(zip(self.names, self.parameters, strict=True)),
            "ema": dict(zip(self.names, self.ema, strict=True)),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "step": self.step,
            "seconds": self._elapsed,
            "sweep": self.sweep,
            "hardness": self.hardness,
            "errors": self.errors,
            "warm_from": self.warm_from,
        }
        if self.recipe.realism:
            state["critic"] = self.critic.state_dict()
            state["critic_optimiser"] = self.critic_optimiser.state_dict()
        about = {k: state[k] for k in ("recipe", "config", "step", "seconds", "hardness")}
        about["before"] = self.before
        with replacing(self.out / "run.json") as part:  # first: no state is of use without it
            part.write_text(json.dumps(about, indent=1) + "\n")
        with replacing(self.out / "state.pt") as part:
            torch.save(state, part)
        save_weights(state["model"], self.out / "weights.safetensors")
        save_weights(state["ema"], self.out / "ema.safetensors")

    def _resume(self) -> None:
        full, weights = self.out / "state.pt", self.out / "weights.safetensors"
        if full.is_file():
            state = torch.load(full, map_location=self.device, weights_only=True)
            if state["recipe"] != self.recipe.name or MSSNetConfig(**state["config"]) != (
                self.recipe.config
            ):
                raise ValueError(f"{full} is of recipe {state['recipe']!r} or of another size")
            with torch.no_grad():
                for p, e, name in zip(self.parameters, self.ema, self.names, strict=True):
                    p.copy_(state["model"][name])
                    e.copy_(state["ema"][name])
            for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(kept)
            if self.recipe.realism:
                self.critic.load_state_dict(state["critic"])
                self.critic_optimiser.load_state_dict(state["critic_optimiser"])
            self.step, self.seconds = state["step"], state["seconds"]
            self.sweep = tuple(state["sweep"]) if state["sweep"] else None
            self.warm_from = state["warm_from"]
            self.hardness, self.errors = state["hardness"], state["errors"]
        elif weights.is_file():
            start_weights(self.model, load_weights(weights))
            averaged = load_weights(self.out / "ema.safetensors")
            with torch.no_grad():
                for e, name in zip(self.ema, self.names, strict=True):
                    e.copy_(averaged[name])
            about = json.loads((self.out / "run.json").read_text())
            self.step, self.seconds = about["step"], about["seconds"]
            self.hardness = about.get("hardness", self.hardness)
            self.warm_from = self.step  # the moments are gone: begin gently
        else:
            raise ValueError(f"{self.out} holds no run to resume; leave --resume out to start one")
        self.before = json.loads((self.out / "run.json").read_text()).get("before", [])

    @staticmethod
    def _find_weights(start: Path) -> dict[str, Tensor]:
        if start.is_dir():
            start = start / "ema.safetensors"
        if not start.is_file():
            raise ValueError(f"there are no weights at {start} to start from")
        return load_weights(start)


def _runs_until(run: Path) -> list[dict]:
    """What led to the weights in this folder: [{recipe, step, seconds}], the first run first."""
    about = run / "run.json"
    if not about.is_file():
        return []
    about = json.loads(about.read_text())
    return [*about.get("before", []), {k: about[k] for k in ("recipe", "step", "seconds")}]


def _perceptual_weights() -> Path:
    from mssnet_edu.samples import find_data

    return find_data("weights/efficientnet-lite0.safetensors")


# -- command line ----------------------------------------------------------------------------------


def main(argv: list[str] | None = None) -> int:
    """Run `python -m training.train`; returns the exit code."""
    return cli.run(command_line(), argv)


def command_line() -> cli.ArgumentParser:
    """Return the parser of `python -m training.train`."""
    parser = cli.ArgumentParser("python -m training.train", description=__doc__.split("\n\n")[0])
    parser.add_argument("recipe", choices=sorted([*RECIPES, "featsharp"]), help="which network")
    parser.add_argument("--photos", type=Path, required=True, help="folder of sharp photographs")
    parser.add_argument("--out", type=Path, help="folder for the run (default: runs/RECIPE)")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="how long this sweep takes")
    length.add_argument("--steps", type=int, help="how many steps this sweep has")
    parser.add_argument("--resume", action="store_true", help="go on from the run in --out")
    parser.add_argument("--start", type=Path, help="weights to start from (folder or .safetensors)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, help="patches per step")
    parser.add_argument("--size", type=int, help="patch side in pixels, a multiple of 16")
    parser.add_argument("--rate", type=float, help="peak learning rate")
    parser.add_argument("--muon-rate", type=float, help="peak rate of the inner convolutions")
    parser.add_argument("--loss", choices=("paper", "psnr", "share"), help="see recipes.py")
    parser.add_argument(
        "--part", type=float, nargs=2, default=(0.0, 1.0), help="with --minutes: a piece of a sweep"
    )
    parser.add_argument("--every", type=float, default=60, help="seconds between validations")
    parser.add_argument("--compile", action="store_true", help="torch.compile (worth it on a GPU)")
    parser.add_argument(
        "--bf16",
        action=argparse.BooleanOptionalAction,
        help="convolutions in bfloat16 (default: on a GPU; also worth it where `lscpu` says bf16)",
    )
    parser.add_argument(
        "--hardness", type=float, nargs=2, help="how hard the blur is, 0 to 1: at first, at most"
    )
    parser.add_argument(
        "--gain", type=float, help="the blur grows harder while the network gains this many dB"
    )
    parser.add_argument(
        "--scales", type=int, choices=(1, 2, 3), help="1, 2: train the coarse scales only"
    )
    parser.add_argument(
        "--keep", type=int, choices=(0, 1, 2), help="leave so many of the first scales as they are"
    )
    parser.add_argument("--stretch", type=float, help="motions are this many times as long")
    parser.add_argument(
        "--warped", type=float, help="share of the motions that turn or tear the picture (slow)"
    )
    parser.add_argument("--perceptual", type=Path, help="EfficientNet-Lite0 weights")
    parser.set_defaults(run=run_command, default_of=parser.get_default)
    return parser


def run_command(args) -> int:
    """Run `python -m training.train`; returns the exit code."""
    if args.recipe == "featsharp":  # no restoration: a trainer of its own
        from training import featsharp

        given = {k for k, v in vars(args).items() if v != args.default_of(k)}
        foreign = sorted(given - featsharp.OPTIONS - {"traceback"})
        if foreign:
            names = ", ".join("--" + name.replace("_", "-") for name in foreign)
            raise ValueError(f"featsharp has a trainer of its own, which does not know {names}.")
        return featsharp.run_command(args)
    changes = {
        "batch": args.batch,
        "size_px": args.size,
        "rate": args.rate,
        "loss": args.loss,
        "muon_rate": args.muon_rate,
        "hardness": args.hardness and tuple(args.hardness),
        "gain_db": args.gain,
        "scales": args.scales,
        "kept": args.keep,
        "stretch": args.stretch,
        "warped": args.warped,
    }
    recipe = replace(RECIPES[args.recipe], **{k: v for k, v in changes.items() if v is not None})
    out = args.out or Path("runs") / recipe.name
    start = args.start
    if recipe.starts_from and not start and not args.resume:
        start = Path("runs") / recipe.starts_from
    train_files, held_out = split_files(args.photos)
    trainer = Trainer(
        recipe,
        train_files,
        held_out,
        out,
        device=args.device,
        seed=args.seed,
        start=start,
        resume=args.resume,
        compile_network=args.compile,
        bf16=args.bf16,
        perceptual_weights=args.perceptual,
    )
    trainer.run(minutes=args.minutes, steps=args.steps, every_s=args.every, part=tuple(args.part))
    return 0


if __name__ == "__main__":
    sys.exit(main())
