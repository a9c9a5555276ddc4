"""Fill the clipped pixels of clips filmed in panoramas, by ten methods, and compare with the truth.

    python -m training.evaluate_overexposure --panoramas DIR --csv FILE

Writes one row per scene and method: scene, method, psnr_pu_db, frames. In each panorama (.exr and
.hdr) a few clips are filmed (training/clips.py). psnr_pu_db is the mean over frames of the PSNR in
PU21 on clipped values without sun discs and bare lamps; frames, how many of them had any.

- white: the frame as it is; inpaint: scikit-image's inpaint_biharmonic of the frame
- none: the network without a reference
- previous, first, every-kth, least-clipped: with the reference that this rule keeps
- policy: that the learned policy keeps; oracle: that of the best decisions, knowing the whole clip
- ideal: the same view, aligned, exposed so that next to nothing is clipped

--details FILE.json adds, by scene and pooled: 95 % intervals (bootstrap over scenes and clips),
ST-LPIPS of tone-mapped frames, flicker, and the errors in sun discs and lamps apart.
"""

import json
import sys
import zlib
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from mssnet_edu import cli, images, metrics
from mssnet_edu import reference_selection as selection
from mssnet_edu.exposure import Clip, clipped, expose
from mssnet_edu.files import write_text
from mssnet_edu.models import load_model
from mssnet_edu.models.overexposure import Overexposure
from mssnet_edu.models.reference_policy import ReferencePolicy, build
from training import checkpoint, panoramas
from training.clips import FRAMES, Play, film_clip, measured_plays
from training.reference_policy import greedy, overexposure_network

__all__ = ["METHODS", "inpaint", "intervals", "look_closer", "main", "qualities"]

METHODS = (
    *("white", "inpaint", "none", "previous", "first", "every-kth", "least-clipped"),
    *("policy", "oracle", "ideal"),
)
COMPARED = {  # what the targets are about: a - b, in dB
    "ideal - none": ("ideal", "none"),
    "none - white": ("none", "white"),
    "none - inpaint": ("none", "inpaint"),
    "oracle - none": ("oracle", "none"),
    "policy - none": ("policy", "none"),
}
DRAWS = 2000
Frames = dict[str, Tensor]  # dB of each frame (T,) by method, NaN where nothing is judged


def main(argv: list[str] | None = None) -> int:
    """Run `python -m training.evaluate_overexposure`; returns the exit code."""
    parser = cli.ArgumentParser(
        "python -m training.evaluate_overexposure", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--panoramas", type=Path, nargs="+", required=True, help="folders of them")
    parser.add_argument("--csv", type=Path, required=True, help="where the table goes")
    parser.add_argument("--details", type=Path, help="where intervals and more go (.json)")
    parser.add_argument("--split", choices=("train", "validation", "test"), help="only these")
    parser.add_argument("--clips", type=int, default=3, help="of each panorama (%(default)s)")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of each clip (%(default)s)")
    parser.add_argument("--network", type=Path, help="a run of it instead of the course's own")
    parser.add_argument("--policy", type=Path, help="a run of it instead of the course's own")
    parser.add_argument(
        "--cache", type=Path, default=Path("build/clips"), help="measured clips (%(default)s)"
    )
    parser.set_defaults(run=_run)
    return cli.run(parser, argv)


def _run(args: Namespace) -> int:
    if args.clips < 1 or args.frames < 2:
        raise ValueError("expected --clips of 1 or more, and --frames of 2 or more.")
    files = panoramas.panorama_files(args.panoramas)
    if args.split:
        files = panoramas.split_panoramas(args.panoramas)[args.split]
    network, policy = overexposure_network(args.network), _policy(args.policy)
    found: dict[str, list[Frames]] = {}
    closer: dict[str, list[dict[str, dict[str, float]]]] = {}
    for scene, path in tqdm(files.items(), desc="panoramas", disable=len(files) < 2):
        light = panoramas.read(path)
        plays = measured_plays(network, {scene: path}, args.clips, args.cache, args.frames)
        for number, play in enumerate(plays):
            clip = film_clip(light, scene, number, args.frames)
            filled = {"inpaint": inpaint(clip)}
            references = _references(play, policy)
            found.setdefault(scene, []).append(qualities(play, references, clip, filled))
            if args.details:
                filled |= _fills(network, clip, references)
                closer.setdefault(scene, []).append(look_closer(clip, filled))
    table = [
        {
            "scene": scene,
            "method": method,
            "psnr_pu_db": round(float(_joined(clips, method).nanmean()), 3),
            "frames": int(_joined(clips, method).isfinite().sum()),
        }
        for scene, clips in found.items()
        for method in METHODS
    ]
    args.csv.parent.mkdir(parents=True, exist_ok=True)
    write_text(args.csv, pd.DataFrame(table).to_csv(index=False))
    if args.details:
        about = {"clips": args.clips, "frames": args.frames} | intervals(found)
        about["closer"] = {scene: _mean(clips) for scene, clips in closer.items()}
        about["closer"]["all"] = _mean([clip for clips in closer.values() for clip in clips])
        args.details.parent.mkdir(parents=True, exist_ok=True)
        write_text(args.details, json.dumps(about, indent=1) + "\n")
    print(pd.DataFrame(table).pivot_table("psnr_pu_db", "scene", "method")[list(METHODS)].round(2))
    return 0


def _policy(run: Path | None) -> ReferencePolicy:
    if run is None:
        network = load_model("reference-policy")
        assert isinstance(network, ReferencePolicy)
        return network
    network = build(len(selection.FEATURES))
    network.load_state_dict(checkpoint.starting_weights(run))
    return network.eval()


def _references(play: Play, policy: ReferencePolicy) -> dict[str, list[int | None]]:
    chosen = {name: selection.run(rule, play.glances) for name, rule in selection.RULES.items()}
    chosen["policy"] = greedy(policy, [play])[0]
    chosen["oracle"] = selection.oracle(play.qualities)
    return chosen


def inpaint(clip: Clip) -> Tensor:
    """What scikit-image makes of the clipped pixels: exposed light (T, 3, H, W), never above white.

    inpaint_biharmonic on the sRGB frame, each frame on its own; recorded pixels stay as they are.
    Source: Damelin and Hoang, "On Surface Completion and Image Inpainting by Biharmonic Functions",
    2018.
    """
    from skimage.restoration import inpaint_biharmonic

    filled = []
    for frame, mask in zip(clip.frames, clip.masks[:, 0], strict=True):
        answer = frame.permute(1, 2, 0).numpy().astype(np.float64)
        if mask.any() and not mask.all():
            answer = inpaint_biharmonic(answer, mask.numpy(), channel_axis=-1)
        filled.append(torch.from_numpy(answer).float().permute(2, 0, 1).clamp(0, 1))
    return images.to_linear(torch.stack(filled))


def qualities(
    play: Play, references: Mapping[str, Sequence[int | None]], clip: Clip, filled: Frames
) -> Frames:
    """The PSNR of each frame by each method, (T,) dB; filled: light of those not in the table."""
    table, truth, counts = play.qualities, clip.exposed, selection.judged(clip)
    found = {name: selection.score(table, chosen) for name, chosen in references.items()}
    found |= {"white": table.white, "ideal": table.ideal}
    found |= {
        name: torch.as_tensor(metrics.psnr_pu(light, truth, counts))
        for name, light in filled.items()
    }
    return {name: found[name] for name in METHODS}


def _fills(
    network: Overexposure, clip: Clip, references: Mapping[str, Sequence[int | None]]
) -> Frames:
    """Exposed light of all methods that run the network, and of the white frame."""
    filled = {name: selection.fill(network, clip, chosen) for name, chosen in references.items()}
    frames, ev = selection.best_view(clip)
    with torch.inference_mode():
        pairs = zip(clip.frames, clip.ev, frames, ev, strict=True)
        ideal = [network(a[None], one, b[None], other)[0] for a, one, b, other in pairs]
    return filled | {"white": images.to_linear(clip.frames), "ideal": torch.stack(ideal)}


def look_closer(clip: Clip, filled: Frames) -> dict[str, dict[str, float]]:
    """More about each method's fill of one clip.

    st_lpips: perceptual distance of frames, tone-mapped four stops darker. flicker: RMS of what
    changes from frame to frame in the fill and not in the truth, in PU21 (white is 256), both in
    the exposure of the second frame. sun_db: PSNR in PU21 where the light is beyond six stops above
    white; NaN where it never is.
    """
    truth, counts = clip.exposed, selection.judged(clip)
    suns = clipped(clip.frames, "each") & clip.beyond
    step_ev = (clip.ev[1:] - clip.ev[:-1]).view(-1, 1, 1, 1)
    found = {}
    for name, light in filled.items():

        def change(x: Tensor) -> Tensor:
            return metrics.pu21(x[1:]) - metrics.pu21(expose(x[:-1], step_ev.flatten()))

        wrong = (change(light) - change(truth)).square()[counts[1:]]
        sun = torch.as_tensor(metrics.psnr_pu(light, truth, suns))
        far = metrics.perceptual_distance(tone_mapped(light), tone_mapped(truth))
        found[name] = {
            "st_lpips": float(torch.as_tensor(far).mean()),
            "flicker": float(wrong.mean().sqrt()) if len(wrong) else float("nan"),
            "sun_db": float(sun.nanmean()),
        }
    return found


def tone_mapped(exposed: Tensor, stops: float = 4.0) -> Tensor:
    """Exposed light as a photo that shows so many stops above white: x (1 + x / w^2) / (1 + x).

    Source: Reinhard et al., "Photographic Tone Reproduction for Digital Images", 2002, eq. 4.
    """
    white = 2.0**stops
    return images.to_srgb((exposed * (1 + exposed / white**2) / (1 + exposed)).clamp(0, 1))


def intervals(found: Mapping[str, Sequence[Frames]]) -> dict[str, Any]:
    """Means and 95 % intervals, by scene and over all, and of the differences that matter.

    found: of each scene its clips. The bootstrap draws scenes, and clips within them. Of `gap`, the
    share of the way from the best fixed rule to the oracle that the policy goes.
    """
    generator = np.random.default_rng(zlib.crc32(b"overexposure"))
    scenes = list(found)
    sums = {s: [_sums(clip) for clip in found[s]] for s in scenes}  # (clips, methods, 2)
    draws = []
    for _ in range(DRAWS):
        drawn = generator.choice(len(scenes), len(scenes))
        total = np.zeros((len(METHODS), 2))
        for scene in drawn:
            clips = sums[scenes[scene]]
            total += sum(clips[i] for i in generator.choice(len(clips), len(clips)))
        draws.append(total)
    pooled = np.sum([clip for clips in sums.values() for clip in clips], 0)
    by_scene = {}
    for scene in scenes:
        clips = sums[scene]
        again = [
            sum(clips[i] for i in generator.choice(len(clips), len(clips))) for _ in range(DRAWS)
        ]
        by_scene[scene] = _summary(np.sum(clips, 0), np.stack(again))
    means, drawn_means = _means(pooled), _means(np.stack(draws))
    about: dict[str, Any] = {"scenes": by_scene, "all": _summary(pooled, np.stack(draws))}
    about["differences_db"] = {
        name: _interval(
            means[METHODS.index(a)] - means[METHODS.index(b)],
            drawn_means[:, METHODS.index(a)] - drawn_means[:, METHODS.index(b)],
        )
        for name, (a, b) in COMPARED.items()
    }
    fixed = [METHODS.index(name) for name in selection.RULES]
    best = max(fixed, key=lambda i: means[i])
    policy, oracle = METHODS.index("policy"), METHODS.index("oracle")
    for name, of in (("policy", policy), ("oracle", oracle)):
        about["differences_db"][f"{name} - best fixed rule"] = _interval(
            means[of] - means[best], drawn_means[:, of] - drawn_means[:, best]
        )
    share = (drawn_means[:, policy] - drawn_means[:, best]) / np.maximum(
        drawn_means[:, oracle] - drawn_means[:, best], 1e-6
    )
    whole = (means[policy] - means[best]) / max(means[oracle] - means[best], 1e-6)
    about["best_fixed_rule"], about["gap"] = METHODS[best], _interval(whole, share)
    return about


def _sums(clip: Frames) -> np.ndarray:
    """Sum of dB and number of judged frames of each method: (methods, 2)."""
    return np.array([[float(clip[m].nansum()), int(clip[m].isfinite().sum())] for m in METHODS])


def _means(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / np.maximum(sums[..., 1], 1)


def _summary(sums: np.ndarray, draws: np.ndarray) -> dict[str, dict[str, float]]:
    means, drawn = _means(sums), _means(draws)
    return {name: _interval(means[i], drawn[:, i]) for i, name in enumerate(METHODS)}


def _interval(value: float, draws: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(draws, (0.025, 0.975))
    return {"mean": round(float(value), 3), "low": round(low, 3), "high": round(high, 3)}


def _joined(clips: Sequence[Frames], method: str) -> Tensor:
    return torch.cat([clip[method] for clip in clips])


def _mean(clips: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float | None]]:
    """Means over clips; None where there is nothing."""
    found: dict[str, dict[str, float | None]] = {}
    for method in METHODS:
        for key in clips[0][method]:
            values = np.array([clip[method][key] for clip in clips])
            values = values[np.isfinite(values)]
            mean = round(float(values.mean()), 4) if len(values) else None
            found.setdefault(method, {})[key] = mean
    return found


if __name__ == "__main__":
    sys.exit(main())
