"""Write docs/answer.md: the course's answer to its question, with the course's own figures in it.

python -m tools.docs.render_answer            writes docs/answer.md
python -m tools.docs.render_answer --check    changes nothing; fails if the page is out of date

The page cites and links the four papers and the MSSNet repository, and beside them only the course
itself.
"""

import sys
from pathlib import Path

from mssnet_edu import degrade, hallucination, models, reference_selection, samples
from mssnet_edu.files import write_text
from mssnet_edu.mssnet import MSSNet, MSSNetConfig
from tools.docs import readme_picture
from training.dataset import CORPUS_LIST

PAGE = Path(__file__).resolve().parents[2] / "docs" / "answer.md"
FACTOR = 8
PHOTOS = ("astronaut", "cat", "coffee", "raccoon", "street_sign", "shop_front")  # as in lesson 06
LINKS = {
    "MSSNet": "https://cg.postech.ac.kr/Research/MSSNet/MSSNet.pdf",
    "MSSNet, the authors' code": "https://github.com/kky7/MSSNet",
    "FeatSharp": "http://arxiv.org/pdf/2502.16025v1.pdf",
    "Overexposed pixels": "http://arxiv.org/pdf/2308.15462v1.pdf",
    "ImageNet-Hard": "http://arxiv.org/pdf/2304.05538v4.pdf",
}

TEXT = """\
# The answer

> I upscaled an old photo by 8x, and it looked almost like a brand-new image. How does AI create
> such realistic results when scaling this much?

**In short.** Most of what you see at a glance was in your small photo: light, colour, large shapes.
The rest is *invented*. A network has learned from many photographs what fine detail usually looks
like, and draws some that fits. At {factor}x, {factor_squared_less} of every {factor_squared}
numbers in the large picture are invented: {numbers:.1f} %. How much hangs on them? In {photos}
photographs, what a 1/{factor} downscale throws away held {energy:.1f} % of the energy on average
(from {energy_low:.1f} % to {energy_high:.1f} %; energy is the sum of the squared differences from
the mean colour). It looks real because the bulk *is* real, and because the small rest looks as
it does in photographs. It need not be true.

Many large pictures fit one small photo, and a network has to hand out one. **Averaging over them
looks soft; choosing one of them looks real.** And what was chosen may be wrong.

<img src="split.png" width="560" alt="Windows in an old photo; the same eight times larger, once \
softly and twice sharply, with thin bars that differ; a mosaic of squares, which is what was \
recorded; and fine lines on grey, which is what was invented">

A detail of an old photo; enlarged by a network that averages, and twice by networks that choose.
All three were corrected until they agree with the small one. Compare the windows: in the small
photo they are much alike. In the sharp pictures no two have the same bars, and the two choices
differ, too. The last row takes the first choice apart: add both pictures, and you get it.
([Notebook 00](../notebooks/00_the_question.ipynb) enlarges it before your eyes. The invented part
is {split:.1f} % of the energy of this detail; the {energy:.1f} % above are the mean of six whole
photographs.)

The numbers and pictures on this page are the course's own, computed on its own photographs, unless
a paper is named. Notebooks [06](../notebooks/06_why_it_looks_real.ipynb) and
[07](../notebooks/07_overexposed_video.ipynb) let you compute most of them again.

## 1. The task

Of what makes a photo look old, this page takes two things; grain, stains and fading are left aside.
The photo is *blurred*: each point of light was smeared over its neighbours. And it is *small*: each
of its pixels stands for a patch of the scene. Mending a single photo is called *single-image
restoration*, and here it has two parts: deblurring, and enlarging, {factor} times in each direction
(*super-resolution*).

The two are not alike. A blur hides detail, and much of it can be dug out again. A downscale throws
detail away. Many different large pictures become the very same small photo, so the task has no
single answer: it is *ill-posed*. In notebook 06, {signs} street signs that say {signs} different
things become the same {sign_width} × {sign_height} pixels, with no pixel off by more than
{sign_off:.2f} of 255 grey levels. Its letters are {letters_px:.1f} pixels tall there. Nobody can
read them, and no network can either; it can only choose.

So an enlarged picture is a sum. One part follows from the small photo and is *recorded*. The other
becomes zero when it is made small again and is *invented*. Put any other picture of the second
kind in its place, and the small photo would be the same. Which one you get depends on what the
network was trained to prefer: to be right on average, which looks soft, or to look like a
photograph, which has to choose and so can be wrong.

## 2. From input through a model to the output

<img src="chain.png" width="560" alt="A small photo of a cat goes through six steps: it is \
enlarged smoothly, MSSNet firms up its edges, FeatSharp describes it in colours, zoom names it, \
and the eye, above all, is hatched as doubtful">

All in one chain: a small photo (1) is enlarged by a formula (2), and MSSNet draws what it has
learned (3). Other networks then look at the result: FeatSharp makes their description finer (4),
zoom chooses what they get to see (5). What several answers disagree about should not be believed
(6). The fourth system, for film, stands beside the chain: it needs an earlier frame, which a
single old photo does not have.

**MSSNet: take the blur away** ([paper]({MSSNet}),
[authors' code]({MSSNet, the authors' code}))

- *Input:* one blurred photo. *Output:* a sharper photo of the same size. MSSNet does not enlarge.
- *Model:* it works from coarse to fine, at a quarter, a half and the full width of the photo, with
  1, 2 and 3 stages: a long smear is short in a small picture. Each scale hands its features on to
  the next, and each coarse scale sees all pixels of the next larger picture, rearranged, instead of
  averaging once more. It gives {outputs} pictures on the way; the last one is the answer. The
  paper's basic network has {paper:.1f} million learned numbers.
- *Trained on what:* the paper's model, Deblur-MSSNet-GoPro, learned from the GoPro set: 2,103
  pairs, whose blurred half is the mean of several frames of a 240 fps video, and whose sharp half
  is the middle frame. The paper reports 33.39 dB for a larger network of the same design (PSNR:
  closeness to the original; 3 dB more is half the squared error). The
  course's own networks are others: smaller ({ours:.1f} million numbers for deblurring,
  {ours8:.1f} million for {factor}x), and trained on {photographs} still photographs that a program
  blurred, or made small.
- *And 8x?* Enlarge the photo smoothly first. The result looks blurred, so the same network can be
  trained on it. But here no detail waits to be dug out: what it adds, it has learned from other
  photographs. The course trained the same design twice for this use: once to be faithful and once
  to look real ([notebook 04](../notebooks/04_from_deblurring_to_8x.ipynb)). Both have to fill in 63
  of 64 numbers. The first fills them in softly. The second imitates a bolder pair of networks, and
  is softer than they are. The sharp pictures of the windows were made by two networks of other
  authors (the second of them alone, or after the other): a careful one, which made the soft
  picture, and one that was trained against a judge, a third network that had to tell photographs
  from made-up pictures.

<img src="workflow.png" width="560" alt="A cat's eye of 24 x 24 pixels is enlarged smoothly, goes \
through three scales of MSSNet, and comes out with firmer edges; the shapes of the tensors stand \
at the arrows">

This is its use for 8x. S1 works at a quarter of the size and S2 at half of it; the picture that
each of the two hands on is twice as large as what it worked on.

**FeatSharp: the same step for what a network understands** ([paper]({FeatSharp}))

- *Input:* a photo and a vision network, which describes it by one list of numbers for each patch:
  at {vit_px} pixels and patches of {patch_px}, only {vit_grid} × {vit_grid} of them. *Output:* the
  same description on a finer grid.
- *Model:* one path enlarges the coarse description along the photo's edges; another cuts the photo
  into tiles and describes each of them; a small attention block blends the two. It needs no labels:
  features that agree when the photo is shifted and zoomed are kept. Vision features also carry a
  fixed pattern, the same for every photo; it is learned, and taken away.
- *What it teaches here:* following edges only spreads out what is known. Real new detail comes from
  looking again, more closely ([notebook 05](../notebooks/05_sharper_features.ipynb)).

**Overexposed pixels: where the light was too much** ([paper]({Overexposed pixels}))

- *Input:* a frame of a film with clipped, white areas, and one earlier frame, the *reference*.
  *Output:* the frame with those areas filled. What was not clipped passes through unchanged.
- *Model:* a transformer looks at both frames at several scales, and predicts the clipped pixels
  only. A second, small network, the *policy*, watches the film as it plays. After each frame it
  decides whether to adopt the current one as the reference of the frames to come, or to keep the
  old one. It learned this by reinforcement: its reward was the quality of the frames that
  followed. It sees no future, and what it did not adopt is gone.
- *What it teaches here:* a clipped pixel says "at least white" and nothing else, so without a
  useful reference all of it is invented. With one the network remembers instead (notebook 07, on
  real light, filmed by a simulated camera). In one of its three films a rule that does not know the
  future gained {memory:.1f} dB over no memory, and in the others no more than {memory_others:.1f}
  dB; the best decisions that there are gained {oracle:.1f} dB at most. A measurement of the very
  same view would gain {ideal_low:.0f} to {ideal_high:.0f} dB. The cheapest cure for hallucination
  is one more measurement. Your old photo has no earlier frame: what was lost in it can only be
  invented.

**Zoom: does a better view help to recognise?** ([paper]({ImageNet-Hard}))

- *Input:* a photo and a classifier. *Output:* the name of what is in it.
- *Model:* no new network. The photo is resized to one of {zoom_sizes} sizes and cropped around one
  of {zoom_anchors} anchor points: {zooms} views. The paper reports that 98.91 % of ImageNet's
  pictures are named correctly by at least one of six classifiers in at least one view. That is an
  upper limit and no method: to choose the view, one has to know the name. It says that the detail
  was mostly there, and the framing hid it.
- *ImageNet-Hard* is a collection of what is left: pictures, from ImageNet and from other
  collections, that stay wrong under every zoom. Of the classifiers that the paper lists, the best
  names 39.00 % of them.
- *Zoom TTA* (test-time augmentation) does without the name: it takes the mean of the probabilities
  over random zoomed crops. Wrong names scatter, and right ones mostly agree.
- *What it teaches here:* often the detail was there, and only the framing was wrong. Zooming in on
  recorded pixels adds nothing false. Enlarging with invention can, and a classifier may believe it
  ([notebook 08](../notebooks/08_zoom_and_recognition.ipynb)). An enlarged photo is no evidence of
  what was in it.

**How to look at an 8x photo, then**

1. Make it small again. Where it differs from your photo by more than the photo's grain, it has
   changed what was recorded.
2. Where it fits, that is no proof: so do many others. Ask for several answers and see where they
   differ. Notebook 06 makes a map of doubt from these differences and from how much detail the
   answers add. It is a help and no oracle: on {trust_photos} photographs it put the places in the
   order of their errors with a rank correlation of {trust:.2f} (1 is perfect, 0 is chance). The
   differences alone reach {spread:.2f}, and "it is wrong where it is busy" {gradient:.2f}.
3. Trust light, colour and large shapes. Enjoy the hair and the leaves. Do not read a letter, a
   number, a face or a shadow on a scan in what was invented.
4. Say that it was enlarged, and keep the small photo.

## 3. Papers and tools

1. Kim, Lee, Cho: MSSNet: Multi-Scale-Stage Network for Single Image Deblurring. ECCV Workshops
   (AIM), 2022. [Paper]({MSSNet}). The authors' [code]({MSSNet, the authors' code}).
2. Ranzinger and others: FeatSharp: Your Vision Model Features, Sharper. ICML 2025.
   [Paper]({FeatSharp}).
3. Xing and others: Online Overexposed Pixels Hallucination in Videos with Adaptive Reference Frame
   Selection. 2023. [Paper]({Overexposed pixels}).
4. Taesiri and others: ImageNet-Hard: The Hardest Images Remaining from a Study of the Power of Zoom
   and Spatial Biases in Image Classification. NeurIPS Datasets and Benchmarks, 2023.
   [Paper]({ImageNet-Hard}).

The tool to try all this is this course: `me.deblur`, `me.upscale`, `me.hallucination` and
`me.show.report`, in notebooks 00 to 09. [README](../README.md) says how to open it.

<!-- written by tools/docs/render_answer.py; do not edit -->
"""


def figures() -> dict[str, float | str]:
    """Compute every figure of the page, by its name in TEXT."""
    energies = []
    for name in PHOTOS:
        photo = degrade.crop_to_multiple(samples.load(name), FACTOR)
        shares = hallucination.energy_shares(degrade.downscale(photo, FACTOR), photo)
        energies.append(100 * shares.energy_invented_share)
    sign = hallucination.ambiguous_signs()
    off = [
        255 * float((degrade.downscale(photo, FACTOR) - sign.small).abs().max())
        for photo in sign.answers.values()
    ]
    windows = readme_picture.old_windows()
    chosen = windows["the old photo"], windows["choosing: sharp"]
    paper = MSSNet(MSSNetConfig())
    films = reference_selection.compare(reference_selection.RULES)
    none, ideal = films.pop("none"), films.pop("ideal")
    oracle = films.pop("oracle")  # no rule: it knows the future
    memory = [max(row) - db for *row, db in zip(*films.values(), none, strict=True)]
    views = [a - b for a, b in zip(ideal, none, strict=True)]
    scores = hallucination.calibration().scores.values()
    sizes, anchors = 36, 3 * 3
    vit_px, patch_px = 224, 14
    return {
        "factor": FACTOR,
        "factor_squared": FACTOR**2,
        "factor_squared_less": FACTOR**2 - 1,
        "numbers": 100 * shares.numbers_invented_share,
        "photos": {6: "six"}[len(PHOTOS)],
        "energy": sum(energies) / len(energies),
        "energy_low": min(energies),
        "energy_high": max(energies),
        "split": 100 * hallucination.energy_shares(*chosen).energy_invented_share,
        "signs": {3: "three", 4: "four", 5: "five"}[len(sign.answers)],
        "sign_width": sign.small.shape[-1],
        "sign_height": sign.small.shape[-2],
        "sign_off": max(off),
        "letters_px": sign.letters_px,
        "outputs": {6: "six"}[sum(paper.config.unets)],
        "paper": sum(p.numel() for p in paper.parameters()) / 1e6,
        "ours": models.info("mssnet-deblur").parameters / 1e6,
        "ours8": models.info("mssnet-x8-fidelity").parameters / 1e6,
        "photographs": CORPUS_LIST.read_text(encoding="utf-8").count("\ttrain\t"),
        "memory": max(memory),
        "memory_others": sorted(memory)[-2] + 0.0,
        "oracle": max(a - b for a, b in zip(oracle, none, strict=True)),
        "ideal_low": min(views),
        "ideal_high": max(views),
        "vit_px": vit_px,
        "patch_px": patch_px,
        "vit_grid": vit_px // patch_px,
        "zoom_sizes": sizes,
        "zoom_anchors": anchors,
        "zooms": sizes * anchors,
        "trust": sum(score["trust map"] for score in scores) / len(scores),
        "spread": sum(score["spread"] for score in scores) / len(scores),
        "gradient": sum(score["gradient"] for score in scores) / len(scores),
        "trust_photos": {12: "twelve"}.get(len(scores), len(scores)),
    }


def render() -> str:
    """Return the page."""
    return TEXT.format_map({**LINKS, **figures()})


def main(check: bool = False) -> None:
    """Write the page, or fail where it is out of date."""
    page = render()
    if not check:
        write_text(PAGE, page)
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page:
        sys.exit("docs/answer.md is out of date. Run: python -m tools.docs.render_answer")


if __name__ == "__main__":
    main(check="--check" in sys.argv)
