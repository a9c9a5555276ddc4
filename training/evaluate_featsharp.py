"""Compare ways to raise the resolution of features, on held-out photographs.

python -m training.evaluate_featsharp        about eight minutes of processor time

Writes docs/featsharp.csv and the table in the card of featsharp-vit-s14. Five columns, each the
mean over the photographs; "noise" is the standard error of the difference to FeatSharp:

The rows: the five METHODS of `mssnet_edu.featsharp`; three of them once more with the fixed pattern
taken out, as FeatSharp does, to tell that gain from the fusion's; and "larger photo", the encoder
itself run on the whole photo at 2 or 4 times its native size.

- fidelity: variance of what the encoder says of a view over the squared error of what the map
  predicts. Each method but FeatSharp is given the down-sampler that suits it best, fitted on these
  very views; FeatSharp keeps its own. What has no model of the fixed pattern keeps it.
- agreement: cosine with the encoder itself run on the photo 2 or 4 times larger, both centred. That
  map holds the encoder's fixed pattern: where a method leaves it out, it is put back here.
- agreement, as it is: the same without putting it back.
- PCK@0.1: of points in a mirrored, 1.4 times enlarged and darkened view, how many find their place
  in the photo within a tenth of its side; error is the median distance, in px of 224.
- edges: correlation of the map's steps from cell to cell with the photo's own steps.
"""

import argparse
import dataclasses
import hashlib
import math
from functools import partial
from pathlib import Path
from typing import cast

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from mssnet_edu import featsharp, images, samples
from mssnet_edu.files import write_text
from mssnet_edu.models import catalogue, encoders
from mssnet_edu.models.featsharp import FACTORS, DownSampler, FeatSharp, view_loss, view_of

__all__ = [
    "agreement",
    "edge_correlation",
    "fidelities",
    "measure",
    "photographs",
    "point_matching",
    "summarise",
]

NAME = "featsharp-vit-s14"
REMOVED = ", pattern removed"
LARGER = "larger photo"
OUT = Path(__file__).resolve().parents[1] / "docs" / "featsharp.csv"
SIDE, TOP, LEFT = 0.714, 0.12, 0.2  # of the warped view, which is also mirrored
WARPED_PX, GAMMA = 896, 1.6
VIEWS, POINTS = 10, 300
FIT_STEPS, FIT_RATE = 40, 0.2  # of the down-samplers

Features = dict[str, Tensor]


def photographs() -> dict[str, Tensor]:
    """Squares (1, 3, S, S) that no training saw: validation crops, sharp photos of the course."""
    crops = sorted(samples.find_data("validation").glob("*_1.webp"))
    photos = {path.stem: images.load(path) for path in crops}
    photos |= {name: samples.load(name) for name in ("astronaut", "raccoon", "street_sign")}
    for name, photo in photos.items():
        side = min(photo.shape[1:])
        top, left = ((n - side) // 2 for n in photo.shape[1:])
        photos[name] = images.crop(photo, (left, top, side, side))[None]
    return photos


def _warped(photo: Tensor) -> Tensor:
    """A mirrored, enlarged and darkened view, cut from the photo itself: real detail at 4x, too."""
    return view_of(photo, torch.tensor([TOP, LEFT, SIDE, 1.0]), (WARPED_PX, WARPED_PX)) ** GAMMA


@torch.inference_mode()
def _encoded(encoder: encoders.Encoder, name: str, photo: Tensor) -> Features:
    """All features of one photo that the comparison needs, as fp16."""
    native = encoder.native_px
    boxes = featsharp.draw_views(VIEWS, _generator(name), 4)
    views = [encoder.encode(featsharp.take_view(photo, box, native)) for box in boxes]
    features = {"views": torch.cat(views)}
    for kind, picture in (("photo", photo), ("warped", _warped(photo))):
        features[f"{kind}.low"] = encoder.encode(featsharp.resize(picture, native))
        for factor in FACTORS:
            large = featsharp.resize(picture, factor * native)
            features[f"{kind}.tiles{factor}"] = encoders.encode_tiles(encoder, large, factor)
            features[f"{kind}.native{factor}"] = encoder.encode(large)
    return {key: value.half() for key, value in features.items()} | {"boxes": boxes}


def _generator(name: str) -> torch.Generator:
    """A generator whose seed depends on the photo's name alone."""
    return torch.Generator().manual_seed(int(hashlib.sha256(name.encode()).hexdigest()[:6], 16))


def _upsampled(
    features: Features, kind: str, picture: Tensor, factor: int, model: FeatSharp
) -> Features:
    """The map of one picture by each method, in the encoder's units. kind: "photo" or "warped"."""
    low, tiled = features[f"{kind}.low"].float(), features[f"{kind}.tiles{factor}"].float()
    bare = low - model.pattern(*low.shape[2:])
    tile = [side // factor for side in tiled.shape[2:]]
    return {
        "nearest": F.interpolate(low, scale_factor=factor),
        "bilinear": F.interpolate(low, scale_factor=factor, mode="bilinear"),
        "jbu": model.upsample_jbu(low, picture, factor),
        "tiles": tiled,
        LARGER: features[f"{kind}.native{factor}"].float(),
        "bilinear" + REMOVED: F.interpolate(bare, scale_factor=factor, mode="bilinear"),
        "jbu" + REMOVED: model.upsample_jbu(bare, picture, factor),
        "tiles" + REMOVED: tiled - model.pattern(*tile).repeat(1, factor, factor),
        "featsharp": model.unstandardise(model(low, tiled, picture, factor)),
    }


def _leaves_pattern_out(method: str) -> bool:
    return method == "featsharp" or method.endswith(REMOVED)


# --- the measures ---------------------------------------------------------------------------------


def fidelities(
    maps: list[Tensor], encoded: list[Features], factor: int, method: str, model: FeatSharp
) -> list[float]:
    """The fidelity of one method's map of each photo.

    maps: (1, C, h, w) each, in the encoder's units; encoded: views and boxes of the same photos.
    """
    examples = []
    for sharp, features in zip(maps, encoded, strict=True):
        near = features["boxes"][:, 2] >= 0.8 / factor  # views that are not enlarged beyond the map
        views = model.standardise(features["views"][near].float())
        examples.append((model.standardise(sharp), views, features["boxes"][near]))
    bias = model.bias.detach() if _leaves_pattern_out(method) else torch.zeros_like(model.bias)
    if method == "featsharp":
        down = cast(DownSampler, model.down[str(factor)])
    else:
        down = _fitted_down_sampler(examples, factor, bias)
    with torch.no_grad():
        return [
            float(featsharp.fidelity(view_loss(*each, down=down, bias=bias)[1], each[1]).mean())
            for each in examples
        ]


def _fitted_down_sampler(
    examples: list[tuple[Tensor, Tensor, Tensor]], factor: int, bias: Tensor
) -> DownSampler:
    """The down-sampler that predicts the views best, from every eighth channel."""
    down = DownSampler(factor)
    optimiser = torch.optim.Adam(down.parameters(), lr=FIT_RATE)
    for step in range(FIT_STEPS):
        optimiser.param_groups[0]["lr"] = FIT_RATE * (1 - step / FIT_STEPS)
        loss = torch.zeros(())
        for sharp, views, boxes in examples:
            loss = loss + view_loss(sharp[:, ::8], views[:, ::8], boxes, down, bias[:, ::8])[0]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return down.requires_grad_(False)


def _centred(maps: Tensor) -> Tensor:
    return F.normalize(maps - maps.mean((2, 3), keepdim=True), dim=1)


def agreement(maps: Tensor, native: Tensor) -> float:
    """Mean cosine similarity of two maps (1, C, h, w), both centred."""
    return float((_centred(maps) * _centred(native)).sum(1).mean())


def point_matching(warped: Tensor, maps: Tensor, name: str) -> tuple[float, float]:
    """PCK@0.1 and median distance (px of 224) of points of the warped view, looked up in the photo.

    warped, maps: (1, C, h, w), of the warped view and of the photo. name: seeds the points.
    """
    points = 0.05 + 0.9 * torch.rand(POINTS, 2, generator=_generator(name))  # (y, x) in [0, 1]
    grid = (2 * points.flip(1) - 1)[None, None]  # (x, y) for grid_sample
    query = F.grid_sample(_centred(warped), grid, align_corners=False, padding_mode="border")
    similarity = F.normalize(query[0, :, 0], dim=0).T @ _centred(maps)[0].flatten(1)
    height, width = maps.shape[2:]
    best = similarity.argmax(1)
    y, x = (best // width + 0.5) / height, (best % width + 0.5) / width
    true_y, true_x = TOP + SIDE * points[:, 0], LEFT + SIDE * (1 - points[:, 1])
    distance = torch.hypot(y - true_y, x - true_x)
    return float((distance <= 0.1).float().mean()), float(224 * distance.median())


def edge_correlation(maps: Tensor, photo: Tensor) -> float:
    """Pearson's correlation of steps between neighbouring cells: in the map, in the photo."""
    small = F.interpolate(photo, maps.shape[2:], mode="area")
    steps = [
        torch.cat([m.diff(dim=d).norm(dim=1).flatten() for d in (2, 3)]) for m in (maps, small)
    ]
    return float(torch.corrcoef(torch.stack(steps))[0, 1])


# --- the table ------------------------------------------------------------------------------------


def measure(
    photos: dict[str, Tensor], encoded: dict[str, Features], factor: int, model: FeatSharp
) -> pd.DataFrame:
    """All measures at one factor: a row for each method and photo, a column a measure."""
    rows, maps = [], {}
    for name, photo in photos.items():
        features = encoded[name]
        native, low = features[f"photo.native{factor}"].float(), features["photo.low"]
        with torch.no_grad():
            maps[name] = _upsampled(features, "photo", photo, factor, model)
            warped = _upsampled(features, "warped", _warped(photo), factor, model)
            pattern = model.pattern(*low.shape[2:])[None]
            pattern = F.interpolate(pattern, scale_factor=factor, mode="bilinear")
        for method, each in maps[name].items():
            pck, error_px = point_matching(warped[method], each, name)
            # that map agrees with itself: no measurement
            agree = partial(agreement, native=native) if method != LARGER else lambda _: math.nan
            rows.append(
                {
                    "factor": factor,
                    "method": method,
                    "photo": name,
                    "agreement": agree(each + pattern * _leaves_pattern_out(method)),
                    "agreement, as it is": agree(each),
                    "PCK@0.1": pck,
                    "error, px": error_px,
                    "edges": edge_correlation(each, photo),
                }
            )
    scores = pd.DataFrame(rows).set_index(["factor", "method", "photo"])
    scores.insert(0, "fidelity", math.nan)
    for method in next(iter(maps.values())):
        of_method = [each[method] for each in maps.values()]
        fidelity = fidelities(of_method, list(encoded.values()), factor, method, model)
        scores.loc[(factor, method), "fidelity"] = fidelity
    return scores


def summarise(scores: pd.DataFrame) -> pd.DataFrame:
    """Means over the photos, each with the standard error of its difference to FeatSharp.

    scores: a row for each factor, method and photo. Returns a row for each factor and method.
    """
    by_method = ["factor", "method"]
    rivals = scores.groupby(by_method, sort=False)
    featsharp_scores = scores.groupby(["factor", "photo"]).transform("last")  # the last method
    noise = (scores - featsharp_scores).groupby(by_method, sort=False).sem()
    table = rivals.agg("mean").join(noise.add_suffix(", noise")).assign(photos=rivals.size())
    columns = [name for column in scores.columns for name in (column, f"{column}, noise")]
    return table.loc[:, ["photos", *columns]].round(4)


def main() -> None:
    """Measure, print, and write the table and the card."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--weights", type=Path, help="folder of other weights; writes no files")
    args = parser.parse_args()
    encoder = featsharp.encoder("vit-s14")
    photos = photographs()
    encoded = {name: _encoded(encoder, name, photo) for name, photo in tqdm(photos.items())}
    model = catalogue.load_model(NAME, args.weights)
    assert isinstance(model, FeatSharp)
    scores = pd.concat([measure(photos, encoded, f, model) for f in FACTORS])
    table = summarise(scores)
    print(table.to_string())
    if args.weights:
        return
    write_text(OUT, table.to_csv(lineterminator="\n"))
    info = catalogue.info(NAME)
    title = f"{{}}x, {len(photos)} held-out photographs (docs/featsharp.csv has the noise)"
    tables = {
        title.format(factor): {
            method: row.dropna().to_dict()
            for method, row in table.loc[factor, scores.columns].iterrows()
        }
        for factor in FACTORS
    }
    catalogue.write_info(dataclasses.replace(info, measured={**info.measured, **tables}))


if __name__ == "__main__":
    main()
