"""Many answers to one question: large photos that all downscale to the same small one.

The answers come from different networks, from one network that is given the photo with a little
noise or another seed, and from other photographs, whose fine structure is moved into this one,
patch by patch. Each is then back-projected: it downscales to the small photo, like all the others.
"""

import functools
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import degrade, images, models, restore, samples
from mssnet_edu.degrade import arguments
from mssnet_edu.inference import Progress
from mssnet_edu.operators import Downscale, back_project

__all__ = ["borrow_detail", "candidates", "recipes"]

FACTOR = 8
MIN_PX, MAX_PX = 16, 256  # of the small photo's sides
LARGE_PX = 96
NOISE_SIGMA = 0.05
EXEMPLARS = ("raccoon", "street_sign", "flower", "shop_front")
GAN, SAMPLER = "realesrgan-x4", "mssnet-x8-realism"  # sharp answers; another one for each seed
REGRESSION = ("rrdn-x8", "mssnet-x8-fidelity")  # soft answers


def candidates(
    photo_small: Tensor,
    n: int = 6,
    *,
    seed: int = 0,
    exemplars: dict[str, Tensor] | None = None,
    progress: Progress = False,
) -> dict[str, Tensor]:
    """Different answers that explain one small photo equally well, 8x larger.

    photo_small: (3, H, W), sRGB in [0, 1], sides from 16 to 256 px. n: how many, 2 to 12.
    seed: other seeds give other noise, and so other answers of the networks that sample.
    exemplars: sharp photos to borrow detail from, {name: photo}; None takes bundled ones.
    progress: print a line for each; or a function, called as progress(share, name) before each,
    and what it raises ends the work. Returns {name: (3, 8H, 8W)}: consistent with the photo to
    45 dB and more, as `metrics.consistency_db` says. The order is fixed: the first n of a list that
    begins with the networks (a photo of over 96 px skips those that would take long and hardly
    differ); a network whose weights are not there is left out.
    Raises PhotoError for a photo too small or too large.

    >>> answers = candidates(torch.rand(3, 16, 16), n=2)
    >>> [photo.shape[-1] for photo in answers.values()]
    [128, 128]
    """
    batch = images.as_batch(photo_small, "photo_small")
    sides = batch.shape[-2:]
    if photo_small.dim() != 3 or not (min(sides) >= MIN_PX and max(sides) <= MAX_PX):
        raise images.PhotoError(
            f"photo_small is {sides[1]} x {sides[0]} px; candidates needs one photo with sides "
            f"from {MIN_PX} to {MAX_PX} px, and makes it 8 times larger. Cut a part out of it: "
            "me.images.crop(photo, (left, top, 128, 128))"
        )
    n = arguments.whole(n, "n", low=2, high=12)
    seed = arguments.whole(seed, "seed", low=0)
    small, answers = photo_small.detach().clamp(0, 1), {}
    large = max(sides) > LARGE_PX
    for name, make in recipes(seed, exemplars, large)[:n]:
        if callable(progress):
            progress(len(answers) / n, name)
        elif progress:
            print(f"{len(answers) + 1} of {n}: {name}", flush=True)
        answers[name] = back_project(make(small), photo_small)
    return answers


def recipes(
    seed: int = 0, exemplars: Mapping[str, Tensor | None] | None = None, large: bool = False
) -> list[tuple[str, Callable[[Tensor], Tensor]]]:
    """All that `candidates` can do: (name, function of the small photo), in order of interest.

    seed, exemplars: as there. large: leave out what costs too much for a large photo.

    >>> names = [name for name, _ in recipes()]
    >>> len(set(names)) == len(names) >= 12
    True
    """
    known = set(models.names("upscale"))
    if exemplars is None:
        exemplars = dict.fromkeys(EXEMPLARS)

    cache = {}  # some answers begin where another one ended

    def upscaled(name, seed=0):
        def enlarged(small):
            if (name, seed) not in cache:
                cache[name, seed] = restore.upscale(small, FACTOR, name, seed=seed)
            return cache[name, seed]

        return enlarged

    gan = GAN in known
    regression = [name for name in REGRESSION if name in known]
    seeds = [seed, seed + 1, seed + 2] if SAMPLER in known else []
    soft = [(name, upscaled(name)) for name in regression]
    sampled = [(f"{SAMPLER}, seed {k}", upscaled(SAMPLER, k)) for k in seeds]
    # the GAN is given another input each time, and so hallucinates other detail
    plain = [(GAN, _by_gan(_gan_4x))] * gan
    chained = [
        (f"{name}, then {GAN}", _by_gan(upscaled(name))) for name in (*regression, "bicubic")
    ] * gan
    noisy = [
        (f"{GAN}, noise {k}", _by_gan(functools.partial(_noisy_gan_4x, k)))
        for k in (seed + 1, seed + 2)
    ] * gan
    borrowed = [
        (f"detail of {name}", functools.partial(_borrowed, name, photo))
        for name, photo in exemplars.items()
    ]
    if large:  # a whole 8x answer, downscaled again, would be nearly the photo itself
        chained, noisy = [*chained[:1], *noisy], []
    # one of each kind before the second of any; detail of other photos last: it fits few photos
    return [
        *plain, *chained[:1], *sampled[:1], *soft[:1], *chained[1:2], *sampled[1:2], *chained[2:],
        *borrowed[:1], *soft[1:], *noisy[:1], *sampled[2:], *borrowed[1:2], *noisy[1:],
        *borrowed[2:],
    ]  # fmt: skip


def _by_gan(first):
    """Real-ESRGAN, 4x, on twice the small photo's size, which another network made.

    first: small photo -> a larger one, reduced here to twice the size. A photo of over 96 px
    is not taken to 8x by the network but to 4x, then enlarged smoothly: it would take minutes.
    """

    def enlarged(small):
        large = max(small.shape[-2:]) > LARGE_PX
        if large and first is _gan_4x:
            return degrade.enlarge(first(small), 2)
        size = _times(small, 1 if large else 2)
        # bicubic: reduced by area, a consistent photo would be the small one again
        halfway = degrade.resample(first(small), size, "bicubic").clamp(0, 1)
        answer = restore.upscale(halfway, 4, GAN)
        return degrade.enlarge(answer, 2) if large else answer

    return enlarged


def _gan_4x(small):
    return restore.upscale(small, 4, GAN)


def _noisy_gan_4x(seed, small):
    return _gan_4x(degrade.add_noise(small, NOISE_SIGMA, seed))


def _times(small, factor):
    return tuple(side * factor for side in small.shape[-2:])


def _borrowed(name, photo, small):
    if photo is None:
        photo = samples.load(name)
        if name == "flower":
            photo = photo[..., :480, :720]
    return borrow_detail(small, photo)


def borrow_detail(
    photo_small: Tensor, exemplar: Tensor, patch_px: int = 4, strength: float = 1.0
) -> Tensor:
    """Example-based super-resolution, 8x: fine structure that was photographed elsewhere.

    photo_small: (3, H, W); exemplar: a sharp photo, (3, H', W'), both sRGB in [0, 1]. For each
    patch of patch_px x patch_px small pixels, its nearest neighbour (by normalised correlation) is
    sought in the downscaled exemplar. What that place loses by downscaling is taken over, in grey,
    scaled to the contrast of the patch, and the weaker the less the two correlate. Neighbouring
    patches overlap and are averaged. strength: more or less of it.
    Returns (3, 8H, 8W) in [0, 1]. Source: Freeman, Jones, Pasztor, "Example-based
    super-resolution", 2002; taking the detail from the exemplar's null-space part is ours.

    >>> borrow_detail(torch.rand(3, 16, 16), torch.rand(3, 64, 64)).shape
    torch.Size([3, 128, 128])
    """
    images.as_batch(photo_small, "photo_small", min_px=patch_px)
    images.as_batch(exemplar, "exemplar", min_px=FACTOR * patch_px)
    exemplar = images.luma(degrade.crop_to_multiple(exemplar, FACTOR))
    a = Downscale(FACTOR)
    exemplar_small = a(exemplar)
    detail = exemplar - a.smooth(exemplar_small)

    keys, key_contrast = _patches(exemplar_small, patch_px)
    queries, contrast = _patches(images.luma(photo_small), patch_px)
    side = FACTOR * patch_px
    values = F.unfold(detail[None], side, stride=FACTOR)[0].T  # (places, side * side)
    matches = [(part @ keys.T).max(1) for part in queries.split(1024)]
    best = torch.cat([each.indices for each in matches])
    correlation = torch.cat([each.values for each in matches]).clamp(min=0)
    contrast_ratio = (contrast / key_contrast[best].clamp(min=0.02)).clamp(max=1.5)
    gain = strength * correlation**2 * contrast_ratio
    line = torch.hann_window(side + 2, periodic=False)[1:-1] ** 2  # weight patch centres most
    window = (line[:, None] * line[None]).flatten()
    pasted = values[best] * (gain[:, None] * window)

    def folded(patches):
        return F.fold(patches.T[None], _times(photo_small, FACTOR), side, stride=FACTOR)[0]

    total = folded(pasted)
    weight = folded(window.expand_as(pasted))
    power = folded((window**2).expand_as(pasted))
    # a mean of uncorrelated patches loses contrast, one of equal patches does not: divide by the
    # geometric mean of the two normalisations
    divisor = (weight * power.sqrt()).sqrt().clamp(min=1e-3)
    return (a.smooth(photo_small) + total / divisor).clamp(0, 1)


def _patches(grey, patch_px):
    """Patches with mean 0 and norm 1, (places, p * p), and their norms before, (places,)."""
    rows = F.unfold(grey[None], patch_px)[0].T
    rows = rows - rows.mean(1, keepdim=True)
    norm = rows.norm(dim=1)
    return rows / norm.clamp(min=1e-4)[:, None], norm
