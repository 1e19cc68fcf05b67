"""``main(run_dir)`` executes ``options["code"]``; what that puts into ``facts`` comes back as ``effective``."""

import json
import os
import platform
import time
from pathlib import Path


def main(run_dir: str) -> int:
    started_ns = time.monotonic_ns()
    request = json.loads(Path(run_dir, "request.json").read_text("utf-8"))
    facts: dict = {}
    result = {
        "record": "RunResult",
        "schema": 1,
        "job": request["job"],
        "python": platform.python_version(),
        "started_ns": started_ns,
        "effective": facts,
    }
    names = {"facts": facts, "result": result, "request": request, "run_dir": run_dir, "os": os}
    os.chdir(run_dir)
    exec(request["options"]["code"], names)
    if names.get("answer", True):
        Path(run_dir, "result.json").write_text(json.dumps(result), "utf-8")
    return names.get("code", 0)
