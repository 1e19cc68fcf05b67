"""Contract → input files: given, found in the workspace, or left to the box to synthesise.

Files are recognised by content and copied into the experiment; nothing here decodes an image or a sound.
"""

from __future__ import annotations

from dnnbox.inputs.choosing import choose
from dnnbox.inputs.copying import materialise
from dnnbox.inputs.labelled import labelled

__all__ = ["choose", "labelled", "materialise"]
