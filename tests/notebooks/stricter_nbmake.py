"""nbmake that also fails on what nobody sees: errors inside widgets, pictures without alternative
text, and too much memory.

`install()` puts it in nbmake's place, so that one run of a notebook serves every check.
"""

import nbmake.pytest_items
from nbmake.nb_result import NotebookError, NotebookResult
from nbmake.nb_run import NotebookRun

from tools.notebooks import run as run_course

__all__ = ["StricterRun", "install"]


class StricterRun(NotebookRun):
    """One notebook's run."""

    def execute(self):
        """Run the notebook as nbmake does; then look into its widgets, and at its memory."""
        with run_course.ResourceMonitor() as monitor:
            result = super().execute()
        if result.error is not None:
            return result
        faults = [f"in a widget: {text}" for text in run_course.widget_errors(result.nb)]
        faults += run_course.pictures_without_alt(result.nb)
        if monitor.peak_mb > run_course.LIMIT_MB:
            faults.append(
                f"peak memory {monitor.peak_mb:.0f} MB; {run_course.LIMIT_MB} MB are allowed"
            )
        error = NotebookError(faults[0], "\n".join(faults), -1) if faults else None
        return NotebookResult(nb=result.nb, error=error)


def install():
    """Make nbmake use the stricter run."""
    nbmake.pytest_items.NotebookRun = StricterRun
