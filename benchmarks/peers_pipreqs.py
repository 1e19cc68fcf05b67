"""The distributions that pipreqs names for a repository, one a line: by its own scan and table, asking no index.

PEERS/bin/python benchmarks/peers_pipreqs.py REPOSITORY
"""

from __future__ import annotations

import sys

from pipreqs import pipreqs  # type: ignore[import-not-found]

found = pipreqs.get_all_imports(sys.argv[1], encoding="utf-8")
print("\n".join(sorted(set(pipreqs.get_pkg_names(found)))))
