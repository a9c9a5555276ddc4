"""writing: what a photo's file carried goes along, what was done is said, ExifTool agrees."""

import json
import os
import shutil
import subprocess

import pytest
import torch
from PIL import Image

from mssnet_edu import cli, images, models
from mssnet_edu.images import Metadata, Provenance, Step
from mssnet_edu.images.provenance import SCHEME, from_xmp, to_xmp
from mssnet_edu.images.transparency import lift_off_white

ENDINGS = [".png", ".jpg", ".webp", ".tif"]
EXIF, GPS = 0x8769, 0x8825
ENHANCED, INVENTED = "algorithmicallyEnhanced", "compositeWithTrainedAlgorithmicMedia"


def exiftool(path):
    """Return what ExifTool, which is not ours, reads in a file: {group:tag: value}."""
    if shutil.which("exiftool") is None:
        reason = "NOT CHECKED: install ExifTool (Debian: apt-get install libimage-exiftool-perl)"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    command = ["exiftool", "-json", "-G1", "-n", "-struct", "-a", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)[0]


@pytest.fixture
def carrying(tmp_path, monkeypatch):
    """in.jpg as a camera writes it: on its side, with date, camera, place and resolution."""
    monkeypatch.chdir(tmp_path)
    exif = Image.Exif()
    exif.update({0x010F: "Canon", 0x0110: "EOS 5D", 0x0112: 6, 0x8298: "Ann"})
    exif[0x013B] = "José".encode()  # as programs write it, though EXIF is ASCII
    exif[EXIF] = {0x9003: "2019:05:06 07:08:09", 0xA001: 65535, 0xA002: 40, 0xA431: "A SERIAL"}
    exif[GPS] = {1: "N", 2: (48.0, 51.0, 30.5), 3: "E", 4: (2.0, 17.0, 40.0)}
    Image.new("RGB", (40, 20), (10, 100, 200)).save("in.jpg", exif=exif.tobytes(), dpi=(300, 300))
    return tmp_path


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_a_photo_carries_goes_along(carrying, ending):
    done = ["upscale", "in.jpg", "--scale", "2", "--model", "bicubic", "-o"]
    assert cli.main([*done, f"out{ending}"]) == 0
    seen = exiftool(f"out{ending}")
    assert seen["ExifIFD:DateTimeOriginal"] == "2019:05:06 07:08:09"
    assert (seen["IFD0:Make"], seen["IFD0:Model"]) == ("Canon", "EOS 5D")
    assert seen["IFD0:Orientation"] == 1
    assert (seen["IFD0:XResolution"], seen["IFD0:ResolutionUnit"]) == (300, 2)
    assert seen["ExifIFD:ColorSpace"] == 1  # it was "see elsewhere"; the pixels are sRGB now
    assert "sRGB" in seen["ICC_Profile:ProfileDescription"]
    assert seen["XMP-dc:Creator"] == ["José"]
    assert "SERIAL" not in str(seen)
    assert not any("GPS" in key for key in seen)
    assert "ExifTool:Warning" not in seen
    again = images.read_metadata(f"out{ending}")
    assert again.dpi == (300, 300)
    assert again.credit == {"creator": "José", "rights": "Ann"}

    assert cli.main([*done, f"where{ending}", "--keep-gps"]) == 0
    assert exiftool(f"where{ending}")["GPS:GPSLatitude"] == pytest.approx(48.8585, abs=1e-4)
    assert cli.main([*done, f"bare{ending}", "--no-metadata"]) == 0
    groups = {key.split(":")[0] for key in exiftool(f"bare{ending}")}
    assert not groups & {"ExifIFD", "GPS", "XMP-dc", "XMP-iptcExt", "XMP-xmpMM"}
    assert "Canon" not in str(exiftool(f"bare{ending}"))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_restored_photo_says_so(carrying, capsys, ending):
    settings = ["--seed", "7", "--precision", "float32", "--scale", "8"]
    assert cli.main(["upscale", "in.jpg", "-o", f"out{ending}", *settings]) == 0
    seen = exiftool(f"out{ending}")
    assert seen["XMP-iptcExt:DigitalSourceType"] == SCHEME + ENHANCED
    assert seen["XMP-xmp:CreatorTool"].startswith("mssnet-edu ")
    (event,) = seen["XMP-xmpMM:History"]
    assert event["SoftwareAgent"] == seen["XMP-xmp:CreatorTool"]
    weights = models.info("rrdn-x8").files[0].sha256[:12]
    said = f"network: rrdn-x8; weights: {weights}; factor: 8; precision: float32; seed: 7"
    assert event["Parameters"] == f"upscale; {said}"
    capsys.readouterr()
    assert cli.main(["provenance", f"out{ending}"]) == 0
    shown = capsys.readouterr().out
    assert f"out{ending}: {ENHANCED}: a photo, enhanced by" in shown
    assert f"1. upscale; {said} (mssnet-edu " in shown


def test_steps_add_up_and_what_was_invented_stays_invented(carrying, capsys):
    invented = Provenance(INVENTED, (Step("upscale", "mssnet-edu 0", {"network": "x"}),))
    images.save(torch.rand(3, 32, 32), "a.png", metadata=Metadata(provenance=invented))
    enlarge = ["upscale", "a.png", "--model", "nearest", "--scale", "2"]
    assert cli.main([*enlarge, "-o", "b.png"]) == 0
    assert exiftool("b.png")["XMP-iptcExt:DigitalSourceType"] == SCHEME + INVENTED
    found = images.read_metadata("b.png").provenance
    assert [str(step) for step in found.steps] == [
        "upscale; network: x",
        "upscale; method: nearest; factor: 2",
    ]
    assert cli.main(["provenance", "in.jpg"]) == 0
    assert "in.jpg: nothing is said" in capsys.readouterr().out


@pytest.mark.parametrize("name", [*models.names("deblur"), *models.names("upscale")])
def test_every_network_that_restores_says_what_its_photos_are(name):
    invents = {"realesrgan-x4", "mssnet-x8-realism"}  # and one that learned from it
    assert models.info(name).source_type == (INVENTED if name in invents else ENHANCED)


# ------------------------------------------------------------------------------- damaged, foreign


def xmp(body, more=""):
    head = "xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'"
    head += " xmlns:I='http://iptc.org/std/Iptc4xmpExt/2008-02-29/'"
    return f"{more}<x><rdf:RDF {head}>{body}</rdf:RDF></x>".encode()


@pytest.mark.parametrize(
    "body",
    [
        f"<rdf:Description I:DigitalSourceType='{SCHEME}print'/>",
        f"<rdf:Description><I:DigitalSourceType>{SCHEME}print</I:DigitalSourceType>"
        "</rdf:Description>",
        f"<rdf:Description><I:DigitalSourceType rdf:resource='{SCHEME}print'/></rdf:Description>",
    ],
)
def test_other_programs_write_the_same_in_other_ways(body):
    assert from_xmp(xmp(body))[0] == Provenance("print")


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"<x",
        b"\xff\xfe",
        xmp("<rdf:Description/>"),
        xmp("&e;", "<!DOCTYPE x [<!ENTITY e 'lol'>]>"),
    ],
)
def test_xmp_that_says_nothing(packet):
    assert from_xmp(packet) == (Provenance(), {})


def test_any_text_can_be_written():
    odd = {"creator": "<&\0\x0b\ud800>\u2028", "rights": "©" * 5000}
    found = from_xmp(to_xmp(Provenance(), odd))[1]
    assert found["creator"].startswith("<&")
    assert found["rights"] == "©" * 2000


def test_damaged_and_huge_exif_costs_neither_photo_nor_file(tmp_path):
    exif = Image.Exif()
    exif.update({0x010E: "x" * 60_000, 0x010F: "Canon"})
    exif[EXIF] = {0x829A: tuple(range(1000)), 0x9003: "2019:05:06 07:08:09"}
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", exif=exif.tobytes())
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffgarbage")
    for name, tags in (("a.png", {0x010F: "Canon"}), ("b.png", {})):
        found = images.read_metadata(tmp_path / name)
        assert found.exif[None] == tags
        for ending in ENDINGS:
            images.save(torch.rand(3, 8, 8), tmp_path / f"{name}{ending}", metadata=found)


def test_the_same_photo_gives_the_same_file(tmp_path):
    photo = torch.rand(3, 8, 8)
    one, two = (images.save(photo, tmp_path / f"{name}.png") for name in "ab")
    assert one.read_bytes() == two.read_bytes()


# ----------------------------------------------------------------------------------- transparency


@pytest.mark.parametrize("ending", [".png", ".webp"])
def test_transparency_is_enlarged_with_the_photo(tmp_path, monkeypatch, ending):
    monkeypatch.chdir(tmp_path)
    picture = Image.new("RGBA", (32, 32), (0, 200, 0, 255))
    picture.paste((0, 200, 0, 0), (0, 0, 16, 32))
    picture.paste((0, 200, 0, 128), (16, 16, 32, 32))
    picture.save("in.png")
    assert cli.main(["upscale", "in.png", "-o", f"o{ending}", "--model", "bicubic"]) == 0
    large = Image.open(f"o{ending}")
    assert (large.mode, large.size) == ("RGBA", (256, 256))
    places = ((32, 128), (192, 64), (192, 192))
    assert [large.getpixel(xy)[3] for xy in places] == [0, 255, 128]
    assert large.getpixel((192, 192))[:3] == pytest.approx((0, 200, 0), abs=4)  # no white in it
    assert cli.main(["upscale", "in.png", "-o", "o.jpg", "--model", "bicubic"]) == 0
    assert Image.open("o.jpg").getpixel((32, 128)) == pytest.approx((255, 255, 255), abs=3)
    assert cli.main(["deblur", "in.png", "-o", f"deblurred{ending}"]) == 0
    assert Image.open(f"deblurred{ending}").getchannel("A").getextrema() == (0, 255)


def test_transparency_is_turned_with_the_photo(tmp_path):
    picture = Image.new("RGBA", (6, 4), (0, 200, 0, 255))
    picture.putpixel((0, 0), (0, 0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # held on its side
    picture.save(tmp_path / "a.png", exif=exif)
    alpha = images.load_alpha(tmp_path / "a.png")
    assert alpha.shape == (1, 6, 4)
    assert (alpha == 0).nonzero().tolist() == [[0, 0, 3]]
    assert images.load(tmp_path / "a.png")[:, 0, 3].tolist() == [1, 1, 1]


def test_off_white_and_back_on_white_is_the_photo():
    generator = torch.Generator().manual_seed(0)
    photo = torch.rand(3, 9, 9, generator=generator)
    # nearly clear pixels hold no colour that could be lifted off
    alpha = 0.05 + 0.95 * torch.rand(1, 9, 9, generator=generator)
    on_white = alpha * photo + 1 - alpha
    again = alpha * lift_off_white(on_white, alpha) + 1 - alpha
    torch.testing.assert_close(again, on_white)
