"""The other networks of the course, and the catalogue that loads all of them."""

from .catalogue import ModelInfo, card, info, load_model, names, save_model, write_info

__all__ = ["ModelInfo", "card", "info", "load_model", "names", "save_model", "write_info"]
