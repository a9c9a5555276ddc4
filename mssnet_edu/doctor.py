"""`mssnet-edu doctor`: is all that the course needs in place?"""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mssnet_edu import files

__all__ = ["Finding", "findings", "memory_mb"]


class Finding(NamedTuple):
    """verdict: "ok", "note" (works, but not all of it) or "FAIL" (the course will not run)."""

    verdict: str
    what: str
    advice: str = ""


def findings() -> Iterator[Finding]:
    """Yield what each check finds, one after another."""
    checks = [_python, _torch, _machine, _packages, _notebooks, _photos]
    checks += [_panoramas, _labelled_photos, _weights, _network]
    if (Path(__file__).resolve().parents[1] / "tests" / "browser").is_dir():
        checks.append(_chromium)
    for check in checks:
        try:
            yield from check()
        except Exception as error:  # a broken installation breaks in ways nobody listed
            yield Finding(
                "FAIL", f"{check.__name__[1:].replace('_', ' ')}: {error}", "Install again."
            )


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok", f"Python {version}, {sys.executable}")


def _torch() -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        yield Finding("FAIL", "torch is not installed", "Install it: pip install torch")
        return
    import torch

    gpu = "a GPU is there, not needed" if torch.cuda.is_available() else "works on the CPU"
    yield Finding("ok", f"torch {torch.__version__}, {torch.get_num_threads()} threads; {gpu}")


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("ok", f"{cores} core(s)")
    memory = memory_mb()
    if memory is None:
        yield Finding("note", "memory: unknown", "The notebooks need 1.5 GB free.")
    elif memory < 2000:
        advice = (
            "The notebooks need 1.5 GB. Close other programs, and one notebook before the next."
        )
        yield Finding("note", f"memory: {memory:,.0f} MB", advice)
    else:
        yield Finding("ok", f"memory: {memory:,.0f} MB")


def memory_mb() -> float | None:
    """What this process may use: the machine's memory, or less inside a container."""
    sizes = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    elif importlib.util.find_spec("psutil"):
        import psutil

        sizes.append(psutil.virtual_memory().total)
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            sizes.append(int(Path("/sys/fs/cgroup", file).read_text(encoding="utf-8")))
        except (OSError, ValueError):  # no container, or "max"
            continue
    return min(sizes) / 1e6 if sizes else None


def _packages() -> Iterator[Finding]:
    installed, missing = [], []
    for name in ("jupyterlab", "ipywidgets", "anywidget", "matplotlib", "safetensors", "pillow"):
        try:
            installed.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if installed:
        yield Finding("ok", ", ".join(installed))
    if missing:
        advice = f"Install: pip install {' '.join(missing)}"
        yield Finding("FAIL", f"not installed: {', '.join(missing)}", advice)


def _notebooks() -> Iterator[Finding]:
    from mssnet_edu import working_copy

    try:
        folder = working_copy.originals()
    except ValueError as error:
        yield Finding("FAIL", str(error))
        return
    lessons = working_copy.lessons()
    yield Finding("ok", f"{len(lessons)} notebooks in {folder}")
    mine = working_copy.default_folder()
    there = sum((mine / one.name).exists() for one in lessons)
    if there:
        yield Finding("ok", f"your copy, {mine}, has {there} of them")
    else:
        yield Finding("ok", f"no copy of yours in {mine} yet: mssnet-edu lab makes it")


def _photos() -> Iterator[Finding]:
    from mssnet_edu import samples

    try:
        names = [*samples.names(), *samples.names("clip")]
    except FileNotFoundError as error:
        yield Finding("FAIL", f"photos: {error}")
        return
    listed = [samples.info(name) for name in names]
    damaged = _damaged([(samples.find_data() / one.file, one.sha256) for one in listed])
    for fault in damaged:
        yield Finding("FAIL", fault, samples.how_to_restore())
    if not damaged:
        yield Finding("ok", f"{len(names)} photos and clips in {samples.find_data()}")


def _panoramas() -> Iterator[Finding]:
    from mssnet_edu import samples

    names = samples.panorama_names()
    for name in names:
        samples.panorama(name)  # which raises where one is damaged
    if names:
        yield Finding("ok", f"{len(names)} panoramas")
    else:
        yield Finding("FAIL", "there are no panoramas", samples.how_to_restore())


def _labelled_photos() -> Iterator[Finding]:
    from mssnet_edu import zoom

    yield Finding("ok", f"{len(zoom.labelled_photos())} labelled photos")  # or it raises


def _weights() -> Iterator[Finding]:
    from mssnet_edu import models, samples

    folder, advice = samples.find_data("weights"), samples.how_to_restore()
    for name in models.names():
        damaged = _damaged([(folder / one.name, one.sha256) for one in models.info(name).files])
        if damaged:
            yield Finding("FAIL", f"weights of {name}: {' '.join(damaged)}", advice)
        else:
            yield Finding("ok", f"weights of {name}")
    if not models.names():
        yield Finding("FAIL", f"no weights in {folder}", advice)


def _damaged(expected: list[tuple[Path, str]]) -> list[str]:
    """What is wrong with files, given with their SHA-256."""
    faults = []
    for path, sha256 in expected:
        try:
            files.read_verified(path, sha256)
        except (FileNotFoundError, ValueError) as error:
            faults.append(str(error))
    return faults


def _network() -> Iterator[Finding]:
    import torch

    from mssnet_edu import restore

    name = restore.RECOMMENDED_UPSCALER
    start = time.perf_counter()
    restore.upscale(torch.rand(3, 32, 32), 8, name)
    seconds = time.perf_counter() - start
    yield Finding("ok", f"{name} loads and enlarges 32 x 32 px 8 times: {seconds:.1f} s")


def _chromium() -> Iterator[Finding]:
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if path := shutil.which(name):
            yield Finding("ok", f"{path}, for the browser tests")
            return
    advice = "Only tests need it. Debian, Ubuntu: apt-get install chromium"
    yield Finding("note", "Chromium was not found", advice)
