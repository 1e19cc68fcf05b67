"""Arrow 2: Inspection → Identity. Which architecture a checkpoint is, and what that implies about inputs and outputs.

Signals, strongest first, one module each: configs, fingerprint (index, search, compare, arguments), families, names.
Nothing here opens the checkpoint itself.
"""

from dnnbox.identify.hints import io_hints
from dnnbox.identify.match import identify

__all__ = ["identify", "io_hints"]
