"""docs/answer.md: up to date, and linking what it may link."""

import re

import pytest

from tools.docs import render_answer

ALLOWED = {
    "https://cg.postech.ac.kr/Research/MSSNet/MSSNet.pdf",
    "https://github.com/kky7/MSSNet",
    "http://arxiv.org/pdf/2502.16025v1.pdf",
    "http://arxiv.org/pdf/2308.15462v1.pdf",
    "http://arxiv.org/pdf/2304.05538v4.pdf",
}


PICTURES = {"split.png", "chain.png", "workflow.png"}


@pytest.fixture(scope="module")
def script():
    return render_answer


@pytest.fixture(scope="module")
def page(script):
    return script.PAGE.read_text(encoding="utf-8")


def test_the_page_is_what_the_script_writes(script, page):
    assert page == script.render(), "run: python -m tools.docs.render_answer"


def test_it_links_the_four_papers_the_repository_and_the_course_and_nothing_else(script, page):
    links = set(re.findall(r"\]\(([^)]+)\)", page))
    own = {link for link in links if link.startswith("../")}
    assert links - own == ALLOWED
    assert all((script.PAGE.parent / link).is_file() for link in own)
    assert set(re.findall(r"https?://[^\s)]+", page)) == ALLOWED


def test_its_pictures_are_there_and_have_words(script, page):
    pictures = re.findall(r'<img src="([^"]+)" width="\d+" alt="([^"]+)">', page)
    assert {name for name, _ in pictures} == PICTURES
    for name, words in pictures:
        assert len(words) > 40
        assert (script.PAGE.parent / name).is_file()


def test_it_names_no_other_work(page):
    for name in ("GAN", "RRDN", "diffusion", "LPIPS", "MAXIM", "CLIP"):
        assert not re.search(rf"\b{name}\b", page, re.IGNORECASE)


def test_it_has_its_three_parts(page):
    heads = re.findall(r"^## (\d)\. ", page, re.MULTILINE)
    assert heads == ["1", "2", "3"]
    for name in ("MSSNet", "FeatSharp", "Overexposed pixels", "Zoom"):
        assert f"**{name}" in page
    assert "MSSNet does not enlarge" in page
