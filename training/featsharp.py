"""Train FeatSharp for one encoder: `python -m training.train featsharp --photos DIR --minutes 30`.

No labels are needed. Of each scene (a square of a photo), the encoder describes the whole, its
tiles, and some *views*: the scene zoomed, shifted and mirrored. Then the upsampled map, cut out
like the view and averaged down, must say what the encoder says of the view itself.

Three parts, one after another: JBU with the encoder's fixed pattern; the fusion to 2x; the fusion
to 4x, which begins with the numbers of the one to 2x and learns on windows around small views.
The encoder is the costly part and never changes: its answers are kept beside the run.
"""

import contextlib
import csv
import hashlib
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from mssnet_edu import featsharp, images
from mssnet_edu.files import replacing
from mssnet_edu.models import encoders
from mssnet_edu.models.catalogue import save_model
from training.dataset import split_files

__all__ = ["Trainer", "collect", "run_command", "scene_of"]

OPTIONS = {"recipe", "photos", "out", "seed", "bf16", "steps", "minutes"}  # of the command line
VIEWS = 10
MAX_ZOOM = 4
FOURS = 24  # scenes that are also described for 4x: their tiles are costly
SHARES = (0.12, 0.66, 0.22)  # of the steps: JBU, fusion to 2x, fusion to 4x
MARGIN = 6  # cells around a small view: what attention and down-sampler look at


def scene_of(path, generator, side_px):
    """A random square of a photograph, resized to side_px: (1, 3, side_px, side_px)."""
    photo = images.load(path)[None]
    height, width = photo.shape[-2:]
    side = int((0.6 + 0.4 * float(torch.rand((), generator=generator))) * min(height, width))
    top, left = (int(torch.rand((), generator=generator) * (n - side + 1)) for n in (height, width))
    part = photo[..., top : top + side, left : left + side]
    return F.interpolate(part, (side_px, side_px), mode="bicubic", antialias=True).clamp(0, 1)


@torch.inference_mode()
def collect(encoder, path, seed=0, factors=(2, 4), bf16=False):
    """Encode one scene of a photograph: whole, tiles and views.

    Returns low (1, C, h, w), tiles2 and tiles4 (1, C, f h, f w), views (1, V, C, h, w), boxes
    (1, V, 4) and photo (1, 3, 4h, 4w), features in half precision. bf16: about 1.7 times as fast
    where the processor knows it, and 1 % off.
    """
    generator = torch.Generator().manual_seed(hash((seed, 0)) & 0x7FFFFFFF)  # the same every run
    native = encoder.native_px
    scene = scene_of(path, generator, MAX_ZOOM * native)
    boxes = featsharp.draw_views(VIEWS, generator, MAX_ZOOM)
    pictures = torch.cat([featsharp.take_view(scene, box, native) for box in boxes])
    with _precision(bf16):
        found = {
            "low": encoder.encode(featsharp.resize(scene, native)).half(),
            "views": encoder.encode(pictures).half()[None],
        }
        for factor in factors:
            large = featsharp.resize(scene, factor * native)
            found[f"tiles{factor}"] = featsharp.tiles(encoder, large, factor).half()
    cells = MAX_ZOOM * found["low"].shape[-1]
    photo = F.interpolate(scene, (cells, cells), mode="area")
    return {**found, "boxes": boxes[None], "photo": photo}


def _precision(bf16):
    return torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext()


class Trainer:
    """FeatSharp in training: `scenes` are what `collect` returns, one each; `log` gets one line.

    Scenes without tiles4 serve JBU and the fusion to 2x only.
    """

    def __init__(self, model, scenes, held_out=(), seed=0, log=print, bf16=False):
        self.model, self.scenes, self.held_out, self.log = model, scenes, held_out, log
        self.bf16 = bf16
        self.generator = torch.Generator().manual_seed(seed)
        self._standardise()

    def _standardise(self):
        model = self.model
        low = torch.cat([s["low"] for s in self.scenes]).float()
        views = torch.cat([s["views"][0, ::3] for s in self.scenes]).float()
        tokens = torch.cat([low, views]).permute(0, 2, 3, 1).flatten(0, 2)
        mean, rotation, scale = featsharp.phi_s(tokens)
        model.mean.copy_(mean)
        model.rotation.copy_(rotation)
        model.scale.fill_(scale)
        with torch.no_grad():
            # where to begin: the mean over all views, which show other things at each place
            average = model.standardise(torch.cat([low, views])).mean(0, keepdim=True)
            model.bias.copy_(average - average.mean((2, 3), keepdim=True))

    def _pick(self, count, scenes):
        chosen = torch.randint(len(scenes), (count,), generator=self.generator).tolist()
        return [scenes[i] for i in chosen]

    def _run(self, name, parameters, loss_of, seconds=None, steps=None, rate=1e-3, every=20):
        """Train for a time or a number of steps, with a warm-up and a cosine."""
        parameters = list(parameters)
        optimiser = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.99), weight_decay=0.0)
        began, step, average, share = time.monotonic(), 0, None, 0.0
        while share < 1:
            factor = min(1, (step + 1) / 20) * (0.02 + 0.98 * (1 - share) ** 1.5)
            optimiser.param_groups[0]["lr"] = rate * factor
            with _precision(self.bf16):
                loss = loss_of()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            value = float(loss.detach())
            average = value if average is None else 0.95 * average + 0.05 * value
            step += 1
            share = step / steps if steps else (time.monotonic() - began) / seconds
            if step % every == 0 or share >= 1:
                self.log({"part": name, "step": step, "loss": round(average, 4)})
        return average

    # -- JBU and the fixed pattern -------------------------------------------------------------

    def train_jbu(self, **length):
        """JBU's weights are the same for all channels, so each step takes some of them only."""
        model = self.model
        parameters = [*model.jbu.parameters(), *model.down.parameters(), model.bias]
        return self._run("jbu", parameters, self._jbu_loss, rate=1e-2, **length)

    def _jbu_loss(self):
        model, total = self.model, 0
        width = model.bias.shape[1]
        channels = torch.randperm(width, generator=self.generator)[: max(32, width // 6)]
        for scene in self._pick(1, self.scenes):
            low = model.standardise(scene["low"].float())[:, channels]
            views = model.standardise(scene["views"][0].float())[:, channels]
            bias = model.bias[:, channels]
            sharp, boxes = low - bias, scene["boxes"][0]
            for level, factor in enumerate(featsharp.FACTORS):
                sharp = model.jbu[level](sharp, scene["photo"])
                near = boxes[:, 2] >= 0.8 / factor
                chosen = near.nonzero()[:, 0]
                chosen = chosen[torch.randperm(len(chosen), generator=self.generator)[:4]]
                down = model.down[str(factor)]
                total = (
                    total + featsharp.view_loss(sharp, views[chosen], boxes[chosen], down, bias)[0]
                )
        return total / 2

    # -- the fusions -----------------------------------------------------------------------------

    @torch.no_grad()
    def _prepare(self, factor):
        """Borrowed and measured maps of every scene that has them; they change no more."""
        model, ready = self.model, []
        for scene in self.scenes:
            if f"tiles{factor}" not in scene:
                continue
            low = model.standardise(scene["low"].float()) - model.bias
            tiled = model.standardise(scene[f"tiles{factor}"].float())
            tiled = tiled - model.bias.repeat(1, 1, factor, factor)
            borrowed = model.borrow(low, scene["photo"], factor)
            ready.append({**scene, "borrowed": borrowed.half(), "measured": tiled.half()})
        return ready

    def train_fusion(self, factor, start_from=None, **length):
        """Train the fusion to this factor; start_from: another factor, whose numbers to copy."""
        model, key = self.model, str(factor)
        if start_from:
            model.fusion[key].load_state_dict(model.fusion[str(start_from)].state_dict())
        ready = self._prepare(factor)
        parameters = [
            *model.fusion[key].parameters(),
            *model.down[key].parameters(),
            model.places[key],
        ]
        loss = self._whole_loss if factor == 2 else self._window_loss
        rate = 1.5e-3 if start_from is None else 7e-4
        return self._run(f"{factor}x", parameters, lambda: loss(ready, factor), rate=rate, **length)

    def _whole_loss(self, ready, factor):
        model, total = self.model, 0
        scenes = self._pick(2, ready)
        for scene in scenes:
            sharp = model.fuse(scene["borrowed"].float(), scene["measured"].float(), factor)
            near = (scene["boxes"][0, :, 2] >= 0.8 / factor).nonzero()[:, 0]
            views = model.standardise(scene["views"][0, near].float())
            boxes = scene["boxes"][0, near]
            down = model.down[str(factor)]
            total = total + featsharp.view_loss(sharp, views, boxes, down, model.bias.detach())[0]
        return total / len(scenes)

    def _window_loss(self, ready, factor):
        """One small view a scene, and the fusion of the cells around it only."""
        model, total = self.model, 0
        scenes = self._pick(3, ready)
        for scene in scenes:
            small = (scene["boxes"][0, :, 2] <= 0.62).nonzero()[:, 0]
            view = small[torch.randint(len(small), (1,), generator=self.generator)]
            box = scene["boxes"][0, view[0]].clone()
            cells = scene["borrowed"].shape[-1]
            window = min(cells, int(box[2] * cells) + 2 * MARGIN)
            top, left = (
                min(max(int((at + box[2] / 2) * cells - window / 2), 0), cells - window)
                for at in box[:2].tolist()
            )
            part = (..., slice(top, top + window), slice(left, left + window))
            where = model.place_for(cells, cells, factor)
            sharp = model.fusion[str(factor)](
                scene["borrowed"][part].float(), (scene["measured"].float() + where)[part]
            )
            box[0], box[1] = (box[0] * cells - top) / window, (box[1] * cells - left) / window
            box[2] = box[2] * cells / window
            views = model.standardise(scene["views"][0, view].float())
            down, bias = model.down[str(factor)], model.bias.detach()
            size = (cells, cells)
            total = total + featsharp.view_loss(sharp, views, box[None], down, bias, size)[0]
        return total / len(scenes)

    # -- how good it is ----------------------------------------------------------------------------

    @torch.no_grad()
    def fidelities(self, factor):
        """Mean fidelity over the held-out scenes' views: of bilinear, JBU and FeatSharp.

        All go through this factor's own down-sampler, and all are given the fixed pattern.
        """
        model, found = self.model, {"bilinear": [], "jbu": [], "featsharp": []}
        down = model.down[str(factor)]
        for scene in self.held_out:
            if f"tiles{factor}" not in scene:
                continue
            low = model.standardise(scene["low"].float()) - model.bias
            tiled = model.standardise(scene[f"tiles{factor}"].float())
            tiled = tiled - model.bias.repeat(1, 1, factor, factor)
            borrowed = model.borrow(low, scene["photo"], factor)
            maps = {
                "bilinear": F.interpolate(low, scale_factor=factor, mode="bilinear"),
                "jbu": borrowed,
                "featsharp": model.fuse(borrowed, tiled, factor),
            }
            near = scene["boxes"][0, :, 2] >= 0.8 / factor
            views = model.standardise(scene["views"][0, near].float())
            for name, sharp in maps.items():
                boxes = scene["boxes"][0, near]
                _, predicted = featsharp.view_loss(sharp, views, boxes, down, model.bias)
                found[name].append(featsharp.fidelity(predicted, views).mean())
        return {name: float(torch.stack(v).mean()) for name, v in found.items() if v}


def _scenes(encoder, files, folder, seed, bf16, fours):
    """`collect` for each file, kept in the folder: a second run reads them."""
    scenes = []
    for number, path in enumerate(files):
        # the name is all that the scene depends on, so that no other one is ever read for it
        factors = (2, 4) if number < fours else (2,)
        about = hashlib.sha256(path.read_bytes())
        about.update(f"{seed} {factors} {bf16}".encode())
        kept = folder / f"{about.hexdigest()[:16]}.pt"
        if not kept.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            scene_seed = int(about.hexdigest()[:12], 16)
            with replacing(kept) as part:
                torch.save(collect(encoder, path, scene_seed, factors, bf16), part)
            print(f"described {number + 1} of {len(files)}: {path.name}", flush=True)
        scenes.append(torch.load(kept, weights_only=True))
    return scenes


def _length_of(args):
    length = f"--steps {args.steps}" if args.steps else f"--minutes {args.minutes:g}"
    return length + " --bf16" * bool(args.bf16)


def run_command(args):
    """Run `python -m training.train featsharp`; returns the exit code."""
    out = args.out or Path("runs/featsharp")
    encoder = encoders.encoder("vit-s14")
    train_files, held_out = split_files(args.photos)
    order = torch.randperm(len(train_files), generator=torch.Generator().manual_seed(args.seed))
    train_files = [train_files[i] for i in order.tolist()]
    scenes = _scenes(encoder, train_files, out / "views", args.seed, bool(args.bf16), FOURS)
    checks = _scenes(encoder, held_out, out / "held_out", args.seed + 1000, False, len(held_out))

    rows = []

    def log(row):
        rows.append(row)
        print(" ".join(f"{k}={v}" for k, v in row.items()), flush=True)
        with (out / "log.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(k for r in rows for k in r)))
            writer.writeheader()
            writer.writerows(rows)

    torch.manual_seed(args.seed)
    config = {"channels": encoder.channels, "cells": encoder.native_px // encoder.patch_px}
    model = featsharp.build(encoder="vit-s14", **config)
    trainer = Trainer(model, scenes, checks, args.seed, log, bool(args.bf16))

    def length(part):
        if args.steps:
            return {"steps": max(1, int(args.steps * SHARES[part]))}
        return {"seconds": 60 * args.minutes * SHARES[part]}

    trainer.train_jbu(**length(0))
    trainer.train_fusion(2, **length(1))
    trainer.train_fusion(4, start_from=2, **length(2))
    for factor in featsharp.FACTORS:
        log({"part": f"held out, {factor}x", **trainer.fidelities(factor)})
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
        "made_by": f"python -m training.train featsharp --photos FOLDER {_length_of(args)} "
        f"({len(scenes)} scenes)",
        "trained_on": "One scene of each training photograph of training/dataset.tsv "
        f"(4x: of {min(FOURS, len(scenes))} of them); "
        "validation photographs and those of the notebooks held out.",
        "min_px": 56,
        "measured": {
            "mean fidelity on the training run's own held-out views (not those of the tables "
            "below)": {f"{factor}x": trainer.fidelities(factor) for factor in featsharp.FACTORS}
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
