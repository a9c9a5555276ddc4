"""lazy: what is imported on first use, and a hint for a name with a slip in it."""

import subprocess
import sys

import pytest

import mssnet_edu as me


@pytest.mark.parametrize(
    ("package", "slip", "nearest"),
    [(me, "degrad", "degrade"), (me, "load_modle", "load_model"), (me.show, "compar", "compare")],
)
def test_a_slip_gets_the_nearest_name(package, slip, nearest):
    words = f"has no attribute '{slip}'. Did you mean '{nearest}'?"
    with pytest.raises(AttributeError) as caught:
        getattr(package, slip)
    assert str(caught.value) == f"module '{package.__name__}' {words}"


def test_a_name_like_no_other_gets_no_hint():
    with pytest.raises(AttributeError, match=r"no attribute 'xyzzy'$"):
        _ = me.xyzzy


def test_python_adds_no_second_hint():
    code = "import mssnet_edu as me; me.degrad"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.count("Did you mean") == 1


def test_all_that_is_listed_is_there():
    for package in (me, me.show):
        assert set(package.__all__) <= set(dir(package))
        assert all(hasattr(package, name) for name in package.__all__)
