"""Compare five ways to raise the resolution of features, on held-out photographs.

python -m training.evaluate_featsharp                about four minutes of processor time
python -m training.evaluate_featsharp --keep DIR     keep the encoder's answers there for next time

Writes docs/featsharp.csv and the table in the card of featsharp-vit-s14. Five columns, each the
mean over the photographs; "noise" is the standard error of the difference to FeatSharp:

- fidelity: variance of what the encoder says of a view over the squared error of what the map
  predicts. Each way but FeatSharp is given the down-sampler that suits it best, fitted on these
  very views; FeatSharp keeps its own. Ways without a model of the fixed pattern keep it as it is.
- agreement: cosine with the encoder itself run on the photo 2 or 4 times larger, both centred. That
  map holds the encoder's fixed pattern, which the other ways keep and FeatSharp leaves out: here it
  is put back.
- agreement, as it is: the same without putting it back.
- PCK@0.1: of points in a mirrored, 1.4 times enlarged and darkened view, how many find their place
  in the photo within a tenth of its side; error is the median distance, in px of 224.
- edges: correlation of the map's steps from cell to cell with the photo's own steps.
"""

import argparse
import csv
import dataclasses
import hashlib
from pathlib import Path

import torch
import torch.nn.functional as F

from mssnet_edu import featsharp, images, samples
from mssnet_edu.models import catalogue

NAME = "featsharp-vit-s14"
OUT = Path(__file__).resolve().parents[1] / "docs" / "featsharp.csv"
SIDE, TOP, LEFT = 0.714, 0.12, 0.2  # of the warped photo
VIEWS, POINTS = 10, 300
TITLES = ("agreement", "agreement, as it is", "PCK@0.1", "error, px", "edges")


def photographs():
    """Squares that no training saw: the validation crops, and the sharp photos of the course."""
    found = {}
    for path in sorted(samples.find_data("validation").glob("*_1.webp")):
        found[path.stem] = images.load(path)
    for name in ("astronaut", "raccoon", "street_sign"):
        found[name] = samples.load(name)
    for name, photo in found.items():
        side = min(photo.shape[1:])
        top, left = ((n - side) // 2 for n in photo.shape[1:])
        found[name] = photo[None, :, top : top + side, left : left + side]
    return found


@torch.inference_mode()
def describe(encoder, name, photo):
    """All that the encoder has to say for one photo."""
    native = encoder.native_px
    seed = int(hashlib.sha256(name.encode()).hexdigest()[:6], 16)
    boxes = featsharp.draw_views(VIEWS, torch.Generator().manual_seed(seed), 4)
    views = torch.cat([featsharp.take_view(photo, box, native) for box in boxes])
    # warped from the photo itself, so that it has real detail at every factor
    warped = featsharp.view_of(photo, torch.tensor([TOP, LEFT, SIDE, 1.0]), (896, 896)) ** 1.6
    found = {"boxes": boxes, "views": torch.cat([encoder.encode(v[None]) for v in views])}
    for kind, picture in (("photo", photo), ("warped", warped)):
        found[f"{kind}.low"] = encoder.encode(featsharp.resize(picture, native))
        for factor in featsharp.FACTORS:
            large = featsharp.resize(picture, factor * native)
            found[f"{kind}.tiles{factor}"] = featsharp.tiles(encoder, large, factor)
            if kind == "photo":
                found[f"native{factor}"] = encoder.encode(large)
    return {key: value.half() if key != "boxes" else value for key, value in found.items()}


def maps_of(found, kind, picture, factor, model):
    """The five maps of one picture, in the encoder's units."""
    low, tiled = found[f"{kind}.low"].float(), found[f"{kind}.tiles{factor}"].float()
    return {
        "nearest": F.interpolate(low, scale_factor=factor),
        "bilinear": F.interpolate(low, scale_factor=factor, mode="bilinear"),
        "jbu": model.borrow(low, picture, factor),
        "tiles": tiled,
        "featsharp": model.restore(model.sharpen(low, tiled, picture, factor)),
    }


def fidelities(everything, factor, model):
    """Per method, a list with one number a photo."""
    bias = model.bias.detach()
    found = {}
    for method in featsharp.METHODS:
        pairs = []
        for one in everything.values():
            maps = model.standardise(one["maps"][factor][method])
            near = one["boxes"][:, 2] >= 0.8 / factor
            pairs.append((maps, model.standardise(one["views"][near].float()), one["boxes"][near]))
        if method == "featsharp":
            down, extra = model.down[str(factor)], bias
        else:
            down, extra = _fitted(pairs, factor), 0.0
        scores = []
        with torch.no_grad():
            for maps, views, boxes in pairs:
                _, predicted = featsharp.view_loss(maps, views, boxes, down, extra)
                scores.append(float(featsharp.fidelity(predicted, views).mean()))
        found[method] = scores
    return found


def _fitted(pairs, factor, steps=40):
    down = featsharp.DownSampler(factor)
    optimiser = torch.optim.Adam(down.parameters(), lr=0.2)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.2 * (1 - step / steps)
        loss = sum(featsharp.view_loss(m[:, ::8], v[:, ::8], b, down, 0.0)[0] for m, v, b in pairs)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return down.requires_grad_(False)


def centred(maps):
    return F.normalize(maps - maps.mean((2, 3), keepdim=True), dim=1)


def agreement(maps, native):
    return float((centred(maps) * centred(native)).sum(1).mean())


def matching(here, there, name):
    """here: the map of the warped photo, there: of the photo. Returns PCK@0.1 and median px."""
    seed = int(hashlib.sha256(name.encode()).hexdigest()[:6], 16)
    points = 0.05 + 0.9 * torch.rand(POINTS, 2, generator=torch.Generator().manual_seed(seed))
    grid = (2 * points.flip(1) - 1)[None, None]  # (x, y) for grid_sample
    asked = F.grid_sample(centred(here), grid, align_corners=False, padding_mode="border")[0, :, 0]
    best = (F.normalize(asked, dim=0).T @ centred(there)[0].flatten(1)).argmax(1)
    height, width = there.shape[2:]
    y, x = (best // width + 0.5) / height, (best % width + 0.5) / width
    true_y, true_x = TOP + SIDE * points[:, 0], LEFT + SIDE * (1 - points[:, 1])
    off = ((y - true_y) ** 2 + (x - true_x) ** 2).sqrt()
    return float((off <= 0.1).float().mean()), float(224 * off.median())


def edges(maps, photo):
    """Pearson's correlation of steps between neighbouring cells: in the map, in the photo."""
    small = F.interpolate(photo, maps.shape[2:], mode="area")
    steps = [
        torch.cat([m.diff(dim=2).norm(dim=1).flatten(), m.diff(dim=3).norm(dim=1).flatten()])
        for m in (maps, small)
    ]
    return float(torch.corrcoef(torch.stack(steps))[0, 1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--keep", type=Path, help="folder for the encoder's answers")
    parser.add_argument("--weights", type=Path, help="folder of the weights, default the course's")
    keep, weights = (vars(parser.parse_args())[k] for k in ("keep", "weights"))
    encoder = featsharp.encoder("vit-s14")
    everything, photos = {}, photographs()
    for name, photo in photos.items():
        kept = keep / f"{name}.pt" if keep else None
        if kept and kept.is_file():
            everything[name] = torch.load(kept, weights_only=True)
            continue
        everything[name] = describe(encoder, name, photo)
        if kept:
            keep.mkdir(parents=True, exist_ok=True)
            torch.save(everything[name], kept)
        print(name, flush=True)
    model = catalogue.load_model(NAME, weights)
    rows = []
    for factor in featsharp.FACTORS:
        columns = {m: {title: [] for title in TITLES} for m in featsharp.METHODS}
        for name, one in everything.items():
            with torch.inference_mode():
                warped = (
                    featsharp.view_of(
                        photos[name], torch.tensor([TOP, LEFT, SIDE, 1.0]), (896, 896)
                    )
                    ** 1.6
                )
                maps = maps_of(one, "photo", photos[name], factor, model)
                other = maps_of(one, "warped", warped, factor, model)
                for method in featsharp.METHODS:
                    found, hits = columns[method], matching(other[method], maps[method], name)
                    native, shown = one[f"native{factor}"].float(), maps[method]
                    if method == "featsharp":
                        low = one["photo.low"]
                        shown = shown + F.interpolate(
                            model.pattern(*low.shape[2:])[None],
                            scale_factor=factor,
                            mode="bilinear",
                        )
                    found["agreement"].append(agreement(shown, native))
                    found["agreement, as it is"].append(agreement(maps[method], native))
                    found["PCK@0.1"].append(hits[0])
                    found["error, px"].append(hits[1])
                    found["edges"].append(edges(maps[method], photos[name]))
            one["maps"] = {factor: {m: v.clone() for m, v in maps.items()}}
        for method, scores in fidelities(everything, factor, model).items():
            columns[method] = {"fidelity": scores, **columns[method]}
        for method, found in columns.items():
            row = {"factor": factor, "method": method, "photos": len(everything)}
            for title, scores in found.items():
                scores = torch.tensor(scores)
                row[title] = round(float(scores.mean()), 4)
                # noise between methods, on the same photos: that of the difference to featsharp
                gap = scores - torch.tensor(columns["featsharp"][title])
                row[f"{title}, noise"] = round(float(gap.std() / len(gap) ** 0.5), 4)
            rows.append(row)
            print(row, flush=True)
    if weights:
        return
    with OUT.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    info = catalogue.info(NAME)
    tables = {
        f"{factor}x, {rows[0]['photos']} held-out photographs (docs/featsharp.csv has the noise)": {
            row["method"]: {k: v for k, v in row.items() if k in columns["jbu"]}
            for row in rows
            if row["factor"] == factor
        }
        for factor in featsharp.FACTORS
    }
    catalogue.write_info(dataclasses.replace(info, measured={**info.measured, **tables}))


if __name__ == "__main__":
    main()
