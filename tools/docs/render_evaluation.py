"""Write docs/evaluation.md from the tables that `python -m training.evaluate` made.

python -m training.evaluate deblur --update-cards
python -m training.evaluate upscale8 --update-cards
python -m training.evaluate_overexposure ... --details docs/evaluation-overexposure.json
python -m training.evaluate_diagnosis --photos DIR
python -m training.evaluate_zoom                           hours; then copy build/zoom/labelled.csv
                                                           to data/labelled/enlargements.csv
python -m tools.docs.render_evaluation build/evaluation    takes tables and figures from there
python -m tools.docs.render_evaluation                     only the page, from docs/evaluation-*.csv
python -m tools.docs.render_evaluation --check             changes nothing; fails if out of date
"""

import json
import shutil
import sys
from pathlib import Path

import pandas as pd

from mssnet_edu import zoom
from mssnet_edu.files import write_text
from mssnet_edu.samples import find_data
from mssnet_edu.zoom.enlargements import RECORDED
from training import report, report_diagnosis, report_overexposure, zoom_report, zoom_scoring

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "evaluation.md"
FIGURES = {
    "deblur": {
        "deblur_extents.png": "What each network gains, and how its answers look, against how far "
        "the motion reaches",
        "deblur.png": "How many decibels each method gains on three kinds of blur, as bars; "
        "what MSSNet answers on the way is in the tables only",
        "deblur_examples.jpg": "Three crops under a GoPro-like motion of 16 px, as each method "
        "restores them, beside the truth",
        "deblur_real.jpg": "The course's five really blurred photos, as given, and as each network "
        "restores them at full and at half size",
    },
    "upscale8": {
        "upscale8.png": "Each upscaler in the plane of PSNR (more to the right) and ST-LPIPS (less "
        "is better): none is best in both",
        "upscale8_examples.jpg": "Three crops at 1/8, as each method enlarges them, "
        "beside the truth",
    },
}
INTRO = """\
# Evaluation

What the networks of the course can do, beside their rivals, on photographs that none of ours was
trained on. Every number on this page was computed:

```
python -m training.evaluate deblur
python -m training.evaluate upscale8
python -m training.evaluate_zoom
```

measures it again, and `--photos DIR` measures your own pictures. All but the seconds comes out the
same every time on one kind of processor. The photographs are the twelve crops in `data/validation`
(512 x 512 px, from seven photographs that were held out by file); their credits are in
`data/validation/CREDITS.tsv`.

**PSNR** counts errors pixel by pixel (dB, higher is closer); **SSIM** compares small neighbourhoods
(1: equal); **ST-LPIPS** asks a network that was taught by people's answers (0: looks the same), so
in every table and chart less of it is better, and lower down.
**Seconds** are the median of three runs on two threads. Every answer is rounded to 8 bits before it
is measured, as a file would be.
"""
PARTS = {
    "deblur": """\
## Deblurring

**GoPro-like motion** is the headline: five exposures of each crop, as a camera in motion takes
them in 1/35 to 1/20 s. They are nearly straight, nearly even, with a turn of up to 0.3° and a zoom
of up to 0.5 %, averaged in linear light and rounded to 8 bits, and reach over 6 to 32 px. The
truth is the middle of the exposure. Where exactly that was, a blurred photo does not say, so each
answer is scored where it fits best, within 8 px. The run behind this table was ended after eleven
of the twelve crops.

Beside it, each crop is blurred by a line, by a hand and by a trembling hand, once by defocus, and
once not at all: with noise of one grey level, rounded to 8 bits, and scored where it is. Motions
whose centre of mass lies more than 2 px from the middle of the exposure are not used here.

32 px at each border are used for blurring and then cut off, so nothing beyond the border is made
up.

- *Wiener* and *Richardson-Lucy, true kernel*: told the blur that nobody knows in practice. This is
  not a rival but a limit. Under GoPro-like motion it is the kernel of the photo's middle.
- *estimated kernel*: the best straight motion that explains the photo. It is right for the lines,
  wrong for hands that tremble.
- *maxim-gopro*: the largest network here, trained on the GoPro data set (Tu et al. 2022). It runs
  as `me.deblur` runs it, in bfloat16 where the processor has that (its card says how little this
  changes). Some choices of mssnet-deblur's training were made by looking at these crops, which
  favours ours. So a lead of a tenth of a decibel in PSNR decides nothing. Compare SSIM and
  ST-LPIPS, too.
- *S1-U1 … S3-U2*: the outputs on the way; S1-U1 is half as large and compared at half size.
""",
    "upscale8": """\
## Enlarging 8 times

Each crop is averaged over 8 x 8 px and rounded to 8 bits: 1 pixel in, 64 out. **Consistency** makes
the answer small again and compares it with the small photo. *After projection* is the same for the
answer, corrected until it agrees (iterative back-projection), in 8 bits: what agreement can be had
without drawing anything anew. *realesrgan-x4* is applied twice and reduced to 8x.

By ST-LPIPS the best answer to a clean small photo is that of *{nearest}*. Compare it with the truth
in the pictures below before you agree: the measure asks for structure of the right strength, and
does not mind much whether that is hair or grain.
""",
}
OVEREXPOSURE = """\
## Clipped pixels of a video

```
python -m training.evaluate_overexposure --panoramas FOLDERS --split test \\
    --csv docs/evaluation-overexposure.csv --details docs/evaluation-overexposure.json
```

films clips in HDR panoramas of scenes that no network was trained on, with a camera that pans there
and back, people who cross, and an auto-exposure that lags. What the camera lost is known, because
the panorama is a measurement. Only clipped values are judged, sun discs and bare lamps (more than
six stops above white) apart.

- **PSNR-PU** compares light in the uniform encoding PU21, frame by frame; in brackets 95 %
  intervals (bootstrap over scenes and over clips within them).
- **ST-LPIPS** compares tone-mapped frames (0: looks the same). **Flicker** is what changes from
  frame to frame in the fill and not in the truth (RMS in PU21, where white is 256).
- *inpainting*: `inpaint_biharmonic` of scikit-image; it cannot answer more than white.
- *the oracle's choice*: the best adopt-or-keep decisions for the whole clip, its future included;
  no rule can do better. *The ideal reference* shows the same view, unclipped; no camera has it.
"""

ABLATION = """\
### The paper's ablation, on a small version

```
sh training/ablate_overexposure.sh "FOLDERS"
python -m training.export_overexposure --ablation runs/overexposure-ablation
```

trains three networks of width 24 for 700 steps each, with three seeds: *full*, with a *single
scale* (1/8), and with the loss in *linear* light instead of PU21. PSNR-PU in dB on patches of the
validation scenes, ± half the 95 % interval over seeds (Student's t). Equal seeds saw the same views
in the same order, so they are also compared seed by seed.

{table}"""

IMITATION = """\
### How much could any rule gain?

```
python -m training.imitate_oracle --panoramas FOLDERS --json docs/evaluation-imitation.json
```

The oracle knows the whole clip, a rule only its past. So two questions are asked of {clips} other
clips, filmed in {scenes} training and validation scenes (small frames, of which one in three is
judged; the camera looks to and fro and begins anywhere, so that the first frame has no advantage):
how far ahead would one have to see? And what does a network like the policy gain that is *told*
what the oracle gains by each decision, and looks at the same numbers as the policy? It is tried on
scenes that were left out. Intervals: bootstrap over scenes and the clips within them, clip by clip
against the best fixed rule (the best on these very clips).

{table}
"""

REAL_CLIP = """\
### A real film

No truth exists here: this is for looking. It is the course's film of a bird (credits:
`data/photos/CREDITS.tsv`), every tenth frame, taken by a camera that walks, of a bird that comes
near. {found}

![Above: an earlier frame; a frame with a white window; where it remembers. Below: the frame filled
alone, and from the earlier frame, darker](evaluation-real_clip.jpg)

Above: the earlier frame; the frame; what was white in it (grey), and what of that was remembered
(white). Below, two stops darker: filled without a reference, and from the earlier frame. The sky
behind the window on the right was white in the earlier frame, too. Exposure that drifts is not
enough: a frame is of use only if it recorded what is lost now.
"""

ZOOM = """\
## Does a larger photo let a network see more?

EfficientNet-Lite0 names what is in photographs of which we know it: the {photos} in
`data/labelled`, each with all the ImageNet classes that are right for it. An answer is right when
its most likely class is any of these. The photos were collected for this course, so their share of
hard ones is nobody's standard: compare the rows, not the level.

First the zooms of ImageNet-Hard (Taesiri et al. 2023): 36 sizes and 9 anchors, 324 crops of each
photo.

{zooms}

Then the enlargers of the course. {trained} of the photos were also used to train our networks and
are left out. *Centre* is the usual crop. *Fixed zoom* is one of the 324, the best for the other
photos. *TTA* is the mean over {tta} random crops, the same places in each picture. *Consistent* is
the centre crop after back-projection: the picture then agrees with the small photo to a grey level
or two, whatever it shows. *reduced* is the small photo itself. *realesrgan-x4* gets the answer of
rrdn-x8, reduced to twice the small photo's size. 32 px: each photo is first resized until its
smaller side has 256 px, and that version is the original.

{experiment}"""


def page(folder: Path) -> str:
    """The whole page as text."""
    text = INTRO
    for task, part in PARTS.items():
        path = folder / f"evaluation-{task}.csv"
        if not path.is_file():
            continue
        table = pd.read_csv(path)
        clean = table[table.group == "clean 8x"].set_index("method").st_lpips
        text += f"\n{part.format(nearest='' if clean.empty else clean.idxmin())}\n"
        extents = folder / f"evaluation-{task}_extents.csv"
        if extents.is_file():
            text += f"{report.render_extents(pd.read_csv(extents))}\n"
        text += report.render(task, table)
        for name, alt in FIGURES[task].items():
            if (folder / f"evaluation-{name}").is_file():
                text += f"\n![{alt}](evaluation-{name})\n"
    details = folder / "evaluation-overexposure.json"
    if details.is_file():
        about = json.loads(details.read_text(encoding="utf-8"))
        text += f"\n{OVEREXPOSURE}\n{report_overexposure.render(about)}"
    ablation = folder / "training" / "overexposure-ablation.csv"
    if ablation.is_file():
        table = report_overexposure.render_ablation(pd.read_csv(ablation))
        text += f"\n{ABLATION.format(table=table)}"
    imitation = folder / "evaluation-imitation.json"
    if imitation.is_file():
        about = json.loads(imitation.read_text(encoding="utf-8"))
        table = report_overexposure.render_imitation(about)
        text += f"\n{IMITATION.format(table=table.rstrip(), **about)}"
    real = folder / "evaluation-real_clip.json"
    if real.is_file():
        about = json.loads(real.read_text(encoding="utf-8"))
        text += f"\n{REAL_CLIP.format(found=report_overexposure.render_real_clip(about))}"
    diagnosis = folder / "evaluation-diagnosis.csv"
    if diagnosis.is_file():
        text += "\n" + report_diagnosis.render(pd.read_csv(diagnosis))
    photos = zoom.labelled_photos()
    text += "\n" + ZOOM.format(
        photos=len(photos),
        trained=sum(photo.in_train for photo in photos),
        zooms=zoom_report.zooms_page(zoom.recorded_zooms()),
        tta=zoom_scoring.TTA_CROPS,
        experiment=zoom_report.experiment_page(zoom_scoring.read_answers(find_data(RECORDED))),
    )
    return text + "\n<!-- rendered by tools/docs/render_evaluation.py; do not edit -->\n"


def main(arguments: list[str]) -> None:
    """Copy, render, or check."""
    check = "--check" in arguments
    for folder in (Path(a) for a in arguments if not a.startswith("--")):
        for task, figures in FIGURES.items():
            for name in (f"{task}.csv", f"{task}_extents.csv", *figures):
                if (folder / name).is_file():
                    shutil.copyfile(folder / name, DOCS / f"evaluation-{name}")
    text = page(DOCS)
    if check and (not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text):
        sys.exit(f"{PAGE} is out of date. Run: python -m tools.docs.render_evaluation")
    if not check:
        write_text(PAGE, text)
        print(PAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
