"""Many answers to one question: large photos that all become the same small one.

Nothing here is mocked. The answers come from different networks, from one network that is shown
the photo with a little noise or draws from another seed, and from other photographs, whose fine
structure is moved into this one, place by place. Each is then projected: it downscales to the small
photo, like all the others.
"""

import functools

import torch
from torch.nn import functional as F

from mssnet_edu import degrade, images, models, restore, samples
from mssnet_edu.degrade import arguments
from mssnet_edu.hallucination.operators import Downscale, back_project

__all__ = ["borrow_detail", "candidates", "swap_invented"]

FACTOR = 8
MIN_PX, MAX_PX = 16, 256  # of the small photo's sides
LARGE_PX = 96
PLAIN_NOISE = 0.05
EXEMPLARS = ("raccoon", "street_sign", "flower", "shop_front")
SHARP, SEEDED = "realesrgan-x4", "mssnet-x8-realism"
CAREFUL = ("rrdn-x8", "mssnet-x8-fidelity")


def candidates(photo_small, n=6, *, seed=0, exemplars=None, progress=False):
    """Different answers that explain one small photo equally well, 8x larger.

    photo_small: (3, H, W), sRGB in [0, 1], sides from 16 to 256 px. n: how many, 2 to 12.
    seed: other seeds give other noise, and so other answers of the networks that draw.
    exemplars: sharp photos to borrow detail from, {name: photo}; None takes bundled ones.
    progress: print a line for each. Returns {name: (3, 8H, 8W)}: consistent with the photo to
    45 dB and more, as `metrics.consistency_db` says. The order is fixed: the first n of a list that
    begins with the networks (a photo of over 96 px skips those that would take long and hardly
    differ); a network whose weights are not there is left out.
    Raises PhotoError for a photo too small or too large.

    >>> found = candidates(torch.rand(3, 16, 16), n=2)
    >>> [photo.shape[-1] for photo in found.values()]
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
    small, found = photo_small.detach().clamp(0, 1), {}
    large = max(sides) > LARGE_PX
    for name, make in _recipes(seed, exemplars, large)[:n]:
        if progress:
            print(f"{len(found) + 1} of {n}: {name}", flush=True)
        found[name] = back_project(make(small), photo_small)
    return found


def _recipes(seed, exemplars, large=False):
    """(name, function of the small photo) for all the answers there are, the most telling first.

    large: leave out what costs too much for a large photo.
    """
    known = set(models.names("upscale"))
    if exemplars is None:
        exemplars = dict.fromkeys(EXEMPLARS)

    done = {}  # some answers begin where another one ended

    def upscaled(name, seed=0):
        def enlarged(small):
            if (name, seed) not in done:
                done[name, seed] = restore.upscale(small, FACTOR, name, seed=seed)
            return done[name, seed]

        return enlarged

    sharp = SHARP in known
    careful = [name for name in CAREFUL if name in known]
    drawn = [seed, seed + 1, seed + 2] if SEEDED in known else []
    soft = [(name, upscaled(name)) for name in careful]
    seeds = [(f"{SEEDED}, seed {k}", upscaled(SEEDED, k)) for k in drawn]
    # the sharp network is shown another photo each time, and so sees other things in it
    first = [(SHARP, _sharp(_sharp_start))] * sharp
    mixed = [
        (f"{name}, then {SHARP}", _sharp(upscaled(name))) for name in (*careful, "bicubic")
    ] * sharp
    noisy = [
        (f"{SHARP}, noise {k}", _sharp(functools.partial(_noisy_start, k)))
        for k in (seed + 1, seed + 2)
    ] * sharp
    lent = [
        (f"detail of {name}", functools.partial(_borrowed, name, photo))
        for name, photo in exemplars.items()
    ]
    if large:  # a whole 8x answer, made small again, would be nearly the photo itself
        mixed, noisy = [*mixed[:1], *noisy], []
    # one of each kind before the second of any; detail of other photos last: it fits few photos
    return [
        *first, *mixed[:1], *seeds[:1], *soft[:1], *mixed[1:2], *seeds[1:2], *mixed[2:], *lent[:1],
        *soft[1:], *noisy[:1], *seeds[2:], *lent[1:2], *noisy[1:], *lent[2:],
    ]  # fmt: skip


def _sharp(begin):
    """Real-ESRGAN, 4x, on twice the small photo's size, which another network made.

    begin: small photo -> a larger one, reduced here to twice the size. A photo of over 96 px
    is not taken to 8x by the network but to 4x, then enlarged smoothly: it would take minutes.
    """

    def enlarged(small):
        large = max(small.shape[-2:]) > LARGE_PX
        if large and begin is _sharp_start:
            return degrade.enlarge(begin(small), 2)
        size = _times(small, 1 if large else 2)
        # bicubic: reduced by area, a consistent photo would be the small one again
        start = degrade.resample(begin(small), size, "bicubic").clamp(0, 1)
        answer = restore.upscale(start, 4, SHARP)
        return degrade.enlarge(answer, 2) if large else answer

    return enlarged


def _sharp_start(small):
    return restore.upscale(small, 4, SHARP)


def _noisy_start(seed, small):
    draw = torch.Generator().manual_seed(seed)
    noisy = small + PLAIN_NOISE * torch.randn(small.shape, generator=draw)
    return _sharp_start(noisy.clamp(0, 1))


def _times(small, factor):
    return tuple(side * factor for side in small.shape[-2:])


def _borrowed(name, photo, small):
    if photo is None:
        photo = samples.load(name)
        if name == "flower":
            photo = photo[..., :480, :720]
    return borrow_detail(small, photo)


def borrow_detail(photo_small, exemplar, patch_px=4, strength=1.0):
    """Enlarge a photo 8x with fine structure that was photographed elsewhere.

    photo_small: (3, H, W); exemplar: a sharp photo, (3, H', W'), both sRGB in [0, 1]. For each
    patch of patch_px x patch_px small pixels the exemplar is searched for the place that looks most
    alike when it is made small. What that place loses in getting small is taken over, in grey,
    scaled to the contrast found, and the weaker the less alike the two are.
    Neighbouring patches overlap and are averaged. strength: more or less of it.
    Returns (3, 8H, 8W) in [0, 1]. Source: Freeman, Jones, Pasztor, "Example-based
    super-resolution", 2002; taking the detail from the exemplar's invented part is ours.

    >>> borrow_detail(torch.rand(3, 16, 16), torch.rand(3, 64, 64)).shape
    torch.Size([3, 128, 128])
    """
    images.as_batch(photo_small, "photo_small", min_px=patch_px)
    images.as_batch(exemplar, "exemplar", min_px=FACTOR * patch_px)
    exemplar = images.luma(degrade.crop_to_multiple(exemplar, FACTOR))
    a = Downscale(FACTOR)
    exemplar_small = a(exemplar)
    detail = exemplar - a.smooth(exemplar_small)  # what the exemplar lost when it became small

    keys, own = _patches(exemplar_small, patch_px)
    wanted, contrast = _patches(images.luma(photo_small), patch_px)
    side = FACTOR * patch_px
    pieces = F.unfold(detail[None], side, stride=FACTOR)[0].T  # (places, side * side)
    found = [(part @ keys.T).max(1) for part in wanted.split(1024)]
    best = torch.cat([each.indices for each in found])
    alike = torch.cat([each.values for each in found]).clamp(min=0)
    gain = strength * alike**2 * (contrast / own[best].clamp(min=0.02)).clamp(max=1.5)
    line = torch.hann_window(side + 2, periodic=False)[1:-1] ** 2  # a patch's middle knows best
    window = (line[:, None] * line[None]).flatten()
    chosen = pieces[best] * (gain[:, None] * window)
    size = _times(photo_small, FACTOR)
    total = F.fold(chosen.T[None], size, side, stride=FACTOR)[0]
    weight = F.fold(window.expand_as(chosen).T[None], size, side, stride=FACTOR)[0]
    power = F.fold((window**2).expand_as(chosen).T[None], size, side, stride=FACTOR)[0]
    # a mean of unlike pieces is weaker than each of them: divide as for half-alike ones
    divisor = (weight * power.sqrt()).sqrt().clamp(min=1e-3)
    return (a.smooth(photo_small) + total / divisor).clamp(0, 1)


def _patches(grey, patch_px):
    """Patches of a small grey photo as directions, (places, p * p), and their contrasts (places,).

    A direction: mean taken away, length 1, so that light and contrast do not count.
    """
    rows = F.unfold(grey[None], patch_px)[0].T
    rows = rows - rows.mean(1, keepdim=True)
    length = rows.norm(dim=1)
    return rows / length.clamp(min=1e-4)[:, None], length


def swap_invented(photo_small, other):
    """Give a small photo the invented part of quite another large photo.

    photo_small: (3, H, W); other: (3, 8H, 8W). Returns A⁺-consistent (3, 8H, 8W) in [0, 1]: it
    downscales to photo_small, though its detail belongs to a different picture.

    >>> swap_invented(torch.rand(3, 4, 4), torch.rand(3, 32, 32)).shape
    torch.Size([3, 32, 32])
    """
    factor = other.shape[-1] // photo_small.shape[-1]
    a = Downscale(max(1, factor))
    return back_project(a.smooth(photo_small) + other - a.smooth(a(other)), photo_small)
