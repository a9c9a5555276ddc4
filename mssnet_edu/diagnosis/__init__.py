"""What is wrong with this photo, measured: `me.diagnose(photo)`.

`estimators` measures, `findings` puts into words what was measured, how sure that is and what can
be done, and `evidence` draws it. How far off the estimators are stands in accuracy.json beside
this file, measured on held-out photographs by `python -m training.evaluate_diagnosis`.

>>> import mssnet_edu as me
>>> photo = me.degrade.jpeg(me.samples.load("astronaut"), 30)
>>> me.diagnose(photo)["jpeg"].value
30
"""

# Not named diagnose: a module of that name would hide the function in the top level.
from mssnet_edu.diagnosis.findings import Diagnosis, Finding, accuracy, diagnose

__all__ = ["Diagnosis", "Finding", "accuracy", "diagnose"]
