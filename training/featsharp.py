"""Train FeatSharp for one encoder: `python -m training.train featsharp --photos DIR --minutes 30`.

No labels are needed. Of each scene (a square of a photo), the encoder describes the whole, its
tiles, and some *views*: the scene zoomed, shifted and mirrored. Then the upsampled map, cut out
like the view and averaged down, must say what the encoder says of the view itself.

Three parts, one after another: JBU with the encoder's fixed pattern; the fusion to 2x; the fusion
to 4x, which starts from the weights of the one to 2x and is trained on windows around small views.
The encoder is the costly part and never changes: its features are cached beside the run.
"""

import argparse
import csv
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mssnet_edu import featsharp, images
from mssnet_edu.files import replacing
from mssnet_edu.models import encoders
from mssnet_edu.models.catalogue import save_model
from mssnet_edu.models.encoders import Encoder
from mssnet_edu.models.featsharp import FACTORS, DownSampler, FeatSharp, build, phi_s, view_loss
from training.dataset import split_files

__all__ = ["Trainer", "cached_scenes", "collect", "random_square", "run_command"]

OPTIONS = {"recipe", "photos", "out", "seed", "bf16", "steps", "minutes"}  # of the command line
VIEWS = 10
MAX_ZOOM = 4
SCENES_4X = 24  # scenes that are also encoded for 4x: their tiles are costly
STEP_SHARES = (0.12, 0.66, 0.22)  # JBU, fusion to 2x, fusion to 4x
MARGIN_CELLS = 6  # around a small view: the reach of attention and down-sampler

Scene = dict[str, Tensor]  # what `collect` returns


def random_square(path: Path, generator: torch.Generator, side_px: int) -> Tensor:
    """A random square of a photograph, resized to side_px: (1, 3, side_px, side_px)."""
    photo = images.load(path)[None]
    height, width = photo.shape[-2:]
    side = int((0.6 + 0.4 * float(torch.rand((), generator=generator))) * min(height, width))
    top, left = (int(torch.rand((), generator=generator) * (n - side + 1)) for n in (height, width))
    part = photo[..., top : top + side, left : left + side]
    return F.interpolate(part, (side_px, side_px), mode="bicubic", antialias=True).clamp(0, 1)


@torch.inference_mode()
def collect(
    encoder: Encoder,
    path: Path,
    seed: int = 0,
    factors: Sequence[int] = (2, 4),
    bf16: bool = False,
) -> Scene:
    """Encode one scene of a photograph: whole, tiles and views.

    Returns low (1, C, h, w), tiles2 and tiles4 (1, C, f h, f w), views (1, V, C, h, w), boxes
    (1, V, 4) and photo (1, 3, 4h, 4w), features in half precision. bf16: about 1.7 times as fast
    where the processor knows it, and 1 % off.
    """
    generator = torch.Generator().manual_seed(hash((seed, 0)) & 0x7FFFFFFF)  # the same every run
    native = encoder.native_px
    scene = random_square(path, generator, MAX_ZOOM * native)
    boxes = featsharp.draw_views(VIEWS, generator, MAX_ZOOM)
    pictures = torch.cat([featsharp.take_view(scene, box, native) for box in boxes])
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        maps = {
            "low": encoder.encode(featsharp.resize(scene, native)).half(),
            "views": encoder.encode(pictures).half()[None],
        }
        for factor in factors:
            large = featsharp.resize(scene, factor * native)
            maps[f"tiles{factor}"] = encoders.encode_tiles(encoder, large, factor).half()
    cells = MAX_ZOOM * maps["low"].shape[-1]
    photo = F.interpolate(scene, (cells, cells), mode="area")
    return {**maps, "boxes": boxes[None], "photo": photo}


class Trainer:
    """FeatSharp in training.

    scenes, held_out: what `collect` returns; those without tiles4 serve JBU and the fusion to 2x
    only. log: called with a row, a dict, now and then.
    """

    def __init__(
        self,
        model: FeatSharp,
        scenes: Sequence[Scene],
        held_out: Sequence[Scene] = (),
        seed: int = 0,
        log: Callable[[dict[str, Any]], None] = print,
        bf16: bool = False,
    ):
        self.model, self.scenes, self.held_out, self.log = model, scenes, held_out, log
        self.bf16 = bf16
        self.down = {f: cast(DownSampler, model.down[str(f)]) for f in FACTORS}
        self.generator = torch.Generator().manual_seed(seed)
        self._standardise()

    def _standardise(self) -> None:
        """Fit PHI-S to all scenes, and begin the fixed pattern (bias) with their mean."""
        model = self.model
        low = torch.cat([s["low"] for s in self.scenes]).float()
        views = torch.cat([s["views"][0, ::3] for s in self.scenes]).float()
        tokens = torch.cat([low, views]).permute(0, 2, 3, 1).flatten(0, 2)
        mean, rotation, scale = phi_s(tokens)
        model.mean.copy_(mean)
        model.rotation.copy_(rotation)
        model.scale.fill_(scale)
        with torch.no_grad():
            # views show other things at each place, so that their mean is the pattern
            average = model.standardise(torch.cat([low, views])).mean(0, keepdim=True)
            model.bias.copy_(average - average.mean((2, 3), keepdim=True))

    def _pick(self, count: int, scenes: Sequence[Scene]) -> list[Scene]:
        chosen = torch.randint(len(scenes), (count,), generator=self.generator).tolist()
        return [scenes[i] for i in chosen]

    def _maps(self, scene: Scene, factor: int) -> tuple[Tensor, Tensor, Tensor]:
        """Standardised maps without the fixed pattern: (1, C, h, w), and two at factor times that.

        Returns the low-resolution one, what JBU makes of it, and that of the tiles.
        """
        model = self.model
        low = model.standardise(scene["low"].float()) - model.bias
        tiled = model.standardise(scene[f"tiles{factor}"].float())
        tiled = tiled - model.bias.repeat(1, 1, factor, factor)
        return low, model.upsample_jbu(low, scene["photo"], factor), tiled

    def _fit(
        self,
        name: str,
        parameters: Iterable[nn.Parameter],
        loss_of: Callable[[], Tensor],
        seconds: float = 0.0,
        steps: int = 0,
        rate: float = 1e-3,
        every: int = 20,
    ) -> float:
        """Train for a time or a number of steps; returns the running mean of the loss.

        The learning rate warms up over 20 steps and then falls by a power of what is left.
        """
        parameters = list(parameters)
        optimiser = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.99), weight_decay=0.0)
        started, step, mean_loss, progress = time.monotonic(), 0, 0.0, 0.0
        while progress < 1:
            factor = min(1, (step + 1) / 20) * (0.02 + 0.98 * (1 - progress) ** 1.5)
            optimiser.param_groups[0]["lr"] = rate * factor
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                loss = loss_of()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            value = float(loss.detach())
            mean_loss = 0.95 * mean_loss + 0.05 * value if step else value
            step += 1
            progress = step / steps if steps else (time.monotonic() - started) / seconds
            if step % every == 0 or progress >= 1:
                self.log({"part": name, "step": step, "loss": round(mean_loss, 4)})
        return mean_loss

    # -- JBU and the fixed pattern -------------------------------------------------------------

    def train_jbu(self, **options: Any) -> float:
        """Train JBU, the down-samplers and the fixed pattern; returns the mean loss of late.

        options: seconds or steps, and every, the steps between two rows of the log.
        JBU's weights are the same for all channels, so each step takes some of them only.
        """
        model = self.model
        parameters = [*model.jbu.parameters(), *model.down.parameters(), model.bias]
        return self._fit("jbu", parameters, self._jbu_loss, rate=1e-2, **options)

    def _jbu_loss(self) -> Tensor:
        model, total = self.model, torch.zeros(())
        width = model.bias.shape[1]
        channels = torch.randperm(width, generator=self.generator)[: max(32, width // 6)]
        for scene in self._pick(1, self.scenes):
            low = model.standardise(scene["low"].float())[:, channels]
            views = model.standardise(scene["views"][0].float())[:, channels]
            bias = model.bias[:, channels]
            sharp, boxes = low - bias, scene["boxes"][0]
            for level, factor in enumerate(FACTORS):
                sharp = model.jbu[level](sharp, scene["photo"])
                chosen = (boxes[:, 2] >= 0.8 / factor).nonzero()[:, 0]
                chosen = chosen[torch.randperm(len(chosen), generator=self.generator)[:4]]
                down = self.down[factor]
                loss, _ = view_loss(sharp, views[chosen], boxes[chosen], down, bias)
                total = total + loss
        return total / 2

    # -- the fusions -----------------------------------------------------------------------------

    @torch.no_grad()
    def _fusion_inputs(self, factor: int) -> list[Scene]:
        """All scenes that have tiles of this factor, with the fusion's inputs in half precision."""
        inputs = []
        for scene in self.scenes:
            if f"tiles{factor}" in scene:
                _, borrowed, measured = self._maps(scene, factor)
                inputs.append({**scene, "borrowed": borrowed.half(), "measured": measured.half()})
        return inputs

    def train_fusion(self, factor: int, start_from: int | None = None, **options: Any) -> float:
        """Train the fusion to this factor; returns the mean loss of late.

        start_from: another factor, whose weights to copy. options: as for `train_jbu`.
        """
        model, key = self.model, str(factor)
        if start_from:
            model.fusion[key].load_state_dict(model.fusion[str(start_from)].state_dict())
        scenes = self._fusion_inputs(factor)
        parameters = [
            *model.fusion[key].parameters(),
            *model.down[key].parameters(),
            model.tile_embedding[key],
        ]
        loss = self._whole_loss if factor == 2 else self._window_loss
        rate = 1.5e-3 if start_from is None else 7e-4
        return self._fit(
            f"{factor}x", parameters, lambda: loss(scenes, factor), rate=rate, **options
        )

    def _whole_loss(self, scenes: list[Scene], factor: int) -> Tensor:
        """Fuse the whole of two scenes, and compare with all views that are large enough."""
        model, total = self.model, torch.zeros(())
        chosen = self._pick(2, scenes)
        for scene in chosen:
            sharp = model.fuse(scene["borrowed"].float(), scene["measured"].float(), factor)
            boxes, views = self._large_views(scene, factor)
            down = self.down[factor]
            total = total + view_loss(sharp, views, boxes, down, model.bias.detach())[0]
        return total / len(chosen)

    def _large_views(self, scene: Scene, factor: int) -> tuple[Tensor, Tensor]:
        """Boxes and standardised features of the views that show no finer detail than the maps."""
        chosen = scene["boxes"][0, :, 2] >= 0.8 / factor
        return scene["boxes"][0, chosen], self.model.standardise(scene["views"][0, chosen].float())

    def _window_loss(self, scenes: list[Scene], factor: int) -> Tensor:
        """Fuse only the cells around one small view, in each of three scenes."""
        model, total = self.model, torch.zeros(())
        chosen = self._pick(3, scenes)
        for scene in chosen:
            small = (scene["boxes"][0, :, 2] <= 0.62).nonzero()[:, 0]
            view = small[torch.randint(len(small), (1,), generator=self.generator)]
            box = scene["boxes"][0, view[0]].clone()
            cells = scene["borrowed"].shape[-1]
            window = min(cells, int(box[2] * cells) + 2 * MARGIN_CELLS)
            top, left = (
                min(max(int((at + box[2] / 2) * cells - window / 2), 0), cells - window)
                for at in box[:2].tolist()
            )
            part = (..., slice(top, top + window), slice(left, left + window))
            where = model.tile_embedding_for(cells, cells, factor)
            sharp = model.fusion[str(factor)](
                scene["borrowed"][part].float(), (scene["measured"].float() + where)[part]
            )
            box[0], box[1] = (box[0] * cells - top) / window, (box[1] * cells - left) / window
            box[2] = box[2] * cells / window
            views = model.standardise(scene["views"][0, view].float())
            down, bias = self.down[factor], model.bias.detach()
            size = (cells, cells)
            total = total + view_loss(sharp, views, box[None], down, bias, size)[0]
        return total / len(chosen)

    # -- how good it is ----------------------------------------------------------------------------

    @torch.no_grad()
    def fidelities(self, factor: int) -> dict[str, float]:
        """Mean fidelity over the held-out scenes' views: of bilinear, JBU and FeatSharp.

        All go through this factor's own down-sampler, and all are given the fixed pattern.
        """
        model, scores = self.model, {"bilinear": [], "jbu": [], "featsharp": []}
        down = self.down[factor]
        for scene in self.held_out:
            if f"tiles{factor}" not in scene:
                continue
            low, borrowed, measured = self._maps(scene, factor)
            maps = {
                "bilinear": F.interpolate(low, scale_factor=factor, mode="bilinear"),
                "jbu": borrowed,
                "featsharp": model.fuse(borrowed, measured, factor),
            }
            boxes, views = self._large_views(scene, factor)
            for name, sharp in maps.items():
                _, predicted = view_loss(sharp, views, boxes, down, model.bias)
                scores[name].append(featsharp.fidelity(predicted, views).mean())
        return {name: float(torch.stack(v).mean()) for name, v in scores.items() if v}


def cached_scenes(
    encoder: Encoder, files: Sequence[Path], folder: Path, seed: int, bf16: bool, scenes_4x: int
) -> list[Scene]:
    """`collect` for each file; the first `scenes_4x` of them also for 4x.

    A second run reads what is in the folder; a file's name says all that a scene depends on.
    """
    scenes = []
    for number, path in enumerate(files):
        factors = (2, 4) if number < scenes_4x else (2,)
        digest = hashlib.sha256(path.read_bytes())
        digest.update(f"{seed} {factors} {bf16}".encode())
        cached = folder / f"{digest.hexdigest()[:16]}.pt"
        if not cached.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            scene_seed = int(digest.hexdigest()[:12], 16)
            with replacing(cached) as part:
                torch.save(collect(encoder, path, scene_seed, factors, bf16), part)
            print(f"encoded {number + 1} of {len(files)}: {path.name}", flush=True)
        scenes.append(torch.load(cached, weights_only=True))
    return scenes


def run_command(args: argparse.Namespace) -> int:
    """Run `python -m training.train featsharp`; returns the exit code."""
    out = args.out or Path("runs/featsharp")
    encoder = encoders.encoder("vit-s14")
    train_files, held_out = split_files(args.photos)
    order = torch.randperm(len(train_files), generator=torch.Generator().manual_seed(args.seed))
    train_files = [train_files[i] for i in order.tolist()]
    bf16 = bool(args.bf16)
    scenes = cached_scenes(encoder, train_files, out / "views", args.seed, bf16, SCENES_4X)
    held_out = cached_scenes(
        encoder, held_out, out / "held_out", args.seed + 1000, False, len(held_out)
    )

    rows = []

    def log(row: dict[str, Any]) -> None:
        rows.append(row)
        print(" ".join(f"{k}={v}" for k, v in row.items()), flush=True)
        with (out / "log.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(k for r in rows for k in r)))
            writer.writeheader()
            writer.writerows(rows)

    torch.manual_seed(args.seed)
    config = {"channels": encoder.channels, "cells": encoder.native_px // encoder.patch_px}
    model = build(encoder="vit-s14", **config)
    trainer = Trainer(model, scenes, held_out, args.seed, log, bf16)

    def length(part: int) -> dict[str, Any]:
        if args.steps:
            return {"steps": max(1, int(args.steps * STEP_SHARES[part]))}
        return {"seconds": 60 * args.minutes * STEP_SHARES[part]}

    trainer.train_jbu(**length(0))
    trainer.train_fusion(2, **length(1))
    trainer.train_fusion(4, start_from=2, **length(2))
    for factor in FACTORS:
        log({"part": f"held out, {factor}x", **trainer.fidelities(factor)})
    run_length = f"--steps {args.steps}" if args.steps else f"--minutes {args.minutes:g}"
    facts = {
        "name": "featsharp-vit-s14",
        "task": "features",
        "architecture": "featsharp",
        "config": {"encoder": "vit-s14", **config},
        "summary": "Raises the resolution of vit-s14's features 2 or 4 times: JBU, tiles and a "
        "fusion, trained on views of unlabelled photographs.",
        "licence": "MIT",
        "author": "the authors of this course",
        "source": "trained by this course, from the paper FeatSharp (ICML 2025)",
        "made_by": f"python -m training.train featsharp --photos FOLDER {run_length}"
        f"{' --bf16' * bf16} ({len(scenes)} scenes)",
        "trained_on": "One scene of each training photograph of training/dataset.tsv "
        f"(4x: of {min(SCENES_4X, len(scenes))} of them); "
        "validation photographs and those of the notebooks held out.",
        "min_px": 56,
        "measured": {
            "mean fidelity on the training run's own held-out views (not those of the tables "
            "below)": {f"{factor}x": trainer.fidelities(factor) for factor in FACTORS}
        },
        "failures": list(FAILURES),
    }
    linear = [k for k, v in model.state_dict().items() if v.ndim == 2 and "fusion" in k]
    save_model(model, out, int8=linear, **facts)
    return 0


FAILURES = (
    "A small thing that no tile shows well stays vague: it can fuse facts, not find new ones.",
    "It was trained on about a hundred photographs, mostly landscapes and buildings.",
    "Made for one encoder at 224 px; the features of another need a FeatSharp of their own.",
)
