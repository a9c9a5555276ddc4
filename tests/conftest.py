"""What all tests share: a marker by directory, and the stricter nbmake."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent
GROUPS = ("unit", "notebooks", "browser")


def pytest_configure(config):
    """Notebooks that nbmake runs must also be free of errors that widgets swallow."""
    if config.getoption("nbmake", default=False):
        import stricter_nbmake  # here: it loads Jupyter, which the other groups need not wait for

        stricter_nbmake.install()


def pytest_collection_modifyitems(items):
    """Mark each test with its group, so that `pytest -m browser` works without a line per file."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker("notebooks")
        elif TESTS in item.path.parents:
            group = item.path.relative_to(TESTS).parts[0]
            if group in GROUPS:
                item.add_marker(group)
