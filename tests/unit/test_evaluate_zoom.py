"""evaluate_zoom: a stranger's photos and data sets, stopped and resumed; tables by hand."""

import io
import json
import signal
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from mssnet_edu import degrade, images, metrics, samples, zoom
from mssnet_edu.models.classifier import class_names, wordnet_ids
from training import evaluate_zoom, measure_zoom, zoom_data, zoom_scoring
from training.zoom_scoring import CONSISTENT, Answer, AnswerFile, read_answers

CAT, COFFEE = (285, 281), (967,)


def jpeg(photo):
    stream = io.BytesIO()
    images.to_pillow(photo).save(stream, "JPEG")
    return stream.getvalue()


def hard_table(rows):
    """A table with the schema of ImageNet-Hard as published."""
    schema = pa.schema(
        [
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("label", pa.list_(pa.int64())),
            ("origin", pa.string()),
            ("english_label", pa.list_(pa.string())),
        ]
    )
    names = class_names()
    return pa.Table.from_pylist(
        [
            {
                "image": {"bytes": blob, "path": None},
                "label": list(labels),
                "origin": origin,
                "english_label": [names[label % 1000] for label in labels],
            }
            for blob, labels, origin in rows
        ],
        schema,
    )


@pytest.fixture(scope="module")
def hard(tmp_path_factory):
    """Two parquet files with seven photos; one of them is broken."""
    folder = tmp_path_factory.mktemp("hard") / "data"
    folder.mkdir()
    cat, coffee = (jpeg(samples.load(name)) for name in ("cat", "coffee"))
    first = [(cat, CAT, "imagenet"), (coffee, COFFEE, "imagenet"), (cat, (3, 4), "objectnet")]
    second = [(coffee, (3, 967), "imagenet_v2"), (cat[:900], CAT, "imagenet")]
    second += [(coffee, COFFEE, "objectnet"), (cat, CAT, "objectnet")]
    for number, rows in enumerate((first, second)):
        table = hard_table(rows)
        pq.write_table(
            table, folder / f"validation-0000{number}-of-00002.parquet", row_group_size=2
        )
    return folder.parent


def run(*arguments):
    return evaluate_zoom.main([str(each) for each in arguments])


# --- data sets -----------------------------------------------------------------------------------


def test_any_of_the_labels_of_imagenet_hard_counts(hard, tmp_path, capsys):
    file = tmp_path / "hard.csv"
    assert run("--imagenet-hard", hard, "--csv", file, "--views", "centre, fixed zoom") == 0
    rows = read_answers(file)
    assert list(rows.columns) == ["photo", "enlarger", "view", "top1", "right", "confidence"]
    centre = rows[rows.view == "centre"].set_index("photo")
    assert centre.right.to_dict() == {
        "imagenet/validation-00000-of-00002 #0": True,
        "imagenet/validation-00000-of-00002 #1": True,
        "objectnet/validation-00000-of-00002 #2": False,  # a cat, labelled as two fishes
        "imagenet_v2/validation-00001-of-00002 #0": True,  # espresso is one of two labels
        "objectnet/validation-00001-of-00002 #2": True,
        "objectnet/validation-00001-of-00002 #3": True,
    }
    assert centre.top1.iloc[0] == "Egyptian cat"
    out = capsys.readouterr()
    assert "1 photos were left out:" in out.err
    assert "00001-of-00002 #1 cannot be read" in out.err
    low, high = zoom.wilson_interval(5, 6)
    assert f"83.33 ({100 * low:.2f} to {100 * high:.2f})" in out.out
    assert "| objectnet" in out.out
    assert "39.00" in out.out  # the paper's, as the paper's
    assert "not measured here" in out.out


def test_a_run_that_was_stopped_ends_with_the_same_table(hard, tmp_path):
    whole, parts = tmp_path / "whole.csv", tmp_path / "parts.csv"
    command = ("--imagenet-hard", hard, "--views", "centre,fixed zoom")
    assert run(*command, "--csv", whole) == 0
    assert run(*command, "--csv", parts, "--limit", 3) == 0
    assert len(read_answers(parts)) == 6
    done = parts.read_text(encoding="utf-8")
    with parts.open(
        "a", encoding="utf-8"
    ) as stream:  # killed in the middle of a line, and of a photo
        stream.write(
            "imagenet_v2/validation-00001-of-00002 #0,original,centre,x,0,0.1\nimagenet_v2/"
        )
    assert run(*command, "--csv", parts) == 2  # not without --resume
    assert run(*command, "--csv", parts, "--resume") == 0
    assert parts.read_text(encoding="utf-8") == whole.read_text(encoding="utf-8")
    assert parts.read_text(encoding="utf-8").startswith(done)
    calls = []
    scoring = zoom_scoring.VIEWS["centre"]
    zoom_scoring.VIEWS["centre"] = lambda *a: calls.append(a) or scoring(*a)
    try:
        assert run(*command, "--csv", parts, "--resume") == 0
    finally:
        zoom_scoring.VIEWS["centre"] = scoring
    assert len(calls) == 1  # the last photo could be there in part
    assert parts.read_text(encoding="utf-8") == whole.read_text(encoding="utf-8")


def test_the_oracle_is_right_where_any_zoom_is(monkeypatch):
    answers = torch.zeros(36, 9, 1000)
    answers[..., 7] = 0.9
    answers[5, 2, 7] = 0.1
    answers[5, 2, 3] = 0.2  # the one zoom that is right
    answers[6, 2, 3] = 0.8  # surer, but another class is surer still
    monkeypatch.setattr(zoom, "all_zooms", lambda photo: answers)
    best = zoom_scoring.VIEWS["oracle"](torch.rand(3, 8, 8), "x", (3, 4))
    assert int(best.argmax()) == 3
    assert int(zoom_scoring.VIEWS["oracle"](torch.rand(3, 8, 8), "x", (4,)).argmax()) == 7


def test_a_folder_like_imagenets_validation(tmp_path):
    ids = wordnet_ids()
    for label, name in ((285, "cat"), (967, "coffee")):
        (tmp_path / ids[label]).mkdir()
        images.save(samples.load(name), tmp_path / ids[label] / "a.jpg")
    (tmp_path / "n00000000").mkdir()  # no class of the thousand
    photos = list(zoom_data.read_dataset(tmp_path))
    assert [photo.labels for photo in photos] == [(285,), (967,)]
    assert [photo.name for photo in photos] == [f"all/{ids[n]}/a.jpg" for n in (285, 967)]
    file = tmp_path / "answers.csv"
    assert run("--imagenet", tmp_path, "--csv", file, "--views", "centre") == 0
    assert read_answers(file).right.tolist() == [True, True]


def test_a_folder_with_metadata(tmp_path):
    images.save(samples.load("coffee"), tmp_path / "a.png")
    rows = [{"file_name": "a.png", "label": [3, 967, -1], "origin": "imagenet"}]
    rows += [{"file_name": "gone.png", "label": 3}]
    text = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "metadata.jsonl").write_text(text + "\n", encoding="utf-8")
    first, second = zoom_data.read_dataset(tmp_path)
    assert (first.name, first.labels) == ("imagenet/a.png", (3, 967))
    assert first.load().shape == (3, 400, 600)
    assert (second.name, second.labels) == ("all/gone.png", (3,))
    with pytest.raises(images.PhotoError, match="There is no file"):
        second.load()


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no"):
        zoom_data.read_dataset(tmp_path / "nothing")
    with pytest.raises(ValueError, match="holds no data set"):
        zoom_data.read_dataset(tmp_path)
    pq.write_table(pa.table({"image": [1]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="has no column 'label'"):
        list(zoom_data.read_dataset(tmp_path))
    pq.write_table(hard_table([(b"", [1000], "x")]), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"label is \[1000\]; expected classes from 0 to 999"):
        list(zoom_data.read_dataset(tmp_path / "a.parquet"))
    (tmp_path / "a.parquet").unlink()
    (tmp_path / "metadata.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1: expected file_name and label"):
        list(zoom_data.read_dataset(tmp_path))


def test_photos_are_read_one_by_one(tmp_path):
    """A file of many rows is not held as a whole: reading one photo reads one batch."""
    blob = torch.randint(256, (200_000,), dtype=torch.uint8).numpy().tobytes()
    table = hard_table([(blob, [1], "x")] * 200)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=8, compression="none")
    before = pa.total_allocated_bytes()
    photos = zoom_data.read_dataset(tmp_path)
    peak = 0
    for _ in range(100):
        next(photos)
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert peak < 10_000_000  # of 40 MB


def test_wrong_commands_are_explained(hard, tmp_path, capsys):
    for arguments, message in (
        (["--photos", tmp_path], "--photos and --labels go together"),
        (["--imagenet", hard, "--imagenet-hard", hard], "choose one"),
        (["--imagenet", hard, "--views", "middle"], "--views has 'middle'; choose from centre"),
        (["--imagenet", hard, "--limit", 0], "--limit is 0"),
    ):
        assert run(*arguments, "--csv", tmp_path / "x.csv") == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "x.csv").exists()
    (tmp_path / "note.txt").write_text("my own notes\n", encoding="utf-8")
    assert run("--imagenet-hard", hard, "--csv", tmp_path / "note.txt", "--resume") == 2
    assert "no file of answers" in capsys.readouterr().err
    assert (tmp_path / "note.txt").read_text(encoding="utf-8") == "my own notes\n"


# --- the experiment ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """A stranger's folder: a coffee to judge, a photo our networks know, and one too small."""
    folder = tmp_path_factory.mktemp("strangers")
    coffee = images.crop(samples.load("coffee"), (150, 40, 300, 300))
    images.save(degrade.resample(coffee, (136, 131)).clamp(0, 1), folder / "cup.png")
    images.save(samples.load("cat"), folder / "known.png")
    images.save(torch.rand(3, 60, 60), folder / "tiny.png")
    rows = ["file\timagenet_ids\tin_train", "cup.png\t967,968\tno", "known.png\t285\tyes"]
    (folder / "labels.tsv").write_text("\n".join([*rows, "tiny.png\t1\t"]) + "\n", encoding="utf-8")
    return folder


def test_the_experiment_on_a_strangers_photos(strangers, tmp_path, capsys, monkeypatch):
    """All of its rows; but slow enlargers are bicubic here, and TTA takes two crops."""
    module = sys.modules["mssnet_edu.zoom.enlargements"]
    ways = module._ways  # called for each photo: some keep their answer
    slow = dict.fromkeys(zoom.ENLARGERS[2:], ways()["bicubic"])
    monkeypatch.setattr(module, "_ways", lambda: ways() | slow)
    monkeypatch.setattr(zoom_scoring, "TTA_CROPS", 2)
    file = tmp_path / "answers.csv"
    labels = strangers / "labels.tsv"
    assert run("--photos", strangers, "--labels", labels, "--csv", file) == 0
    rows = read_answers(file)
    out = capsys.readouterr()
    assert set(rows.photo) == {"cup"}
    assert "trained on them: 1 photos" in out.err
    assert "tiny: photo is 60 x 60 px" in out.err
    enlarged = [f"{how}: {n}" for how in zoom.REDUCTIONS for n in ("reduced", *zoom.ENLARGERS)]
    assert set(rows.enlarger) == {*enlarged, "original", "original at 256 px"}
    counts = rows.groupby("enlarger").view.agg(set)
    views = {"centre", "fixed zoom", "TTA"}
    assert counts["original"] == views | {"ten-crop"}
    assert counts["1/8: reduced"] == views
    assert counts["32 px: rrdn-x8"] == views | {CONSISTENT}
    # an answer is that of the public calls
    small = zoom.reduce_photo(images.load(strangers / "cup.png"), "32 px").small
    rrdn = zoom.centre_crop(zoom.enlarge(small, "rrdn-x8"))
    found = rows[(rows.enlarger == "32 px: rrdn-x8") & (rows.view == "centre")].iloc[0]
    assert found.top1 == class_names()[int(rrdn.argmax())]
    assert found.confidence == pytest.approx(float(rrdn.max()), abs=1e-3)
    assert found.right == (int(rrdn.argmax()) in (967, 968))
    fidelity = rows[(rows.enlarger == "32 px: mssnet-x8-fidelity") & (rows.view == "centre")]
    bicubic = rows[(rows.enlarger == "32 px: bicubic") & (rows.view == "centre")]
    assert fidelity.confidence.item() == bicubic.confidence.item() != found.confidence
    assert "### Reduced to 32 px, and enlarged 8 times" in out.out


def test_reductions():
    photo = samples.load("coffee")  # 600 x 400 px
    large, small = zoom.reduce_photo(photo)
    assert torch.equal(large, images.quantize(photo))
    assert small.shape == (3, 50, 75)
    assert torch.equal(small, images.quantize(degrade.downscale(large, 8)))
    large, small = zoom.reduce_photo(photo, "32 px")
    assert small.shape == (3, 32, 48)
    assert metrics.consistency_db(large, small) > 50
    # reduced, enlarged: a small one is first made larger, a large one smaller
    assert zoom.reduce_photo(torch.rand(3, 130, 200), "32 px").large.shape == (3, 256, 392)
    assert zoom.reduce_photo(torch.rand(3, 1300, 2000)).large.shape == (3, 416, 640)
    assert zoom.reduce_photo(torch.rand(3, 131, 4000)).large.shape == (3, 128, 640)
    with pytest.raises(images.PhotoError, match="at least 128 x 128"):
        zoom.reduce_photo(torch.rand(3, 127, 400))
    with pytest.raises(ValueError, match="how is '64 px'"):
        zoom.reduce_photo(photo, "64 px")


def test_enlargers_are_all_there_and_differ():
    small = zoom.reduce_photo(images.crop(samples.load("cat"), (150, 60, 160, 128))).small
    answers = dict(zoom.enlargements(small))
    assert tuple(answers) == zoom.ENLARGERS
    for name, answer in answers.items():
        assert answer.shape == (3, 128, 160)
        assert torch.equal(answer, images.quantize(answer))
        others = [o for n, o in answers.items() if n != name]
        assert all((answer - o).abs().mean() > 0.002 for o in others), name
    again = zoom.enlarge(small, "mssnet-x8-realism, seed 1")
    assert torch.equal(again, answers["mssnet-x8-realism, seed 1"])
    with pytest.raises(ValueError, match="enlarger is 'rrdn'; choose one of 'bicubic'"):
        zoom.enlarge(small, "rrdn")


def test_the_fixed_zoom_is_chosen_on_other_photos(monkeypatch):
    right = torch.zeros(3, 36, 9, dtype=torch.bool)
    right[0, 0, 0] = right[1, 3, 4] = right[2, 3, 4] = True
    right[0, 3, 4] = False
    parts = (torch.zeros(3, 36, 9, 5), torch.zeros(3, 36, 9, 5), right, torch.zeros(3, 36, 9))
    recorded = zoom.Recorded(("a", "b", "c"), *parts)
    monkeypatch.setattr(zoom_scoring, "_recorded", lambda: recorded)
    zoom_scoring.fixed_zoom.cache_clear()
    assert zoom_scoring.fixed_zoom("a") == (zoom.SIZES_PX[3], 4)
    monkeypatch.setattr(zoom_scoring, "_recorded", lambda: recorded.without(["c"]))
    zoom_scoring.fixed_zoom.cache_clear()
    assert zoom_scoring.fixed_zoom("b") == (zoom.SIZES_PX[0], 0)
    zoom_scoring.fixed_zoom.cache_clear()


def test_answers_are_kept_photo_by_photo(tmp_path):
    file = AnswerFile(tmp_path / "a.csv")
    file.append([Answer("x", "original", "centre", 'a "quoted", name', True, 0.123456)])
    file.append([Answer("y", "original", "centre", "b", False, 1.0)])
    assert "x" in file
    assert "z" not in file
    assert file.read().to_dict("records")[0] == {
        "photo": "x",
        "enlarger": "original",
        "view": "centre",
        "top1": 'a "quoted", name',
        "right": True,
        "confidence": 0.1235,
    }
    with pytest.raises(ValueError, match=r"exists already\. Add --resume"):
        AnswerFile(tmp_path / "a.csv")
    again = AnswerFile(tmp_path / "a.csv", resume=True)
    assert "x" in again
    assert "y" not in again  # it may be there in part


def test_a_killed_run_ends_with_the_same_table(tmp_path):
    """Really killed, by the command that measures this with thousands of pictures."""
    measure_zoom.write_pictures(tmp_path / "pictures", 12)
    assert len(list((tmp_path / "pictures").rglob("*.jpg"))) == 12
    whole, killed = tmp_path / "whole.csv", tmp_path / "killed.csv"
    command = ["--imagenet", tmp_path / "pictures", "--views", "centre", "--csv"]
    assert run(*command, whole) == 0
    process = [sys.executable, "-m", "training.evaluate_zoom", *map(str, command), str(killed)]
    assert measure_zoom.killed_at(process, killed, 4) == -signal.SIGKILL
    assert 3 <= len(read_answers(killed)) < 12
    assert run(*command, killed, "--resume") == 0
    assert killed.read_bytes() == whole.read_bytes()
    with pytest.raises(RuntimeError, match="ended with code 2"):
        measure_zoom.killed_at(process, tmp_path / "nothing", 1)  # the table exists already


# --- what is stored ------------------------------------------------------------------------------


def test_stored_answers_are_of_the_photos_nobody_trained_on():
    answers = zoom.recorded_enlargements()
    names = {photo.name for photo in zoom.labelled_photos() if not photo.in_train}
    assert {answer.photo for answer in answers} == names
    assert {a.enlarger.partition(": ")[2] for a in answers} == {"", "reduced", *zoom.ENLARGERS}
    labels = {photo.name: photo.labels for photo in zoom.labelled_photos()}
    number = {name: n for n, name in enumerate(class_names())}
    assert all(a.right == (number[a.top1] in labels[a.photo]) for a in answers)


def test_a_stored_answer_is_what_the_calls_give():
    name = "whale"
    stored = {(a.enlarger, a.view): a for a in zoom.recorded_enlargements() if a.photo == name}
    large, small = zoom.reduce_photo(zoom.labelled_photo(name).load())
    for enlarger, picture in (
        ("original", large),
        ("1/8: bicubic", zoom.enlarge(small, "bicubic")),
        ("1/8: mssnet-x8-realism, seed 1", zoom.enlarge(small, "mssnet-x8-realism, seed 1")),
    ):
        answer = zoom.centre_crop(picture)
        found = stored[enlarger, "centre"]
        # networks run in the precision of the machine
        assert float(answer.max()) == pytest.approx(found.confidence, abs=0.1)
        if float(answer.topk(2).values.diff()) < -0.2:
            assert class_names()[int(answer.argmax())] == found.top1
