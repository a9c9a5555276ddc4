"""Training pairs made by physics, on the fly, from one seed per batch.

A blurred photograph is the mean of the light that fell in while the shutter was open. So a sharp
patch is moved along a camera path (shift, rotation, parallax by depth; sometimes an object in front
moves on its own), 7 to 40 sub-frames are averaged in linear light, bright light is clipped as a
sensor does, noise is added, and only then comes the camera's curve, JPEG and rounding. The target
is the middle sub-frame. Source of the recipe: Nah et al. 2017 (GoPro), extended as above.

`hardness` says how hard the blur is: 0 is a single motion, a first lesson; 1 is all of the above.
A network that meets all blurs at once settles for sharpening everything a little: it never learns
to tell one blur from another. One motion it undoes within minutes, and the next are near to it.

For enlargement the patch is reduced by 2, 4 or 8, rounded to 8 bits, and enlarged again by bicubic
interpolation: the network learns what the reduction lost.

All functions work in batches on the corpus's device; the same seed gives the same batch.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from mssnet_edu.images import quantize, to_linear, to_srgb
from training.dataset import Corpus

__all__ = ["Blur", "PairMaker", "enlarge_input", "jpeg", "motion_paths", "reduce"]

NEAR = 0.09  # of a path's extent: as far as its centre of mass may lie from the middle frame
WARPED = 0.15  # share of the curved motions that turn or tear the picture: they take longest
MARGIN_PX = 32  # light from outside the patch is needed where the camera moves


@dataclass(frozen=True)
class Blur:
    """Of what the blurred pairs are made. Shares are of all pairs, lengths in pixels.

    clean: pairs without any blur, noise or JPEG (a sharp photo must come back unharmed). defocus:
    pairs out of focus. turn: directions lie within this share of 90 degrees of the horizontal.
    shortest, short: lengths of a usual motion. long: share of the moving pairs that move by `short`
    to `longest` instead. curved: share of the moving pairs that follow a camera (bends, shake);
    the others move evenly along a line. warped: share of the batches' curved pairs in which the
    picture does not move as a whole (rotation, parallax, objects). noise, jpeg, objects: shares
    with sensor noise, JPEG, and an object in front that moves on its own.
    """

    clean: float
    defocus: float
    turn: float
    shortest: float
    short: float
    long: float
    longest: float
    curved: float
    warped: float
    noise: float
    jpeg: float
    objects: float

    @classmethod
    def of(cls, hardness: float, stretch: float = 1.0, warped: float = WARPED) -> "Blur":
        """From one motion (0) by motions of all directions (0.4) to everything there is (1).

        stretch: motions are this many times as long. warped: the share at hardness 1.
        """
        if not 0 <= hardness <= 1:
            raise ValueError(f"hardness must be between 0 and 1, got {hardness}")
        if hardness < 0.4:
            share, pairs = hardness / 0.4, zip(_ONE_MOTION, _ALL_LINES, strict=True)
        else:
            share, pairs = (hardness - 0.4) / 0.6, zip(_ALL_LINES, _EVERYTHING, strict=True)
        blur = cls(*(low + share * (high - low) for low, high in pairs))
        lengths = {k: stretch * getattr(blur, k) for k in ("shortest", "short", "longest")}
        return replace(blur, warped=warped * blur.warped, **lengths)


#             clean defocus turn shortest short long longest curved warped noise jpeg objects
_ONE_MOTION = (0.08, 0.00, 0.02, 5.0, 6.0, 0.0, 12.0, 0.0, 0.0, 0.0, 0.00, 0.0)
_ALL_LINES = (0.08, 0.02, 1.00, 1.0, 10.0, 0.0, 12.0, 0.0, 0.0, 0.1, 0.00, 0.0)
_EVERYTHING = (0.10, 0.15, 1.00, 0.5, 12.0, 0.6, 30.0, 0.6, 1.0, 0.4, 0.15, 0.4)


class PairMaker:
    """Makes (input, target) batches for "deblur" or "upscale".

    size_px: side of a patch, a multiple of 16. `batch(count, seed)` gives two
    (count, 3, size, size) tensors in [0, 1]. clean: share of enlargement pairs without
    blur, noise or JPEG.
    """

    def __init__(self, corpus: Corpus, task: str, size_px: int, clean: float = 0.7):
        if task not in ("deblur", "upscale"):
            raise ValueError(f"task must be 'deblur' or 'upscale', got {task!r}")
        if size_px % 16:
            raise ValueError(f"size_px must be a multiple of 16, got {size_px}")
        self.corpus, self.task, self.size, self.clean = corpus, task, size_px, clean

    def batch(
        self,
        count: int,
        seed: int,
        hardness: float = 1.0,
        stretch: float = 1.0,
        warped: float = WARPED,
    ) -> tuple[Tensor, Tensor]:
        """One batch; a deterministic function of the corpus and the arguments.

        hardness, stretch, warped: of the blur (see `Blur.of`); enlargement ignores them.
        """
        draw = torch.Generator().manual_seed(seed)
        if self.task == "deblur":
            return self._blurred(count, draw, Blur.of(hardness, stretch, warped))
        return self._reduced(self.factors(count, seed), draw)

    # -- blur ----------------------------------------------------------------------------------

    def _blurred(self, count: int, draw: torch.Generator, blur: Blur) -> tuple[Tensor, Tensor]:
        side, edge = self.size + 2 * MARGIN_PX, MARGIN_PX
        sharp = self.corpus.patches(count, side, draw)
        device = sharp.device
        light = to_linear(sharp.float() / 255)
        light = _brighten(light, draw)
        # in order: clean pairs, defocus, small motion, large motion; they are shuffled at the end
        kinds = torch.rand(count, generator=draw).sort().values
        clean = int((kinds < blur.clean).sum())
        defocus = int((kinds < blur.clean + blur.defocus).sum())
        moving = torch.rand(count - defocus, generator=draw)
        long = few = defocus + int((moving >= blur.long).sum())  # most blur is short
        curved = torch.rand(few - defocus, generator=draw) < blur.curved
        few -= int(curved.sum())
        blurred, target = light.clone(), light.clone()
        if defocus > clean:
            blurred[clean:defocus] = _defocus(light[clean:defocus], draw)
        usual, far = (blur.shortest, blur.short), (blur.short, blur.longest)
        for start, end, low, high, lengths, camera in (
            (defocus, few, 9, 17, usual, False),
            (few, long, 7, 15, usual, True),
            (long, count, 25, 40, far, blur.curved > 0),
        ):
            if end > start:
                frames = int(torch.randint(low // 2, high // 2, (1,), generator=draw)) * 2 + 1
                path = motion_paths(end - start, frames, *lengths, draw, camera, blur.turn)
                if camera and torch.rand((), generator=draw) < blur.warped:
                    b, t = _expose(light[start:end], path, lengths[1], blur.objects, draw)
                    blurred[start:end], target[start:end] = b, t
                else:
                    blurred[start:end] = _shift(light[start:end], path)
        cut = (..., slice(edge, -edge), slice(edge, -edge))
        blurred, target = blurred[cut].clamp(0, 1), target[cut].clamp(0, 1)
        noisy = _sensor_noise(blurred, blur.noise, draw)
        noisy[:clean] = blurred[:clean]
        photo = to_srgb(noisy.clamp(0, 1))
        photo = _some_jpeg(photo, draw, blur.jpeg, skip=clean)
        photo = quantize(photo)
        photo[:clean] = quantize(to_srgb(target[:clean]))
        order = torch.randperm(count, generator=draw).to(device)
        return photo[order], quantize(to_srgb(target))[order]

    # -- enlargement ---------------------------------------------------------------------------

    @staticmethod
    def factors(count: int, seed: int) -> Tensor:
        """(count,) by how much each photo of this enlargement batch is reduced, largest first.

        Mostly 8, the course's question; also 4 and 2.
        """
        draw = torch.Generator().manual_seed(seed)
        kind = torch.multinomial(torch.tensor([0.7, 0.15, 0.15]), count, True, generator=draw)
        return torch.tensor([8, 4, 2])[kind.sort().values]

    def _reduced(self, factors: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        sharp = self.corpus.patches(len(factors), self.size, draw).float() / 255
        inputs = []
        for factor in (8, 4, 2):
            part = sharp[(factors == factor).to(sharp.device)]
            if not len(part):
                continue
            dirty = torch.rand(len(part), 1, 1, 1, generator=draw) >= self.clean
            dirty = dirty.to(sharp.device)
            method = "bicubic" if torch.rand((), generator=draw) < 0.2 else "area"
            soft = _gaussian_blur(part, _uniform(len(part), 0.05, 0.4 * factor, draw, sharp.device))
            small = quantize(reduce(torch.where(dirty, soft, part), factor, method).clamp(0, 1))
            sigma = _uniform(len(part), 0, 8 / 255, draw, sharp.device)[:, None, None, None]
            spoilt = small + sigma * _randn(small.shape, draw, sharp.device)
            spoilt = _some_jpeg(spoilt.clamp(0, 1), draw, share=0.6, skip=0)
            small = quantize(torch.where(dirty, spoilt, small))
            inputs.append(enlarge_input(small, factor))
        return torch.cat(inputs), sharp


def reduce(photo: Tensor, factor: int, method: str = "area") -> Tensor:
    """(N, 3, H, W) reduced by a whole factor, by block mean or antialiased bicubic."""
    if method == "area":
        return F.avg_pool2d(photo, factor)
    return F.interpolate(photo, scale_factor=1 / factor, mode="bicubic", antialias=True)


def enlarge_input(small: Tensor, factor: int) -> Tensor:
    """What an MSSNet upscaler is given: the small photo, enlarged by bicubic interpolation."""
    return F.interpolate(small, scale_factor=factor, mode="bicubic", align_corners=False)


# -- motion --------------------------------------------------------------------------------------


def motion_paths(
    count: int,
    frames: int,
    shortest_px: float,
    longest_px: float,
    draw: torch.Generator,
    camera: bool = True,
    turn: float = 1.0,
) -> Tensor:
    """(count, frames, 2) camera paths (dy, dx) in pixels, zero at the middle frame.

    camera: lines, arcs, hands that swing and hands that shake, as `degrade.motion_path` draws them;
    False: straight and even. turn: lines lie within this share of 90 degrees of the horizontal. The
    path's extent is between the lengths.
    Of several paths drawn for each, one is taken whose centre of mass lies near the middle frame:
    where it lies elsewhere the photo hardly says, and a network asked to guess such a shift learns
    to smear.
    """
    tries = 8 if camera else 1
    draw_path = _camera_path if camera else _line
    path = draw_path(tries * count, torch.linspace(-1, 1, frames)[None, :, None], draw, turn)
    path = path - path[:, frames // 2 : frames // 2 + 1]
    extent = (path.amax(1) - path.amin(1)).norm(dim=-1).clamp(min=1e-6)
    off = (path.mean(1).norm(dim=-1) / extent).view(count, tries)
    # the first that lies near enough, or else the nearest
    best = torch.where(off < NEAR, torch.arange(-tries, 0.0), off).argmin(1)
    best = best + tries * torch.arange(count)
    length = shortest_px + (longest_px - shortest_px) * torch.rand(count, 1, 1, generator=draw)
    return path[best] * (length / extent[best, None, None])


def _line(count: int, t: Tensor, draw: torch.Generator, turn: float) -> Tensor:
    angle = (torch.rand(count, 1, generator=draw) - 0.5) * math.pi * turn
    return torch.stack([angle.sin(), angle.cos()], -1) * t


def _camera_path(count: int, t: Tensor, draw: torch.Generator, turn: float) -> Tensor:
    line = _line(count, t, draw, turn)
    arc = line + 0.8 * torch.randn(count, 1, 2, generator=draw) * t**2
    waves = torch.randn(count, 4, 2, generator=draw) / torch.arange(1, 5)[:, None] ** 2
    swing = (math.pi / 2 * (t + 1) * torch.arange(1, 5)).cos() @ waves  # slow at its turning points
    shake = _walk(count, t.shape[1], draw)
    kind = torch.multinomial(torch.tensor([0.15, 0.1, 0.35, 0.4]), count, True, generator=draw)
    mix = F.one_hot(kind, 4).float()[:, :, None, None]
    return mix[:, 0] * line + mix[:, 1] * arc + mix[:, 2] * swing + mix[:, 3] * shake


def _walk(count: int, frames: int, draw: torch.Generator, knots: int = 33) -> Tensor:
    """A trembling hand: random pushes with inertia, now and then a jerk, always back to its aim."""
    place = speed = torch.zeros(count, 2)
    places = [place]
    pushes = torch.randn(knots - 1, count, 2, generator=draw)
    jerks = torch.rand(knots - 1, count, 1, generator=draw) < 0.1
    for push, jerk in zip(pushes, jerks, strict=True):
        speed = 0.7 * speed + push - 2 * speed * jerk
        place = 0.9 * place + speed
        places.append(place)
    return F.interpolate(torch.stack(places, -1), frames, mode="linear", align_corners=True).mT


def _shift(light: Tensor, path: Tensor, moments: int = 97) -> Tensor:
    """The mean of (N, 3, S, S) patches moved as a whole along (N, frames, 2) paths, by FFT.

    Far cheaper than moving frame by frame, and without gaps: the path is filled in between frames.
    """
    side, device = light.shape[-1], light.device
    path = F.interpolate(path.mT, moments, mode="linear", align_corners=True).mT
    # `_expose` looks up where the light comes from, so a kernel has the opposite sign
    low = (-path).floor()
    part = -path - low
    kernel = light.new_zeros(len(light), side * side)
    for dy in (0, 1):
        for dx in (0, 1):
            at = (low + torch.tensor([dy, dx])).long() % side  # the middle lies at (0, 0)
            share = (1 - dy - part[..., 0]).abs() * (1 - dx - part[..., 1]).abs() / moments
            where = (at[..., 0] * side + at[..., 1]).to(device)
            kernel.scatter_add_(1, where, share.to(device, kernel.dtype))
    return _convolve(light, kernel.view(-1, side, side))


def _convolve(light: Tensor, kernel: Tensor) -> Tensor:
    """Each (3, S, S) patch with its own (S, S) kernel around (0, 0), by FFT (hence the margin)."""
    spectrum = torch.fft.rfft2(light) * torch.fft.rfft2(kernel)[:, None]
    return torch.fft.irfft2(spectrum, s=light.shape[-2:]).clamp(min=0)


def _expose(
    light: Tensor, path: Tensor, longest: float, objects: float, draw: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The mean of the sub-frames and the middle one, both linear light, of (N, 3, S, S) patches.

    path: (N, frames, 2). longest: of an object's own path. objects: share of the patches with one.
    """
    count, _, side, _ = light.shape
    frames, device = path.shape[1], light.device
    path = path.to(device)
    own = motion_paths(count, frames, 0.0, longest, draw).to(device)
    depth = _smooth_field(count, side, draw, device) * _some(count, 0.4, draw, device) * 0.3 + 1
    turn = _roll(count, frames, draw).to(device)
    centre = (_uniform(2 * count, -0.7, 0.7, draw, device).view(count, 1, 1, 2) * side / 2).flip(-1)
    # an object in front: its own motion, its own picture (the next patch of the batch)
    cover = torch.sigmoid(12 * (_smooth_field(count, side, draw, device) - 0.6))
    cover = cover * _some(count, objects, draw, device)
    front = torch.cat([light.roll(1, 0), cover], 1)
    line = torch.arange(side, device=device) - (side - 1) / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    here = torch.stack([y, x], -1)[None]  # (1, S, S, 2) pixel offsets from the centre

    def look(picture: Tensor, where: Tensor) -> Tensor:
        grid = where.flip(-1) / ((side - 1) / 2)  # grid_sample wants (x, y) in [-1, 1]
        return F.grid_sample(
            picture, grid, mode="bilinear", padding_mode="reflection", align_corners=True
        )

    has_front = bool(cover.amax() > 0.01)
    total, middle = torch.zeros_like(light), light
    at_once = max(1, 16_000_000 // (count * side * side))  # frames that fit into memory together
    for first in range(0, frames, at_once):
        part = slice(first, min(first + at_once, frames))
        n = part.stop - part.start
        shift = path[:, part, None, None, :] * depth[:, 0, None, :, :, None]
        angle = turn[:, part, None, None]
        off = (here - centre)[:, None]
        spin = torch.stack(
            [off[..., 0] + angle * off[..., 1], off[..., 1] - angle * off[..., 0]], -1
        )
        where = spin + centre[:, None] + shift  # (N, n, S, S, 2)
        seen = look(light.repeat_interleave(n, 0), where.flatten(0, 1))
        if has_front:
            where = (here[None] + own[:, part, None, None, :]).flatten(0, 1)
            near = look(front.repeat_interleave(n, 0), where)
            seen = seen + near[:, 3:] * (near[:, :3] - seen)
        seen = seen.unflatten(0, (count, n))
        total += seen.sum(1)
        if part.start <= frames // 2 < part.stop:
            middle = seen[:, frames // 2 - part.start]
    return total / frames, middle


def _roll(count: int, frames: int, draw: torch.Generator) -> Tensor:
    """(count, frames) small camera rotations in radians, zero at the middle frame."""
    t = torch.linspace(-1, 1, frames)[None]
    speed = torch.randn(count, 1, generator=draw) * 0.015
    return t * speed * (torch.rand(count, 1, generator=draw) < 0.4)


def _defocus(light: Tensor, draw: torch.Generator) -> Tensor:
    """Each patch through a disc of its own radius, 0.7 to 8 px, by FFT (hence the margin)."""
    count, _, side, _ = light.shape
    radius = _uniform(count, 0.7, 8.0, draw, light.device)[:, None, None]
    line = torch.arange(side, device=light.device)
    line = torch.minimum(
        line, side - line
    ).float()  # distance on a circle: the kernel sits at (0, 0)
    distance = (line[:, None] ** 2 + line[None] ** 2).sqrt()[None]
    disc = (radius + 0.5 - distance).clamp(0, 1)
    disc = disc / disc.sum((1, 2), keepdim=True)
    return _convolve(light, disc)


# -- camera --------------------------------------------------------------------------------------


def _brighten(light: Tensor, draw: torch.Generator) -> Tensor:
    """Another exposure, and lamps that are brighter than white: they will clip after the blur."""
    n, device = len(light), light.device
    exposure = torch.exp(_uniform(n, -0.4, 0.3, draw, device))[:, None, None, None]
    lamp = _uniform(n, 0.0, 5.0, draw, device)[:, None, None, None] * _some(n, 0.3, draw, device)
    near_white = ((light.mean(1, keepdim=True) - 0.75) / 0.25).clamp(0, 1) ** 2
    return light * (1 + (exposure - 1) * _some(n, 0.5, draw, device)) * (1 + lamp * near_white)


def _sensor_noise(light: Tensor, share: float, draw: torch.Generator) -> Tensor:
    n, device = len(light), light.device
    # at most about two grey levels in the mid-tones; the sRGB curve makes it more in the shadows
    shot = _uniform(n, 0.0, 0.0002, draw, device)[:, None, None, None]
    read = _uniform(n, 0.0, 0.001, draw, device)[:, None, None, None]
    sigma = (shot * light.clamp(min=0) + read**2).sqrt() * _some(n, share, draw, device)
    return light + sigma * _randn(light.shape, draw, device)


def jpeg(photo: Tensor, quality: Tensor) -> Tensor:
    """JPEG's losses for (N, 3, H, W) in [0, 1], quality (N,) 1 to 100, H and W multiples of 16.

    Colour is halved in size, 8 x 8 blocks are rounded in the cosine domain by the standard tables.
    """
    n = len(photo)
    quality = quality.to(photo.device).float()
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)[:, None, None] / 100
    to_ycc = torch.tensor(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]],
        device=photo.device,
    )
    ycc = torch.einsum("kc,nchw->nkhw", to_ycc, photo * 255)
    planes = [ycc[:, :1] - 128, F.avg_pool2d(ycc[:, 1:], 2)]
    dct = _dct_matrix(photo.device)
    back = []
    for plane, table in zip(planes, (_LUMA, _CHROMA), strict=True):
        step = (
            (torch.tensor(table, device=photo.device).float()[None] * scale).round().clamp(1, 255)
        )
        c, h, w = plane.shape[1:]
        blocks = plane.reshape(n, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5)
        step = step[:, None, None, None]
        coded = (dct @ blocks @ dct.T / step).round() * step
        blocks = dct.T @ coded @ dct
        back.append(blocks.permute(0, 1, 2, 4, 3, 5).reshape(n, c, h, w))
    colour = F.interpolate(back[1], scale_factor=2, mode="bilinear", align_corners=False)
    rgb = torch.einsum(
        "kc,nchw->nkhw", torch.linalg.inv(to_ycc), torch.cat([back[0] + 128, colour], 1)
    )
    return (rgb / 255).clamp(0, 1)


def _some_jpeg(photo: Tensor, draw: torch.Generator, share: float, skip: int) -> Tensor:
    """A share of the batch through JPEG; the first `skip` photos are left alone."""
    chosen = torch.rand(len(photo), generator=draw) < share
    chosen[:skip] = False
    quality = 65 + 33 * torch.rand(len(photo), generator=draw)
    if not chosen.any():
        return photo
    height, width = photo.shape[-2:]
    part = photo[chosen.to(photo.device)]
    part = F.pad(part, (0, -width % 16, 0, -height % 16), mode="replicate")
    photo = photo.clone()
    photo[chosen.to(photo.device)] = jpeg(part, quality[chosen])[..., :height, :width]
    return photo


# -- small parts ---------------------------------------------------------------------------------


def _uniform(n: int, low: float, high: float, draw: torch.Generator, device) -> Tensor:
    return (low + (high - low) * torch.rand(n, generator=draw)).to(device)


def _some(n: int, share: float, draw: torch.Generator, device) -> Tensor:
    return (torch.rand(n, generator=draw) < share).float().to(device)[:, None, None, None]


def _randn(shape, draw: torch.Generator, device) -> Tensor:
    """Noise made on the device itself (a GPU is far faster), seeded from the batch's own draw."""
    seed = int(torch.randint(2**31, (1,), generator=draw))
    local = torch.Generator(device=device).manual_seed(seed)
    return torch.randn(shape, generator=local, device=device)


def _smooth_field(n: int, side: int, draw: torch.Generator, device) -> Tensor:
    """(n, 1, side, side) slowly varying random values, about -1.5 to 1.5."""
    coarse = torch.randn(n, 1, 5, 5, generator=draw).to(device)
    return F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)


def _gaussian_blur(photo: Tensor, sigma: Tensor) -> Tensor:
    """Each photo with its own sigma (px), separable, (N, 3, H, W)."""
    n, c, height, width = photo.shape
    reach = 9
    x = torch.arange(-reach, reach + 1, device=photo.device)
    kernel = torch.exp(-(x[None] ** 2) / (2 * sigma[:, None] ** 2).clamp(min=1e-4))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(c, 0)
    flat = F.pad(photo, (reach,) * 4, mode="reflect").reshape(1, n * c, height + 18, width + 18)
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=n * c)
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=n * c)
    return flat.reshape(n, c, height, width)


def _dct_matrix(device) -> Tensor:
    k = torch.arange(8, device=device).float()
    m = torch.cos(math.pi * (2 * k[None] + 1) * k[:, None] / 16) / 2
    m[0] /= math.sqrt(2)
    return m


# fmt: off
_LUMA = [  # ITU-T T.81, Annex K
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56], [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
]
_CHROMA = [
    [17, 18, 24, 47, 99, 99, 99, 99], [18, 21, 26, 66, 99, 99, 99, 99],
    [24, 26, 56, 99, 99, 99, 99, 99], [47, 66, 99, 99, 99, 99, 99, 99],
    [99, 99, 99, 99, 99, 99, 99, 99], [99, 99, 99, 99, 99, 99, 99, 99],
    [99, 99, 99, 99, 99, 99, 99, 99], [99, 99, 99, 99, 99, 99, 99, 99],
]
# fmt: on
