"""MSSNet: the network, its stages one by one, and the authors' checkpoint files."""

from mssnet_edu.mssnet.checkpoints import load_official_checkpoint
from mssnet_edu.mssnet.network import MSSNet, MSSNetConfig, StageResult

__all__ = ["MSSNet", "MSSNetConfig", "StageResult", "build", "load_official_checkpoint"]


def build(**config) -> MSSNet:
    """The network that a model card's `config` describes, with random weights."""
    return MSSNet(MSSNetConfig(**config))
