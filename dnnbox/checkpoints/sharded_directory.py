"""Weights in shards with an index (``*.index.json`` → ``weight_map``) and no configuration beside them."""

from __future__ import annotations

from dnnbox.checkpoints.base import Match, Reading
from dnnbox.checkpoints.folders import configs, describe, peek, read_index
from dnnbox.checkpoints.opening import Folder

_SUFFIX = ".index.json"


class ShardedDirectory:
    """Reads the shards that an index names; every tensor of the index must be in its shard."""

    def sniff(self, folder: Folder) -> Match | None:
        """An index with a weight_map."""
        found = _index(folder)
        return Match(0.5, found) if found else None

    def read(self, folder: Folder, reading: Reading) -> None:
        """Read the index and all shards."""
        reading.format, reading.framework = "sharded-weights", "pytorch"
        describe(folder, reading)
        configs(folder, reading)
        read_index(folder, _index(folder), reading)


def _index(folder: Folder) -> str:
    """Return the index at the top of the directory; that of safetensors goes before that of pickles."""
    names = [path for path in folder.entries if path.endswith(_SUFFIX) and "/" not in path]
    names.sort(key=lambda name: (".safetensors" not in name, name))
    return next((name for name in names if isinstance(peek(folder, name).get("weight_map"), dict)), "")
