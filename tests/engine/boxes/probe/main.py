"""``main(run_dir)`` executes ``options["code"]``; what that puts into ``facts`` comes back as ``effective``."""

import json
import os
import platform
import time


def main(run_dir: str) -> int:
    started_ns = time.monotonic_ns()
    with open(os.path.join(run_dir, "request.json"), encoding="utf-8") as file:
        request = json.load(file)
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
        with open(os.path.join(run_dir, "result.json"), "w", encoding="utf-8") as file:
            json.dump(result, file)
    return names.get("code", 0)
