"""Try the filling on a real film, whose truth nobody knows: docs/evaluation-real_clip.{jpg,json}.

    python -m tools.docs.render_real_clip cockatoo.mp4

The film and ffmpeg: see tools/provenance/make_clip.py. Every tenth frame is taken, at 320 x 180 px.
A film does not say how it was exposed, so the exposure is followed from frame to frame, by how much
brighter the same places come out. Then one frame that is white in places is filled twice, alone and
from an earlier frame, and what was white is shown two stops darker.
"""

import argparse
import itertools
import json
import subprocess
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import exposure, images, models
from mssnet_edu import reference_selection as selection
from mssnet_edu.files import write_text
from mssnet_edu.models.overexposure import Overexposure
from tools.provenance.make_clip import ffmpeg

__all__ = ["exposure_drift", "read_film"]

DOCS = Path(__file__).resolve().parents[2] / "docs"
EVERY, WIDTH, HEIGHT = 10, 320, 180
WHITE = 250 / 255  # the camera's curve is flat above, and the film is compressed
NOW, BEFORE = 18, 0  # after and before the bird fills the frame and the exposure follows it
STOPS = -2.0  # shown so much darker


def read_film(film: Path) -> Tensor:
    """Every tenth frame, (T, 3, 180, 320), what is nearly white as white."""
    command = [ffmpeg(), "-v", "error", "-i", str(film), "-fps_mode", "passthrough"]
    command += ["-vf", f"select=not(mod(n\\,{EVERY})),scale={WIDTH}:{HEIGHT}:flags=area"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    frames = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(-1, HEIGHT, WIDTH, 3)
    frames = frames.permute(0, 3, 1, 2).float() / 255
    return torch.where(frames >= WHITE, 1.0, frames)


def exposure_drift(frames: Tensor) -> Tensor:
    """The EV of each frame, (T,), less that of the first: how much brighter the same places are.

    frames: (T, 3, H, W). The median over the cells that two neighbouring frames both recorded, laid
    over each other; errors add up, and things that moved count as well.
    """
    seen = selection.glances(frames, torch.zeros(len(frames)))
    ev = [0.0]
    for before, now in itertools.pairwise(seen):
        x, y = selection.match(now, before, (4, 8)).shift
        rows, columns = now.stops.shape
        across, down = round(x * columns), round(y * rows)
        pad = (-across, across, -down, down)
        stops, known = (F.pad(cells, pad) for cells in (before.stops, before.known))
        both = (now.known > 0.7) & (known > 0.7)
        ev.append(ev[-1] + float((now.stops - stops)[both].median()))
    return torch.tensor(ev)


@torch.inference_mode()
def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("film", type=Path)
    frames = read_film(parser.parse_args().film)
    ev = exposure_drift(frames)
    network = models.load_model("overexposure")
    assert isinstance(network, Overexposure)
    now, before = frames[[NOW]], frames[[BEFORE]]
    alone = network(now, ev[NOW])[0]
    fill = network.fill(now, ev[NOW], before, ev[BEFORE])
    white = exposure.clipped(now, "each")
    filled = [exposure.develop(light, STOPS) for light in (alone, fill.light[0])]
    remembered = (fill.remembered[0] * 0.8 + 0.2 * white[0]).amax(0).expand(3, -1, -1)
    rows = ([before[0], now[0], remembered], [*filled, torch.ones_like(before[0])])
    strip = torch.cat(
        [torch.cat([F.pad(x, (0, 6, 0, 6), value=1.0) for x in r], -1) for r in rows], -2
    )
    images.save(strip, DOCS / "evaluation-real_clip.jpg", overwrite=True)
    seen = selection.glances(frames, ev)
    about = {
        "every": EVERY,
        "now": NOW,
        "before": BEFORE,
        "ev": [round(float(value), 2) for value in ev],
        "clipped": [round(glance.clipped_share, 4) for glance in seen],
        "remembered": round(float(fill.remembered.sum() / white.sum()), 3),
    }
    write_text(DOCS / "evaluation-real_clip.json", json.dumps(about) + "\n")
    print(about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
