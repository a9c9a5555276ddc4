"""Mark a restored photo: which network did it, with which settings, and whether it invents."""

import dataclasses

from mssnet_edu import __version__, models, restore
from mssnet_edu.images import Metadata, Step
from mssnet_edu.precision import choose_precision

__all__ = ["mark"]

INVENTING = "compositeWithTrainedAlgorithmicMedia"


def mark(
    metadata: Metadata,
    task: str,
    model: str | None,
    *,
    factor: int = 1,
    precision: str | None = None,
    seed: int | None = None,
    invented: float | None = None,
) -> Metadata:
    """What a photo's file is to say after `me.deblur` or `me.upscale` with these arguments.

    metadata: what it said before. task: "deblur" or "upscale". The kind of picture that results is
    on the network's card (`source_type`); a network whose card does not say counts as inventing;
    of two in turn, the one that invents counts. invented: as for `me.upscale`; 0 is a formula.
    Raises ValueError for a network that is not there.

    >>> mark(Metadata(), "upscale", "rrdn-x8", factor=8).provenance.source_type
    'algorithmicallyEnhanced'
    """
    if invented is not None:
        model = (model or restore.realistic(factor)) if invented else "smooth"
    model = model or restore.RECOMMENDED_UPSCALER
    settings: dict[str, object] = {"factor": factor}
    if model in (*restore.PLAIN, "smooth"):
        source_type, settings = "algorithmicallyEnhanced", {"method": model, **settings}
    else:
        infos = [models.info(name) for name in model.split(restore.CHAIN)]
        kinds = {info.source_type or INVENTING for info in infos}
        source_type = kinds.pop() if len(kinds) == 1 else INVENTING
        weights = " ".join(file.sha256[:12] for info in infos for file in info.files)
        settings = {"network": model, "weights": weights, **settings}
        settings["precision"] = choose_precision(precision)
        if seed is not None:
            settings["seed"] = seed
    if invented is not None:
        settings["invented"] = invented
    step = Step(task, f"mssnet-edu {__version__}", settings)
    return dataclasses.replace(metadata, provenance=metadata.provenance.after(step, source_type))
