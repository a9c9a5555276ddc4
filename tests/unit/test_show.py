"""Figures say in words what they show, keep pixels as they are, and never hide an error."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

import mssnet_edu as me
from mssnet_edu.mssnet import MSSNet, MSSNetConfig
from mssnet_edu.show import charts, colormaps, look
from mssnet_edu.show.widgets import compare, sliders, stages

NAMES = [
    "ablation_chart",
    "axes",
    "beside",
    "compare",
    "compare_many",
    "decisions",
    "dial",
    "feature_viewer",
    "figure",
    "guess_game",
    "heatmap",
    "kernel",
    "mark_clipped",
    "mask_doubtful",
    "photos",
    "receptive_fields",
    "reference_game",
    "report",
    "scrubber",
    "similarity",
    "sliders",
    "spectrum",
    "stage_player",
    "table",
    "trust",
    "unshuffle",
    "unshuffle_toy",
    "upload",
    "vote",
    "workflow",
    "zoom_in",
    "zooms",
]


@pytest.fixture(scope="module")
def cat():
    return me.images.crop(me.samples.load("cat"), (96, 40, 64, 48))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return MSSNet(MSSNetConfig(4, 4, 4)).eval().requires_grad_(False)


class Reader(HTMLParser):
    """What a browser and a screen reader find: pictures, addresses, tags that were never closed."""

    VOID = ("img", "br", "path")

    def __init__(self, html):
        super().__init__()
        self.images, self.addresses, self.open, self.labels = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, pairs):
        attributes = dict(pairs)
        if tag == "img":
            self.images.append(attributes)
        self.labels.append(attributes.get("aria-label"))
        self.addresses += [v for k, v in pairs if k in ("src", "href") and v]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def read(figure):
    """Parse a figure, after the checks that hold for all: whole, described, from no other place."""
    reader = Reader(figure.html)
    assert reader.open == []
    assert all(image["alt"].strip() for image in reader.images)
    assert all(address.startswith("data:image/png;base64,") for address in reader.addresses)
    assert figure.alt in reader.labels
    assert "url(" not in figure.html
    assert figure._repr_html_() == figure.html
    assert repr(figure) == f"Figure: {figure.alt}"
    return reader


def pixels(url):
    return np.array(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))


# --- still figures -------------------------------------------------------------------------------


def test_every_name_is_there():
    assert [n for n in me.show.__all__ if n != "Figure"] == NAMES
    assert all(callable(getattr(me.show, name)) for name in NAMES)
    with pytest.raises(AttributeError, match="paint"):
        _ = me.show.paint


def test_photos_are_not_resampled(cat):
    figure = me.show.photos([cat], alt='A "cat" & more.')
    (image,) = read(figure).images
    assert image["alt"] == 'A "cat" & more.'
    assert np.array_equal(pixels(image["src"]), np.array(me.images.to_pillow(cat)))
    assert int(image["width"]) % 64 == 0
    assert image["class"] == "mss-pixels"
    assert '64 × 48 px<span class="mss-shown">, each shown 7 × 7</span>' in figure.html


def test_a_small_photo_and_its_enlargement_are_shown_at_one_size(cat):
    small = me.degrade.downscale(cat, 8)
    figure = me.show.photos([small, cat], titles=["small", "large"], marks=["recorded", None])
    first, second = read(figure).images
    assert first["width"] == second["width"]
    assert int(first["width"]) % 64 == 0
    assert first["alt"].startswith("small")
    assert figure.html.count('class="mss-mark mss-mark-recorded"') == 1


@pytest.mark.parametrize(
    ("size", "shown"),
    [((48, 48), 480), ((512, 512), 512), ((322, 452), 322), ((3000, 2000), 900), ((1, 1), 480)],
)
def test_width_on_the_screen(size, shown):
    photo = torch.zeros(3, size[1], size[0])
    assert look.display_widths([photo], 940) == [shown]


def test_a_huge_photo_is_averaged_and_says_so():
    photo = torch.zeros(3, 1501, 2000)
    photo[:, ::2] = 1
    figure = me.show.photos(photo)
    (image,) = read(figure).images
    assert pixels(image["src"]).shape == (751, 1000, 3)
    assert '2000 × 1501 px<span class="mss-shown">, shown smaller</span>' in figure.html


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: me.show.photos([]), "at least one"),
        (lambda p: me.show.photos([p, p], titles=["one"]), "1 entries for 2"),
        (lambda p: me.show.photos([p, p[:2]]), r"photos\[1\] has shape"),
        (lambda p: me.show.photos([p, torch.stack([p, p])]), "batch of 2"),
        (lambda p: me.show.photos(p, marks=["imagined"]), "recorded, invented"),
        (lambda p: me.show.photos(p, columns=0), "columns is 0"),
        (lambda p: me.show.zoom_in([p], (60, 0, 10, 10)), "inside"),
        (lambda p: me.show.kernel(p), "kernel 1"),
        (lambda p: me.show.table([[1, 2]], ["one"]), "row 1 has 2 cells"),
        (lambda p: me.show.compare(p, p, labels=("a", "a")), "different names"),
        (lambda p: me.show.compare(p, p.transpose(1, 2)), "different shapes|shapes differ"),
        (lambda p: me.show.compare_many({"a": p}), "two to nine"),
        (lambda p: me.show.compare_many({"a": p, "b": p}, truth="c"), "'a', 'b'"),
        (lambda p: me.show.compare(p, p, marks={"before": "dreamt"}), "recorded, invented"),
        (lambda p: me.show.sliders(lambda x: "", x=(3, 1)), "the range of x"),
    ],
)
def test_mistakes_are_named(cat, call, words):
    with pytest.raises(ValueError, match=words):
        call(cat)


def test_a_batch_is_shown_photo_by_photo(cat):
    assert len(read(me.show.photos(torch.stack([cat, cat, cat]))).images) == 3


def test_detail_cuts_the_same_place(cat):
    small = cat[:, ::4, ::4]
    figure = me.show.zoom_in([small, cat], (16, 8, 16, 16), zoom=4, overview=False)
    first, second = (pixels(image["src"]) for image in read(figure).images)
    assert first.shape == second.shape == (64, 64, 3)
    # the corner of each small pixel is the pixel of the large photo that was kept
    assert np.array_equal(first[::16, ::16], second[::16, ::16])
    assert "each pixel shown 16 × 16" in figure.html
    assert "each pixel shown 4 × 4" in figure.html


def test_detail_shows_where():
    figure = me.show.zoom_in([torch.zeros(3, 100, 200)], (50, 25, 20, 10))
    assert "left:25.00%;top:25.00%;width:10.00%;height:10.00%" in figure.html
    assert len(read(figure).images) == 2


def test_kernel_has_black_around():
    figure = me.show.kernel([torch.ones(3, 3) / 9, torch.eye(5) / 5], titles=["box", "line"])
    box, _ = (pixels(image["src"]) for image in read(figure).images)
    assert box.shape == (7, 7, 3)
    assert (box[2:5, 2:5] == 255).all()
    assert box.sum() == 9 * 3 * 255
    assert "3 × 3 px, the numbers sum to 1.000" in figure.html


def test_spectrum_is_bright_where_the_stripes_are():
    stripes = (0.5 + 0.5 * torch.cos(torch.arange(64) * 2 * torch.pi / 4)).expand(3, 64, 64)
    power = charts.power_spectrum_db(me.images.luma(stripes)[0])
    row, column = divmod(int(power.argmax()), 64)
    assert (row, abs(column - 32)) == (32, 16)  # a quarter cycle per pixel, across
    (image,) = read(me.show.spectrum([stripes, stripes], titles=["a", "b"], keep=4)).images
    assert pixels(image["src"]).std() > 20


def test_plot_is_opaque_and_in_the_look():
    fig, ax = me.show.axes()
    ax.plot([1, 3, 2], label="PSNR")
    ax.set(title="gain")
    ax.legend()
    (image,) = read(me.show.figure(fig, alt="A line.", caption="It rises.")).images
    raw = Image.open(io.BytesIO(base64.b64decode(image["src"].split(",")[1])))
    assert np.array(raw.convert("RGBA"))[..., 3].min() == 255
    assert raw.convert("RGB").getpixel((0, 0)) == (246, 247, 248)
    assert raw.width == pytest.approx(2 * int(image["width"]), abs=1)
    assert ax.get_title("left") == "gain"
    with pytest.raises(TypeError, match="matplotlib"):
        me.show.figure(ax, alt="An axis.")


def test_plot_leaves_matplotlib_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    me.show.figure(me.show.axes()[0], alt="Nothing yet.")
    assert dict(matplotlib.rcParams) == before


def test_table_speaks():
    rows = [["bicubic", 24.318, 0], ["network <8x>", float("inf"), 7_300_000], ["none", None, 1]]
    figure = me.show.table(rows, ["method", "PSNR (dB)", "parameters"], caption="All")
    read(figure)
    assert figure.html.count('scope="col"') == 3
    assert figure.html.count('scope="row"') == 3
    for text in ("24.32", "∞", "–", "7,300,000", "network &lt;8x&gt;"):
        assert text in figure.html


def test_figures_stand_beside_each_other(cat):
    pair = me.show.beside(
        me.show.photos(cat, alt="A cat."), me.show.spectrum(cat, alt="Its waves.")
    )
    assert len(read(pair).images) == 2
    assert pair.alt == "A cat. Its waves."
    with pytest.raises(TypeError, match="str"):
        me.show.beside("text")


def test_workflow_shows_shapes_that_flowed(network):
    photo = torch.rand(3, 40, 50)
    figure = me.show.workflow(network, photo)
    assert len(read(figure).images) == 6  # in, S1, S2, S3, the raw answer, out
    for shape in ("3 × 40 × 50", "1 × 3 × 40 × 50", "25 × 20"):
        assert shape in figure.html
    assert figure.alt.startswith("Workflow: a photo of 50 × 40 px goes into MSSNet")


def test_workflow_passes_options_on():
    from mssnet_edu.models.mssnet_upscaler import MSSNetUpscaler

    upscaler = MSSNetUpscaler(MSSNetConfig(4, 4, 4)).eval()
    figure = me.show.workflow(upscaler, torch.rand(3, 16, 16), factor=4)
    assert "enlarge smoothly" in figure.html
    assert len(read(figure).images) == 7  # also the enlarged photo, on its way
    assert figure.alt.endswith("a photo of 64 × 64 px comes out.")


def test_an_mssnet_is_not_said_to_enlarge():
    figure = me.show.workflow("mssnet-x8-fidelity", torch.rand(3, 16, 16), factor=2)
    assert "keeps the size" in figure.html  # the step before it enlarges
    assert "enlarges 2 times" not in figure.html


def test_workflow_draws_the_steps_of_a_network_that_draws():
    from mssnet_edu.models.mssnet_upscaler import MSSNetUpscaler

    upscaler = MSSNetUpscaler(MSSNetConfig(4, 4, 4, noise=True)).eval()
    photo = torch.rand(3, 16, 16)
    one, again, other = (me.show.workflow(upscaler, photo, factor=2, seed=s) for s in (1, 1, 2))
    assert "add random numbers, seed 1" in one.html
    assert "1 × 1 × 32 × 32" in one.html
    shown = [[image["src"] for image in read(figure).images] for figure in (one, again, other)]
    assert shown[0] == shown[1]
    # the same photo goes in; the random numbers and all that follows differ
    assert [a == b for a, b in zip(shown[0], shown[2], strict=True)] == [True, True] + 6 * [False]


def test_workflow_shows_the_edges_it_mirrors_and_cuts():
    photo = torch.rand(3, 33, 50)
    figure = me.show.workflow("mssnet-deblur", photo)
    for text in (
        "of 12 px",
        "a multiple of 16",
        "1 × 3 × 64 × 80",
        "cut the mirrored edges off",
        "50 × 33 px",
    ):
        assert text in figure.html
    answer = pixels(read(figure).images[-1]["src"])
    expected = np.array(me.images.to_pillow(me.deblur(photo, precision="float32")))
    # one grey level: another order of sums can round a value to its other neighbour
    assert np.abs(answer.astype(int) - expected).max() <= 1


def test_workflow_refuses_kindly():
    with pytest.raises(ValueError, match="task 'classify'"):
        me.show.workflow("efficientnet-lite0", torch.rand(3, 64, 64))
    with pytest.raises(me.images.PhotoError, match="at least 32 x 32"):
        me.show.workflow("mssnet-deblur", torch.rand(3, 20, 64))
    with pytest.raises(ValueError, match="mssnet-x8"):
        me.show.workflow("mssnet-x8-fidelty", torch.rand(3, 64, 64))


# --- widgets -------------------------------------------------------------------------------------


def still_of(widget):
    """The picture of itself that a widget carries for pages where nothing runs."""
    data, _ = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    return data["text/html"]


def test_nothing_comes_from_elsewhere():
    for widget in (compare.Compare, stages.StagePlayer):
        for text in (str(widget._esm), widget._css):
            assert not re.search(r"https?:|//cdn|\bimport\b|@import|url\(|fetch\(", text)
            assert sliders.ERROR_MARK not in text  # or every widget would count as failed


def test_compare_carries_pictures_and_numbers(cat):
    small = me.degrade.downscale(cat, 4)
    smooth = me.degrade.enlarge(small, 4)
    widget = me.show.compare(small, smooth, labels=("small", "smooth"), truth=cat, alt="A cat.")
    assert [p["name"] for p in widget.pictures] == ["small", "smooth", "original"]
    assert (widget.left, widget.right, widget.truth) == (0, 1, 2)
    assert [p["width"] for p in widget.pictures] == [16, 64, 64]
    assert widget.pictures[1]["psnr"] == f"PSNR {me.metrics.psnr(smooth, cat):.1f} dB"
    assert [p["psnr"] for p in widget.pictures[::2]] == ["", ""]  # another size, and the truth
    assert np.array_equal(pixels(widget.pictures[2]["url"]), np.array(me.images.to_pillow(cat)))
    assert widget.width % 64 == 0
    images = Reader(still_of(widget)).images
    assert [image["alt"].split(".")[0] for image in images] == ["small", "smooth", "original"]


def test_compare_does_not_lose_a_picture_called_original(cat):
    with pytest.raises(ValueError, match="original"):
        me.show.compare(cat, cat, labels=("original", "8x"), truth=cat)


def test_compare_many_names_what_was_invented(cat):
    widget = me.show.compare_many({"a": cat, "b": cat, "c": cat}, marks={"b": "invented"})
    assert [p["mark"] for p in widget.pictures] == ["", "invented", ""]
    assert "a, b, c" in widget.alt
    assert "mss-mark-invented" in still_of(widget)


def test_a_widgets_still_picture_names_the_true_size():
    photo = torch.rand(3, 900, 1000)
    assert '1000 × 900 px<span class="mss-shown">, shown smaller</span>' in still_of(
        me.show.compare(photo, photo)
    )


def test_player_measures_each_stage(cat, network):
    blurred = me.degrade.blur(cat, me.degrade.line_kernel(5, 0))
    player = me.show.stage_player(network, blurred, truth=cat)
    results = list(network.stages(blurred))
    assert [s["name"] for s in player.steps[1:]] == [r.name for r in results]
    start = me.metrics.psnr(blurred, cat)
    for step, result in zip(player.steps[2:], results[1:], strict=True):
        assert step["gain"] == pytest.approx(
            me.metrics.psnr(result.photo.clamp(0, 1), cat) - start, abs=1e-3
        )
    assert player.step == 0  # the photo, before any stage
    after_u1, after_u2 = results[3].residual, results[4].residual
    added, limit = me.images.luma(after_u2 - after_u1), player.limits[1] / 255
    map_of_u2 = me.images.to_pillow(colormaps.diverging(added, limit))
    assert np.array_equal(pixels(player.steps[5]["added"]), np.array(map_of_u2))
    assert "at half size" in player.steps[1]["note"]
    assert pixels(player.steps[1]["photo"]).shape == (24, 32, 3)
    assert np.array_equal(pixels(player.steps[0]["photo"]), np.array(me.images.to_pillow(blurred)))
    assert len(Reader(still_of(player)).images) == 7


def test_player_without_the_truth(cat, network):
    player = me.show.stage_player(network, cat)
    assert "PSNR" not in str([s["note"] for s in player.steps])
    results = list(network.stages(cat))
    before, after = results[2].photo.clamp(0, 1), results[3].photo.clamp(0, 1)
    wanted = 255 * float((after - before).abs().mean())
    assert player.steps[4]["gain"] == pytest.approx(wanted, rel=1e-3)


def test_player_refuses(cat, network):
    with pytest.raises(ValueError, match="expected one size"):
        me.show.stage_player(network, cat, truth=cat[:, :40])
    with pytest.raises(TypeError, match="no stages"):
        me.show.stage_player(torch.nn.Identity(), cat)


def test_change_map_is_grey_at_zero_and_two_sided():
    change = torch.tensor([[[-1.0, 0.0, 1.0]]])
    darker, grey, brighter = (
        (255 * colormaps.diverging(change, 0.5)).round().int().squeeze(1).T.tolist()
    )
    assert len(set(grey)) == 1
    assert "#{:02x}{:02x}{:02x}".format(*darker) == look.DARKER
    assert "#{:02x}{:02x}{:02x}".format(*brighter) == look.BRIGHTER
