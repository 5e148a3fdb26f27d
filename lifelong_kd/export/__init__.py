"""Models taken out of their run folder, for use elsewhere."""

from lifelong_kd.export.weights import export_model, how_to_load, load_network
from lifelong_kd.model.saved import read_metadata

__all__ = ["export_model", "how_to_load", "load_network", "read_metadata"]
