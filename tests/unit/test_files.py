import os

import pytest

from mssnet_edu.files import check_writable, replacing


def _half_written(part):
    part.write_text("half", encoding="utf-8")
    part.write_text(None, encoding="utf-8")


def test_a_file_that_could_not_be_finished_leaves_the_old_one(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(TypeError), replacing(path) as part:
        _half_written(part)
    assert path.read_text(encoding="utf-8") == "old"
    with replacing(path) as part:
        part.write_text("new", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
    assert path.read_text(encoding="utf-8") == "new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "real.txt", tmp_path / "link.txt"
    real.write_text("old", encoding="utf-8")
    link.symlink_to(real)
    with replacing(link) as part:
        assert part.parent == real.parent  # the two may lie on different disks
        part.write_text("new", encoding="utf-8")
    assert link.readlink() == real
    assert real.read_text(encoding="utf-8") == "new"
    with pytest.raises(FileExistsError), replacing(link, overwrite=False):
        pass
    assert [p.name for p in real.parent.iterdir()] == ["real.txt"]


def test_a_name_that_just_fits(tmp_path):
    name = "n" * (os.pathconf(tmp_path, "PC_NAME_MAX") - 4) + ".txt"
    check_writable(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    with replacing(tmp_path / name) as part:
        part.write_text("new", encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == [name]
    with pytest.raises(OSError, match="File name too long"):
        check_writable(tmp_path / f"n{name}")
