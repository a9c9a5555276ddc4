"""The workflow figure: input, model, output, with the tensors that really flowed between them."""

import time

import torch

from mssnet_edu import images
from mssnet_edu.show import look
from mssnet_edu.show.look import Figure

__all__ = ["workflow"]

PICTURE_PX = 150

ARROW = (
    '<svg viewBox="0 0 126 12" preserveAspectRatio="xMaxYMid slice" aria-hidden="true">'
    f'<path d="M0 6H120M113 1l7 5-7 5" fill="none" stroke="{look.MUTED}" stroke-width="1.8"/></svg>'
)


def workflow(model, photo, alt=None, **options):
    """Run a network on a photo and draw what happened: input, steps, network, steps, output.

    model: an MSSNet, an upscaler, or any network (N, 3, H, W) -> (N, 3, H', W'), such as
    `me.load_model` gives. photo: (3, H, W), sRGB in [0, 1]. options: passed on to the network, such
    as factor=4. Each arrow carries the shape of the tensor that really flowed along it; an MSSNet
    also shows its picture after each scale. Thin dashed boxes are steps without anything learned.
    Raises PhotoError for what is no photo.

    >>> class Half(torch.nn.Module):
    ...     def forward(self, photo):
    ...         return photo / 2
    >>> workflow(Half(), torch.rand(3, 16, 16))
    Figure: Workflow: a photo of 16 × 16 px goes into Half, a photo of 16 × 16 px comes out.
    """
    photo = look.one_photo(photo)
    batch = images.check(photo)
    name, facts = _facts(model, options)
    start = time.perf_counter()
    with torch.inference_mode():
        pictures, raw = _run(model, batch, options)
    seconds = time.perf_counter() - start
    answer = raw[0].clamp(0, 1)

    before = [_shape(photo), "<i>stack as a batch of 1</i>", _shape(batch)]
    multiple = getattr(getattr(model, "info", None), "multiple_of", 1)
    padded = _padded(batch.shape, multiple)
    if padded != batch.shape:
        before += [f"<i>mirror the edges: sides a multiple of {multiple}</i>", _shape(padded)]
    if hasattr(model, "enlarge"):
        sizes = {key: value for key, value in options.items() if key == "factor"}
        before += ["<i>enlarge smoothly (bicubic)</i>", _shape(model.enlarge(batch, **sizes))]
    low, high = float(raw.min()), float(raw.max())
    span = f"{low:.2f} … {high:.2f}".replace("-", "−")
    after = [_shape(raw), span, "<i>clamp to 0 … 1, unstack</i>", _shape(answer)]
    inside = "".join(_stop(title, picture[0].clamp(0, 1), 84) for title, picture in pictures)
    parts = [
        _stop("input", photo, PICTURE_PX),
        _way([*before, ARROW]),
        _model(name, [*facts, f"ran in {_seconds(seconds)}"], inside),
        _way([ARROW, *after]),
        _stop("output", answer, PICTURE_PX),
    ]

    size_in, size_out = (" × ".join(map(str, look.size_of(p))) for p in (photo, answer))
    alt = alt or (
        f"Workflow: a photo of {size_in} px goes into {name}, a photo of {size_out} px comes out."
    )
    inner = f"<style>{look.css('diagram')}</style><div class='mss-flow'>{''.join(parts)}</div>"
    return Figure(look.card(inner, alt), alt)


def _run(model, batch, options):
    """The pictures after each of MSSNet's scales, and the raw output."""
    if not hasattr(model, "stages"):
        return [], model(batch, **options)
    results = list(model.stages(batch, **options))
    last = {result.scale: result for result in results}
    names = list(last)
    return [(name, last[name].photo) for name in names], last[names[-1]].photo


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


def _padded(shape, multiple):
    *rest, height, width = shape
    return torch.Size([*rest, height + -height % multiple, width + -width % multiple])


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
