"""The workflow figure: input, model, output, with the tensors that really flowed between them."""

import time
from typing import Any

import torch
from torch import nn

from mssnet_edu import images
from mssnet_edu.show import look
from mssnet_edu.show.look import Figure
from mssnet_edu.tiling import pad, padded_size

__all__ = ["workflow"]

PHOTO_PX = 150  # input and output
STAGE_PX = 84  # what each scale of an MSSNet gives
THUMBNAIL_PX = 96  # between the steps

html = look.macros("diagram")


def workflow(
    model: str | nn.Module, photo: torch.Tensor, alt: str | None = None, **options: Any
) -> Figure:
    """Run a network on a photo and draw what happened: input, steps, network, steps, output.

    model: the name of a network that deblurs or upscales, or the network itself: an MSSNet, an
    upscaler such as `me.load_model` gives, or any other (N, 3, H, W) -> (N, 3, H', W').
    photo: (3, H, W), sRGB in [0, 1]. options: passed on to the network, such as factor=4, or seed=1
    for one that samples. Each step is taken as it is drawn: the shape and the small picture below
    it are those of the tensor that came out of it. Thin dashed boxes are steps without anything
    learned. An MSSNet also shows its picture after each scale.
    Raises PhotoError for what is no photo or too small, ValueError for an unknown name.

    >>> class Half(torch.nn.Module):
    ...     def forward(self, photo):
    ...         return photo / 2
    >>> workflow(Half(), torch.rand(3, 16, 16))
    Figure: Workflow: a photo of 16 × 16 px goes into Half, a photo of 16 × 16 px comes out.
    """
    photo = look.single_photo(photo)
    if isinstance(model, str):
        from mssnet_edu.models import load_model

        model = load_model(model)
    info = getattr(model, "info", None)
    if info is not None and info.task not in ("upscale", "deblur"):
        raise ValueError(
            f"{info.name!r} is a network for the task {info.task!r}; the workflow shows networks "
            "that turn a photo into a photo, those that deblur or upscale."
        )
    if info is not None and min(photo.shape[-2:]) < info.min_px:
        raise images.PhotoError(
            f"photo is {photo.shape[-1]} x {photo.shape[-2]} px; {info.name} needs at least "
            f"{info.min_px} x {info.min_px}. Take a larger one."
        )
    name, facts = _describe(model, options)
    with torch.inference_mode():
        before, network, x, network_options = _preprocess(model, photo, dict(options))
        start = time.perf_counter()
        scales, output = _run(network, x, network_options)
        seconds = time.perf_counter() - start
        after, answer = _postprocess(model, photo, output)
    took = f"{seconds:.1f} s" if seconds >= 0.1 else f"{1000 * seconds:.0f} ms"
    stages = [_stage(scale, batch) for scale, batch in scales.items()]
    parts = [
        _photo_node("input", photo),
        html.steps(before),
        html.network(name, [*facts, f"ran in {took}"], stages),
        html.steps(after),
        _photo_node("output", answer),
    ]
    size_in, size_out = (" × ".join(map(str, look.size_of(p))) for p in (photo, answer))
    alt = alt or (
        f"Workflow: a photo of {size_in} px goes into {name}, a photo of {size_out} px comes out."
    )
    return Figure(look.html.card(html.flow(parts), alt), alt)


def _grid(model):
    """What sides must be a multiple of, and how far the edges are mirrored, in pixels."""
    info = getattr(model, "info", None)
    return getattr(info, "multiple_of", 1), getattr(info, "rim_px", 0)


def _padded_size(model, photo):
    return padded_size(photo.shape[-2:], *_grid(model))


def _preprocess(model, photo, options):
    """Steps up to the network: their HTML, the network itself, its input, its options."""
    x = images.as_batch(photo)
    steps = [html.shape(photo.shape), html.step("stack as a batch of 1"), html.shape(x.shape)]
    multiple, rim = _grid(model)
    x = pad(x, _padded_size(model, photo), rim)
    if x.shape[-2:] != photo.shape[-2:]:
        borders = [f"of {rim} px"] * (rim > 0)
        borders += [f"up to a multiple of {multiple}"] * (multiple > 1)
        steps += [html.step(f"add a mirrored border, {' and '.join(borders)}")]
        steps += [html.shape(x.shape), _thumbnail("with mirrored edges", x)]
    if not hasattr(model, "enlarge"):
        return steps, model, x, options
    # MSSNet as an upscaler: its own two steps, taken here
    factor = {"factor": options.pop("factor")} if "factor" in options else {}
    seed = options.pop("seed", 0)
    noise = options.pop("noise", None)
    if noise is None:
        noise = model.draw_noise(tuple(x.shape), **{"factor": 8, **factor}, seed=seed)
    x = model.enlarge(x, **factor)
    steps += [html.step("enlarge smoothly (bicubic)"), html.shape(x.shape)]
    steps += [_thumbnail("enlarged smoothly", x)]
    if noise is not None:
        steps += [html.step(f"add random numbers, seed {seed}"), html.shape(noise.shape)]
        steps += [_thumbnail("random numbers", (0.5 + noise / 6).expand(-1, 3, -1, -1))]
        options["noise"] = noise
    return steps, model.network, x, options


def _run(network, x, options):
    """What an MSSNet gives after each of its scales, {} for other networks; and the raw output."""
    if not hasattr(network, "stages"):
        return {}, network(x, **options)
    scales = {result.scale: result.photo for result in network.stages(x, **options)}
    return scales, scales[list(scales)[-1]]


def _postprocess(model, photo, output):
    """Steps after the network: their HTML, and the answer (3, H', W')."""
    limits = (float(output.min()), float(output.max()))
    span = " … ".join(f"{round(v, 2) + 0.0:.2f}" for v in limits).replace("-", "−")
    steps = [
        html.shape(output.shape),
        f"values {span}",
        _thumbnail("what the network gives", output),
    ]
    padded = _padded_size(model, photo)
    if padded != photo.shape[-2:]:
        factor, rim = output.shape[-1] // padded[1], _grid(model)[1]
        rows, columns = (slice(rim * factor, (rim + n) * factor) for n in photo.shape[-2:])
        output = output[..., rows, columns]
        steps += [html.step("cut the mirrored edges off"), html.shape(output.shape)]
    answer = output[0].clamp(0, 1)
    return [*steps, html.step("clamp to 0 … 1, unstack"), html.shape(answer.shape)], answer


def _describe(model, options):
    """A model's name, and what is known about it in a few words each."""
    info = getattr(model, "info", None)
    name = getattr(info, "name", None) or type(model).__name__
    count = sum(p.numel() for p in model.parameters()) if hasattr(model, "parameters") else 0
    facts = []
    if info is not None:
        factor = options.get("factor", info.factor)
        # an MSSNet gets the photo enlarged already: that step stands before the box
        enlarged = hasattr(model, "enlarge")
        upscale = "sharpens, keeps the size" if enlarged else f"enlarges {factor} times"
        tasks = {"upscale": upscale, "deblur": "removes blur"}
        facts.append(tasks.get(info.task, info.task))
    if count:
        facts.append(f"{count / 1e6:.1f} million numbers, learned")
    return name, facts


def _photo_node(title, photo):
    width, height = look.size_of(photo)
    return html.node(_picture(title, photo, PHOTO_PX), title, [f"{width} × {height} px"])


def _stage(scale, batch):
    photo = batch[0].clamp(0, 1)
    width, height = look.size_of(photo)
    return html.node(_picture(scale, photo, STAGE_PX), None, [scale, f"{width} × {height}"])


def _picture(title, photo, max_side):
    width = look.display_widths([photo], max_side, max_side)[0]
    return look.picture(photo, width, f"The picture: {title}.", max_px=400_000)


def _thumbnail(title, batch):
    photo = batch[0].clamp(0, 1)
    scale = THUMBNAIL_PX / max(photo.shape[-2:])
    width, height = (max(1, round(side * scale)) for side in look.size_of(photo))
    url = look.photo_url(photo, 20_000)
    return look.html.img(url, f"On the way: {title}.", width, height, pixelated=scale >= 1)
