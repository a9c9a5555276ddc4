"""Mark a restored photo: which network did it, with which settings, and whether it invents."""

import dataclasses

from mssnet_edu import __version__, models, restore
from mssnet_edu.images import Metadata, Step
from mssnet_edu.precision import choose_precision

__all__ = ["mark"]


def mark(
    metadata: Metadata,
    task: str,
    model: str | None,
    *,
    factor: int = 1,
    precision: str | None = None,
    seed: int | None = None,
) -> Metadata:
    """What a photo's file is to say after `me.deblur` or `me.upscale` with these arguments.

    metadata: what it said before. task: "deblur" or "upscale". The kind of picture that results is
    on the network's card (`source_type`); a network whose card does not say counts as inventing.
    Raises ValueError for a network that is not there.

    >>> mark(Metadata(), "upscale", "rrdn-x8", factor=8).provenance.source_type
    'algorithmicallyEnhanced'
    """
    model = model or restore.RECOMMENDED_UPSCALER
    if model in restore.PLAIN:
        source_type, settings = "algorithmicallyEnhanced", {"method": model, "factor": factor}
    else:
        info = models.info(model)
        source_type = info.source_type or "compositeWithTrainedAlgorithmicMedia"
        settings: dict[str, object] = {
            "network": model,
            "weights": " ".join(file.sha256[:12] for file in info.files),
            "factor": factor,
            "precision": choose_precision(precision),
        }
        if seed is not None:
            settings["seed"] = seed
    step = Step(task, f"mssnet-edu {__version__}", settings)
    return dataclasses.replace(metadata, provenance=metadata.provenance.after(step, source_type))
