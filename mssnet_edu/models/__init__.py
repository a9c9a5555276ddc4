"""The other networks of the course, and the catalogue that loads all of them."""

from mssnet_edu.models.cards import ModelInfo
from mssnet_edu.models.catalogue import card, info, load_model, names

__all__ = ["ModelInfo", "card", "info", "load_model", "names"]
