"""Constants around the model, read from upstream's source, against labels that a person read there.

    .venv/bin/python benchmarks/source_preprocessing.py --pairs DIR --sources DIR [--record FILE]

DIR of pairs holds a folder with truth.json each (repository, commit), DIR of sources a checkout per repository, named
owner+name. The extraction is given the root and the model's file; which script is the entry it finds itself. A field
counts where the one selected value is the labelled one; everything else is listed, with whether it was marked.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dnnbox.sources.constants import constants_of  # noqa: E402
from dnnbox.sources.known.catalogue import families  # noqa: E402

LABELS = ROOT / "benchmarks" / "preprocessing_labels.json"


def same(found: Any, wanted: Any) -> bool:
    """Compare values; a number is one whether it is written 80 or 80.0."""
    if isinstance(found, (int, float)) and isinstance(wanted, (int, float)):
        return float(found) == float(wanted)
    return bool(found == wanted)


def checkout(pairs: Path, sources: Path, name: str, model: str) -> Path:
    """Return the checkout that holds the model's file: the pair's own, or that of the catalogue's family."""
    truth = json.loads((pairs / name / "truth.json").read_text("utf-8"))
    own = sources / truth["repo"].replace("/", "+")
    if (own / model).is_file():
        return own
    family = next(family for family in families() if family.file == model)
    return sources / "+".join(family.url.split("/")[-2:])


def main() -> int:
    """Print a line per pair, the sums, and record them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    labels = json.loads(LABELS.read_text("utf-8"))["pairs"]
    rows, right, total, marked, absent = [], 0, 0, 0, 0
    for name, label in labels.items():
        root = checkout(options.pairs, options.sources, name, label["model"])
        start = time.monotonic()
        found = constants_of(root, label["model"])
        misses = []
        for field, wanted in label["fields"].items():
            total += 1
            got = found.get(field)
            if got is not None and same(got.value, wanted["value"]):
                right += 1
                continue
            state = "not found" if got is None else "ambiguous" if got.ambiguous else "wrong"
            marked, absent = marked + (state == "ambiguous"), absent + (state == "not found")
            said = f", found {got.value} at {got.place}" if got else ""
            misses.append(f"{field}: {state}, wanted {wanted['value']} at {wanted['source']}{said}")
        fields = len(label["fields"])
        rows.append({"pair": name, "right": fields - len(misses), "fields": fields, "misses": misses})
        print(f"{name:26} {fields - len(misses)}/{fields}  {time.monotonic() - start:5.2f} s", flush=True)
        for miss in misses:
            print(f"    {miss}")
    wrong = total - right - marked - absent
    print(f"right {right} of {total} ({right / total:.1%})")
    print(f"of the rest: ambiguous {marked}, not found {absent}, wrong and not marked {wrong}")
    if options.record:
        summary = {"right": right, "fields": total, "share": round(right / total, 4), "ambiguous": marked}
        document = {"command": "benchmarks/source_preprocessing.py", **summary, "not_found": absent,
                    "wrong_unmarked": wrong, "pairs": rows}  # fmt: skip
        options.record.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
