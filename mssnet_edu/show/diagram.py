"""The workflow figure: input, model, output, with the tensors that really flowed between them."""

import time

import torch

from mssnet_edu import images
from mssnet_edu.show import look
from mssnet_edu.show.look import Figure

__all__ = ["workflow"]

PICTURE_PX = 150
INSIDE_PX = 84
ON_THE_WAY_PX = 72

ARROW = (
    '<svg viewBox="0 0 126 12" preserveAspectRatio="xMaxYMid slice" aria-hidden="true">'
    f'<path d="M0 6H120M113 1l7 5-7 5" fill="none" stroke="{look.MUTED}" stroke-width="1.8"/></svg>'
)


def workflow(model, photo, alt=None, **options):
    """Run a network on a photo and draw what happened: input, steps, network, steps, output.

    model: the name of a network that deblurs or upscales, or the network itself: an MSSNet, an
    upscaler such as `me.load_model` gives, or any other (N, 3, H, W) -> (N, 3, H', W').
    photo: (3, H, W), sRGB in [0, 1]. options: passed on to the network, such as factor=4, or seed=1
    for one that draws. Each step is taken as it is drawn: the shape and the small picture below it
    are those of the tensor that came out of it. Thin dashed boxes are steps without anything
    learned. An MSSNet also shows its picture after each scale.
    Raises PhotoError for what is no photo or too small, ValueError for an unknown name.

    >>> class Half(torch.nn.Module):
    ...     def forward(self, photo):
    ...         return photo / 2
    >>> workflow(Half(), torch.rand(3, 16, 16))
    Figure: Workflow: a photo of 16 × 16 px goes into Half, a photo of 16 × 16 px comes out.
    """
    photo = look.one_photo(photo)
    if isinstance(model, str):
        from mssnet_edu.models import load_model

        model = load_model(model)
    info = getattr(model, "info", None)
    if getattr(info, "task", "upscale") not in ("upscale", "deblur"):
        raise ValueError(
            f"{info.name!r} is a network for the task {info.task!r}; the workflow shows networks "
            "that turn a photo into a photo, those that deblur or upscale."
        )
    least = getattr(info, "min_px", 1)
    if min(photo.shape[-2:]) < least:
        raise images.PhotoError(
            f"photo is {photo.shape[-1]} x {photo.shape[-2]} px; {info.name} needs at least "
            f"{least} x {least}. Take a larger one."
        )
    with torch.inference_mode():
        before, inside, after, answer, seconds = _run(model, photo, dict(options))
    name, facts = _facts(model, options)
    parts = [
        _stop("input", photo, PICTURE_PX),
        _way([*before, ARROW]),
        _model(name, [*facts, f"ran in {_seconds(seconds)}"], "".join(inside)),
        _way([ARROW, *after]),
        _stop("output", answer, PICTURE_PX),
    ]
    size_in, size_out = (" × ".join(map(str, look.size_of(p))) for p in (photo, answer))
    alt = alt or (
        f"Workflow: a photo of {size_in} px goes into {name}, a photo of {size_out} px comes out."
    )
    inner = f"<style>{look.css('diagram')}</style><div class='mss-flow'>{''.join(parts)}</div>"
    return Figure(look.card(inner, alt), alt)


def _run(model, photo, options):
    """Take the steps one by one: what is drawn before, inside and after, the answer, seconds."""
    batch = images.as_batch(photo)
    before = [_shape(photo), _step("stack as a batch of 1"), _shape(batch)]
    multiple = getattr(getattr(model, "info", None), "multiple_of", 1)
    height, width = batch.shape[-2:]
    x = torch.nn.functional.pad(batch, (0, -width % multiple, 0, -height % multiple), "reflect")
    if x.shape != batch.shape:
        before += [_step(f"mirror the edges: sides a multiple of {multiple}"), _shape(x)]
        before += [_small("with mirrored edges", x)]
    network = model
    if hasattr(model, "enlarge"):  # MSSNet as an upscaler: its own two steps, taken here
        times = {key: value for key, value in options.items() if key == "factor"}
        seed = options.pop("seed", 0)
        noise = options.pop("noise", None)
        if noise is None:
            noise = model.draw_noise(tuple(x.shape), **{"factor": 8, **times}, seed=seed)
        x = model.enlarge(x, **times)
        before += [_step("enlarge smoothly (bicubic)"), _shape(x), _small("enlarged smoothly", x)]
        if noise is not None:
            before += [_step(f"add random numbers, seed {seed}"), _shape(noise)]
            before += [_small("random numbers", (0.5 + noise / 6).expand(-1, 3, -1, -1))]
            options["noise"] = noise
        options.pop("factor", None)
        network = model.network
    start = time.perf_counter()
    pictures, raw = _called(network, x, options)
    seconds = time.perf_counter() - start
    inside = [_stop(title, picture[0].clamp(0, 1), INSIDE_PX) for title, picture in pictures]

    low, high = float(raw.min()), float(raw.max())
    span = " … ".join(f"{round(v, 2) + 0.0:.2f}" for v in (low, high)).replace("-", "−")
    after = [_shape(raw), span, _small("what the network gives", raw)]
    if -width % multiple or -height % multiple:
        times = raw.shape[-1] // (width + -width % multiple)
        raw = raw[..., : height * times, : width * times]
        after += [_step("cut the mirrored edges off"), _shape(raw)]
    answer = raw[0].clamp(0, 1)
    after += [_step("clamp to 0 … 1, unstack"), _shape(answer)]
    return before, inside, after, answer, seconds


def _called(network, x, options):
    """The pictures after each of MSSNet's scales, and the raw output."""
    if not hasattr(network, "stages"):
        return [], network(x, **options)
    results = list(network.stages(x, **options))
    last = {result.scale: result for result in results}
    names = list(last)
    return [(name, last[name].photo) for name in names], last[names[-1]].photo


def _step(text):
    return f"<i>{look.escape(text)}</i>"


def _small(title, batch):
    """The picture on its way, a thumbnail."""
    photo = batch[0].clamp(0, 1)
    width, height = look.size_of(photo)
    light, _ = look.reduced(photo, 20_000)
    scale = ON_THE_WAY_PX / max(width, height)
    return look.img(
        look.data_url(light),
        f"On the way: {title}.",
        max(1, round(width * scale)),
        max(1, round(height * scale)),
        pixelated=scale >= 1,
    )


def _facts(model, options):
    info = getattr(model, "info", None)
    name = getattr(info, "name", None) or type(model).__name__
    count = sum(p.numel() for p in model.parameters()) if hasattr(model, "parameters") else 0
    facts = []
    if info is not None:
        factor = options.get("factor", info.factor)
        does = {"upscale": f"enlarges {factor} times", "deblur": "removes blur"}
        facts.append(does.get(info.task, info.task))
    if count:
        facts.append(f"{count / 1e6:.1f} million numbers, learned")
    return name, facts


def _seconds(seconds):
    return f"{seconds:.1f} s" if seconds >= 0.1 else f"{1000 * seconds:.0f} ms"


def _shape(tensor):
    return f"<b>{' × '.join(map(str, getattr(tensor, 'shape', tensor)))}</b>"


def _way(steps):
    return f'<div class="mss-way">{"".join(steps)}</div>'


def _model(name, facts, inside):
    lines = "".join(f"<span>{look.escape(fact)}</span>" for fact in facts)
    row = f'<div class="mss-inside">{inside}</div>' if inside else ""
    return f'<div class="mss-model"><b>{look.escape(name)}</b>{lines}{row}</div>'


def _stop(title, photo, room):
    width, height = look.size_of(photo)
    shown = look.widths([photo], room, tall_px=room)[0]
    light, _ = look.reduced(photo, 400_000)
    picture = look.img(
        look.data_url(light),
        f"The picture: {title}.",
        shown,
        round(shown * height / width),
        pixelated=shown >= 2 * width,
    )
    head = f'<div class="mss-title">{title}</div>' if room == PICTURE_PX else ""
    size = f"{width} × {height} px" if head else f"{title}<br>{width} × {height}"
    return f'<div>{head}{picture}<div class="mss-size">{size}</div></div>'
