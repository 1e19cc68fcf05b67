"""dnnbox: from a local checkpoint to a measured, reproducible experiment."""

__version__ = "0.1.0"
