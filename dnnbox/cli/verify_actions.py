"""``dnnbox verify``: call, show."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnnbox.cli import actions, fail, parsing, show_json
from dnnbox.codec import to_json


def verify(values: Mapping[str, Any]) -> int:
    """Verify, show the stages, and end with the code of the one that failed."""
    from dnnbox.cli.screens.layout import look_of
    from dnnbox.cli.screens.verify import verify_screen
    from dnnbox.pipeline import verifying

    wanted = verifying.Wanted(
        target=values["target"],
        workspace=Path.cwd(),
        checkpoint=values["checkpoint"],
        source=values["source"],
        box=parsing.box(values["box"]),
        yes=values["yes"],
        offline=values["offline"],
        timeout_s=values["timeout"],
        allow=parsing.risks(values["allow"]),
        llm_command=values["llm_command"],
    )
    with actions.progress(values["progress"]) as display:
        found, error = verifying.verify(wanted, ask=actions.asking(display), progress=display)
    if values["json"]:
        show_json({**to_json(found), "error": error.as_json() if error else None})
    else:
        print(verify_screen(found, look=look_of(sys.stdout)), end="")
    return fail(error, []) if error else 0
