"""The course's answer without a notebook: the page behind `mssnet-edu app`.

`page.ipynb` is served by Voilà and holds nothing but a `Desk`.
"""

from mssnet_edu.app.desk import Desk

__all__ = ["Desk"]
