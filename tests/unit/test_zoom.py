"""zoom: the 324 crops to the pixel, and statistics against numbers worked out elsewhere."""

import csv
import hashlib
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from PIL import Image

from mssnet_edu import images, samples, zoom
from mssnet_edu.models import load_model
from mssnet_edu.models.classifier import class_names
from mssnet_edu.samples import find_data
from mssnet_edu.zoom import crops as zooms


def photo_of(width, height, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return images.quantize(torch.rand(3, height, width, generator=generator))


# --- the crops -----------------------------------------------------------------------------------


def test_there_are_36_sizes_and_9_anchors():
    evenly_spaced = [int(x) for x in np.linspace(10, 1024, 10)]
    assert set(evenly_spaced) <= set(zoom.SIZES_PX)
    assert len(zoom.SIZES_PX) == 36
    assert list(zoom.SIZES_PX) == sorted(set(zoom.SIZES_PX))
    assert {10, 224, 664, 690, 896, 1024} <= set(zoom.SIZES_PX)
    assert len(zoom.ANCHORS) == 9


def by_hand(photo, size_px, anchor):
    """The published steps, one after the other, by Pillow alone."""
    height, width = photo.shape[1:]
    if width <= height:
        size = (size_px, int(size_px * height / width))
    else:
        size = (int(size_px * width / height), size_px)
    large = images.to_pillow(photo).resize(size, Image.Resampling.BICUBIC)
    row, column = divmod(anchor, 3)
    y = row * (size[1] // 3) + (size[1] // 3) // 2 - 112
    x = column * (size[0] // 3) + (size[0] // 3) // 2 - 112
    return images.from_pillow(large.crop((x, y, x + 224, y + 224)))  # Pillow fills with black


@pytest.mark.parametrize("size", [(64, 48), (48, 64), (300, 230), (1, 30), (30, 1), (7, 7)])
@pytest.mark.parametrize("size_px", [10, 122, 224, 691])
def test_crops_are_those_worked_out_by_hand(size, size_px):
    photo = photo_of(*size)
    nine = zoom.anchor_crops(photo, size_px)
    assert nine.shape == (9, 3, 224, 224)
    for anchor in (0, 4, 5, 7):
        torch.testing.assert_close(nine[anchor], by_hand(photo, size_px, anchor), rtol=0, atol=0)
        assert torch.equal(zoom.crop(photo, size_px, anchor), nine[anchor])
    assert torch.equal(zoom.crop(photo, size_px, "bottom"), nine[7])


def test_a_small_photo_lies_in_black_at_its_anchor():
    """10 x 20 px: patches of 3 x 6, whose middles are at x = 1, 4, 7 and y = 3, 9, 15."""
    nine = zoom.anchor_crops(torch.ones(3, 20, 10), 10)
    for anchor, (y, x) in enumerate(itertools.product((3, 9, 15), (1, 4, 7))):
        lit = nine[anchor, 0].nonzero()
        assert len(lit) == 200
        assert lit[0].tolist() == [112 - y, 112 - x]
    assert nine.unique().tolist() == [0, 1]


def test_the_centre_at_224_px_is_the_usual_crop():
    photo = samples.load("cat")  # 451 x 300 px
    left = (336 // 3) + (336 // 3) // 2 - 112
    whole = images.to_pillow(photo).resize((336, 224), Image.Resampling.BICUBIC)
    top = (224 // 3) + (224 // 3) // 2 - 112  # 74 + 37 - 112 = -1: a row of black, as published
    expected = images.from_pillow(whole.crop((left, top, left + 224, top + 224)))
    assert torch.equal(zoom.crop(photo, 224), expected)


@pytest.mark.parametrize("size", [(2, 150), (150, 2), (1, 200)])
def test_a_strip_is_cut_without_making_the_whole_of_it_large(size, monkeypatch):
    photo = photo_of(*size)
    assert 512**2 * max(size) / min(size) > zooms._MAX_RESIZED_PX  # so these take the other way
    parts = zoom.anchor_crops(photo, 512)
    monkeypatch.setattr(zooms, "_MAX_RESIZED_PX", 10**9)
    whole = zoom.anchor_crops(photo, 512)
    assert (parts - whole).abs().max() <= 1.01 / 255  # Pillow keeps places as 32-bit numbers
    assert whole.std() > 0.1


def test_boxes_lie_where_the_crops_come_from():
    photo = torch.zeros(3, 480, 640)
    photo[:, 200:260, 100:180] = 1
    for size_px, anchor in ((320, 3), (448, 0), (700, 3)):
        left, top, width, height = zoom.crop_box(photo, size_px, anchor)
        assert width == pytest.approx(height, rel=0.01)
        assert height == pytest.approx(224 * 480 / size_px)
        lit = zoom.crop(photo, size_px, anchor)[0] > 0.5
        rows, columns = lit.any(1).nonzero().flatten(), lit.any(0).nonzero().flatten()
        if len(rows):
            first = top + int(rows[0]) * height / 224
            assert first == pytest.approx(max(200, top), abs=2.5)
            first = left + int(columns[0]) * width / 224
            assert first == pytest.approx(max(100, left), abs=2.5)


def test_wrong_zooms_are_refused():
    photo = photo_of(40, 30)
    with pytest.raises(ValueError, match="size_px is 2; expected a number from 3 to 4096"):
        zoom.anchor_crops(photo, 2)
    with pytest.raises(ValueError, match="anchor is 'middle'; choose one of 'top left'"):
        zoom.crop(photo, 224, "middle")
    with pytest.raises(ValueError, match="anchor is 9"):
        zoom.crop(photo, 224, 9)
    with pytest.raises(images.PhotoError, match="a batch of 2"):
        zoom.anchor_crops(torch.rand(2, 3, 30, 40), 224)


# --- random crops, ten crops ---------------------------------------------------------------------


def test_random_crops_are_drawn_anew_with_another_seed_only():
    photo = samples.load("coffee")
    a, again = (zoom.random_resized_crops(photo, 4, seed=3) for _ in range(2))
    assert torch.equal(a, again)
    other = zoom.random_resized_crops(photo, 4, seed=4)
    assert all((a[i] - other[i]).abs().mean() > 0.01 for i in range(4))
    assert torch.equal(a[:2], zoom.random_resized_crops(photo, 2, seed=3))


@pytest.mark.parametrize("size", [(640, 480), (100, 700), (224, 224), (5, 4)])
def test_random_boxes_keep_their_bounds(size):
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        left, top, right, bottom = zooms._random_box(size, (0.2, 0.6), (0.75, 4 / 3), generator)
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        if size != (5, 4) and size != (100, 700):  # rounding; too long for any
            share = (right - left) * (bottom - top) / (size[0] * size[1])
            assert 0.19 < share < 0.61
            assert 0.73 < (right - left) / (bottom - top) < 1.36


def test_a_photo_too_long_for_any_box_gives_its_middle():
    generator = torch.Generator()
    assert zooms._random_box((30, 900), (0.9, 1), (0.75, 4 / 3), generator) == (0, 430, 30, 470)
    assert zooms._random_box((900, 30), (0.9, 1), (0.75, 4 / 3), generator) == (430, 0, 470, 30)


def test_nothing_beside_a_random_crop_is_seen():
    """A crop from the black half is black, though bicubic weights would reach over the border."""
    photo = torch.zeros(3, 40, 40)
    photo[:, :, 20:] = 1
    crops = zoom.random_resized_crops(photo, 64, scale=(0.01, 0.05))
    flat = [c for c in crops if float(c.std()) == 0]
    assert len(flat) > 40
    assert {float(c.max()) for c in flat} == {0.0, 1.0}


def test_ten_crops():
    photo = torch.zeros(3, 256, 300)
    photo[0, :, 150:] = 1  # red on the right
    ten = zoom.ten_crops(photo)
    assert torch.equal(ten[5:], ten[:5].flip(-1))
    middle, top_left, top_right, bottom_left, bottom_right = ten[:5, 0].mean(1)
    assert middle.sum() == pytest.approx(112, abs=1)
    assert top_left.sum() == bottom_left.sum() == pytest.approx(224 - 150, abs=1)
    assert top_right.sum() == bottom_right.sum() == pytest.approx(150, abs=1)
    with pytest.raises(ValueError, match="scale is"):
        zoom.random_resized_crops(photo, 2, scale=(0, 1))


# --- the classifier ------------------------------------------------------------------------------


def test_all_zooms_is_the_classifier_on_each_crop():
    photo, network = samples.load("coffee"), load_model("efficientnet-lite0")
    sizes = (96, 320)
    answers = zoom.all_zooms(photo, sizes)
    assert answers.shape == (2, 9, 1000)
    assert answers.dtype == torch.float32
    with torch.no_grad():
        for row, anchor in ((0, 4), (1, 2)):
            expected = network(zoom.crop(photo, sizes[row], anchor)[None])[0].softmax(0)
            torch.testing.assert_close(answers[row, anchor], expected, rtol=1e-3, atol=1e-4)
    assert zoom.oracle(answers, [967])
    assert not zoom.oracle(answers, [0])
    answers[0] += 0  # the learner may change them


def test_zooming_can_be_stopped(monkeypatch):
    cut = []
    crops = zooms._crops

    def counted(image, size_px, anchors):
        cut.append(size_px)
        return crops(image, size_px, anchors)

    monkeypatch.setattr(zooms, "_crops", counted)
    for size_px, _ in zoom.each_size(samples.load("cat")):
        if size_px == 16:
            break
    assert cut == [10, 16]


def test_means_over_crops():
    photo = samples.load("cat")
    ten = zoom.classify(zoom.ten_crops(photo)).mean(0)
    torch.testing.assert_close(zoom.ten_crop(photo), ten)
    tta = zoom.zoom_tta(photo, 3, seed=1)
    crops = zoom.random_resized_crops(photo, 3, seed=1)
    torch.testing.assert_close(tta, zoom.classify(crops).mean(0))
    assert tta.sum() == pytest.approx(1, abs=1e-4)


def test_crops_of_another_size_are_refused():
    with pytest.raises(images.PhotoError, match=r"crops have shape \(3, 224, 224\)"):
        zoom.classify(torch.rand(3, 224, 224))


# --- right or wrong ------------------------------------------------------------------------------


def answers_of(*tops, classes=6):
    return torch.nn.functional.one_hot(torch.tensor(tops), classes).float()


def test_any_of_the_labels_counts():
    assert zoom.is_right(answers_of(2, 3, 5), {2, 5}).tolist() == [True, False, True]
    for labels in ([], [6], [-1]):
        with pytest.raises(ValueError, match="at least one class from 0 to 5"):
            zoom.is_right(answers_of(2), labels)


def test_the_best_zoom_is_the_surest():
    answers = torch.zeros(2, 9, 4)
    answers[1, 2] = torch.tensor([0.1, 0.4, 0.5, 0.0])  # 0.9 for classes 1 and 2 together
    answers[0, 8, 1] = 0.8
    assert zoom.best_zoom(answers, [1, 2], (224, 448)) == (448, 2)
    assert zoom.best_zoom(answers, [1], (224, 448)) == (224, 8)
    assert str(zoom.Zoom(448, 2)) == "448 px, top right"


def test_center_bias_and_the_best_fixed_zoom():
    right = torch.zeros(4, 3, 9, dtype=torch.bool)
    right[:3, 0, 4] = True
    right[3, 2, 4] = True
    right[0, 1, 0] = True
    bias = zoom.center_bias(right)
    assert bias[1, 1] == 1
    assert bias[0, 0] == 0.25
    assert bias.sum() == 1.25
    confidence = torch.zeros(4, 3, 9)
    assert zoom.best_fixed_zoom(right, confidence, (1, 2, 3)) == (1, 4)
    right[:3, 2, 6] = True
    confidence[:, 2, 6] = 1  # as many, and surer
    assert zoom.best_fixed_zoom(right, confidence, (1, 2, 3)) == (3, 6)
    right[3, 0, 4] = True  # but one more right beats all confidence
    assert zoom.best_fixed_zoom(right, confidence, (1, 2, 3)) == (1, 4)


def test_entropy():
    assert zoom.entropy_bits(torch.full((4,), 0.25)) == pytest.approx(2)
    assert zoom.entropy_bits(torch.tensor([[1.0, 0], [0.25, 0.75]])).tolist() == pytest.approx(
        [0, 0.811278], abs=1e-5
    )


@pytest.mark.parametrize(("right", "total"), [(0, 5), (5, 5), (57, 65), (10980, 10980), (1, 3)])
def test_wilsons_interval_is_scipys(right, total):
    expected = scipy.stats.binomtest(right, total).proportion_ci(method="wilson")
    assert zoom.wilson_interval(right, total) == pytest.approx(tuple(expected), abs=1e-6)


def test_pairs():
    before = torch.tensor([True] * 30 + [False] * 10)
    after = before.clone()
    after[:9] = False
    after[38:] = True
    flips = zoom.paired(before, after)
    assert (flips.fixed, flips.broken) == (2, 9)
    assert flips.p_value == pytest.approx(scipy.stats.binomtest(2, 11).pvalue)
    assert flips.difference == pytest.approx(-7 / 40)
    assert flips.low < flips.difference < flips.high
    # sigma of the mean of 40 changes: sqrt((11/40 - (7/40)^2) / 40) = 0.0782
    assert flips.high - flips.low == pytest.approx(2 * 1.96 * 0.0782, rel=0.08)
    same = zoom.paired(before, before)
    assert same == (0, 0, 1, 0, 0, 0)
    with pytest.raises(ValueError, match="expected the same photos"):
        zoom.paired(before, after[:-1])


def test_reliability_by_hand():
    confidence = torch.tensor([0.95, 0.9, 0.85, 1.0, 0.3, 0.25])
    correct = torch.tensor([True, True, False, True, False, True])
    curve = zoom.reliability(confidence, correct, bins=5)
    assert curve.count.tolist() == [0, 2, 0, 0, 4]
    assert curve.accuracy[[1, 4]].tolist() == pytest.approx([0.5, 0.75])
    assert curve.confidence[[1, 4]].tolist() == pytest.approx([0.275, 0.925], abs=1e-6)
    assert curve.accuracy[0].isnan()
    # (2 |0.5 - 0.275| + 4 |0.75 - 0.925|) / 6
    assert curve.ece == pytest.approx((0.45 + 0.7) / 6, abs=1e-6)
    assert curve.ece_low <= curve.ece <= curve.ece_high
    assert (float(curve.low[4]), float(curve.high[4])) == pytest.approx(zoom.wilson_interval(3, 4))


def test_a_calibrated_classifier_has_a_small_error():
    generator = torch.Generator().manual_seed(0)
    confidence = torch.rand(4000, generator=generator)
    honest = torch.rand(4000, generator=generator) < confidence
    assert zoom.reliability(confidence, honest).ece < 0.03
    assert zoom.reliability(confidence, torch.ones(4000)).ece == pytest.approx(0.5, abs=0.01)


# --- the labelled photographs --------------------------------------------------------------------

OPEN = r"CC0-1\.0|CC BY(-SA)? \d\.\d( / GFDL)?|public domain|CDLA-Permissive-1\.0|Attribution .*"


def credits_table():
    table = find_data("labelled/labelled.tsv")
    with table.open(encoding="utf-8", newline="") as stream:
        return table.parent, list(csv.DictReader(stream, delimiter="\t"))


def test_every_labelled_photo_is_credited_and_every_credit_has_its_photo():
    folder, rows = credits_table()
    assert {row["file"] for row in rows} == {path.name for path in folder.glob("*.jpg")}
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 8_000_000
    for row in rows:
        blob = (folder / row["file"]).read_bytes()
        assert hashlib.sha256(blob).hexdigest() == row["sha256"], row["file"]
        assert re.fullmatch(OPEN, row["licence"]), row["licence"]
        for column in ("author", "source", "path_inside", "origin", "changes"):
            assert row[column].strip(), f"{row['file']}: {column} is empty"


def test_labels_name_their_classes_and_boxes_lie_inside():
    _, rows = credits_table()
    names = class_names()
    photos = zoom.labelled_photos()
    for row, photo in zip(rows, photos, strict=True):
        assert [names[label] for label in photo.labels] == row["names"].split(" | ")
        height, width = photo.load().shape[1:]
        assert (width, height) == (int(row["width"]), int(row["height"]))
        left, top, box_width, box_height = photo.box
        assert 0 <= left < left + box_width <= width
        assert 0 <= top < top + box_height <= height
        assert photo.in_train == (row["in_train"] == "yes")
    assert len(photos) == 78
    assert sum(photo.in_train for photo in photos) == 13


def test_what_the_course_trained_on_is_marked():
    """The list of training photographs names the same files of the same package."""
    corpus = find_data().parent / "training" / "dataset.tsv"
    with corpus.open(encoding="utf-8", newline="") as stream:
        trained = {
            (row["package"].split()[0], Path(row["source_file"]).name)
            for row in csv.DictReader(stream, delimiter="\t")
        }
    _, rows = credits_table()
    for row in rows:
        key = (row["source"].split()[0], Path(row["path_inside"]).name)
        assert (key in trained) == (row["in_train"] == "yes"), row["file"]


def write_table(folder, text):
    (folder / "labels.tsv").write_text(text, encoding="utf-8")
    images.save(torch.rand(3, 20, 30), folder / "a.png", overwrite=True)
    return folder / "labels.tsv"


def test_a_strangers_table_needs_two_columns(tmp_path):
    table = write_table(tmp_path, "file\timagenet_ids\na.png\t281, 282\n")
    [photo] = zoom.read_labels(table, tmp_path)
    assert (photo.name, photo.labels, photo.box, photo.in_train) == ("a", (281, 282), None, False)
    assert photo.load().shape == (3, 20, 30)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,imagenet_ids\na.png,3\n", "no column 'file'"),
        ("file\tclass\na.png\t3\n", "no column 'imagenet_ids'"),
        ("file\timagenet_ids\n", "names no photos"),
        ("file\timagenet_ids\na.png\t1000\n", r"line 2: imagenet_ids is '1000'"),
        ("file\timagenet_ids\na.png\tcat\n", r"line 2: imagenet_ids is 'cat'"),
        ("file\timagenet_ids\na.png\t\n", r"line 2: imagenet_ids is ''"),
        ("file\timagenet_ids\nb.png\t3\n", r"line 2: there is no file .*b.png"),
        ("file\timagenet_ids\na.png\t3\na.png\t3\n", "names 'a' twice"),
        ("file\timagenet_ids\tx0\ty0\tx1\ty1\na.png\t3\ta\t1\t2\t3\n", "expected four numbers"),
    ],
)
def test_wrong_tables_are_explained(tmp_path, text, message):
    table = write_table(tmp_path, text)
    with pytest.raises(ValueError, match=message):
        zoom.read_labels(table, tmp_path)


def test_no_such_labelled_photo():
    with pytest.raises(ValueError, match=r"no labelled photo 'snak'\. Did you mean 'snake'"):
        zoom.labelled_photo("snak")


def test_recorded_answers_are_the_classifiers():
    recorded = zoom.recorded_zooms()
    assert recorded.classes.shape == (78, 36, 9, 5)
    photo = zoom.labelled_photo("toucan_gc")
    number = recorded.names.index("toucan_gc")
    sizes = [zoom.SIZES_PX.index(s) for s in (64, 288)]
    answers = zoom.all_zooms(photo.load(), [64, 288])
    best = answers.topk(5)
    assert torch.equal(best.indices[..., 0], recorded.classes[number, sizes][..., 0])
    torch.testing.assert_close(
        best.values, recorded.probabilities[number, sizes], rtol=0, atol=2e-3
    )
    share = answers[..., list(photo.labels)].sum(-1)
    torch.testing.assert_close(share, recorded.right_probability[number, sizes], rtol=0, atol=2e-3)
    assert torch.equal(zoom.is_right(answers, photo.labels), recorded.right[number, sizes])


def test_photos_can_be_left_out():
    recorded = zoom.recorded_zooms()
    rest = recorded.without(["snake", "whale"])
    assert len(rest.names) == len(rest.right) == 76
    assert "snake" not in rest.names
    ant = [each.names.index("ant") for each in (recorded, rest)]
    assert torch.equal(recorded.right[ant[0]], rest.right[ant[1]])


def test_recorded_answers_look_like_computed_ones():
    recorded = zoom.recorded_zooms()
    answers = recorded.answers("toucan_gc")
    assert answers.shape == (36, 9, 1000)
    number = recorded.names.index("toucan_gc")
    best = answers.topk(5)
    torch.testing.assert_close(best.values, recorded.probabilities[number])
    assert torch.equal(best.indices[..., 0], recorded.classes[number, ..., 0])
    assert int((answers > 0).sum(-1).max()) <= 5
    with pytest.raises(ValueError, match=r"no stored answers for 'me'. Use me\.zoom\.all_zooms"):
        recorded.answers("me")


def test_answers_by_name():
    probabilities = torch.zeros(1000)
    probabilities[[309, 57]] = torch.tensor([0.75, 0.25])
    assert zoom.named(probabilities, 2) == [("bee", 0.75), ("garter snake", 0.25)]
    assert zoom.labelled_photo("african_elephants").right_names == ["African elephant", "tusker"]
