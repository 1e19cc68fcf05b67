"""Arrows 5 and 6: Dependencies → EnvSpec → Lock → an environment, and the user's own environment around us.

Nothing of the user's is changed except by :func:`install_current`, which is called after consent only.
"""

from __future__ import annotations

from dnnbox.environments.current import install_current, installed, missing
from dnnbox.environments.locking import resolve
from dnnbox.environments.planning import older_pythons, plan, platform_of_host, python_for, python_version
from dnnbox.environments.realising import realise
from dnnbox.environments.workspace import detect

__all__ = [
    "detect",
    "install_current",
    "installed",
    "missing",
    "older_pythons",
    "plan",
    "platform_of_host",
    "python_for",
    "python_version",
    "realise",
    "resolve",
]
