#!/bin/sh
# Makes .venv-zoo: the frameworks whose real checkpoints the tests are run on. CPU builds only, about 1.4 GB.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'zoo: %s\n' "$*" >&2; }

# A folder of wheels may hold torch's CPU build already; PyPI's build would bring gigabytes of CUDA.
has_cpu_torch() {
    for folder in $(printf '%s' "${UV_FIND_LINKS:-}" | tr ',' ' '); do
        for wheel in "$folder"/torch-*+cpu-*.whl; do
            [ -e "$wheel" ] && return 0
        done
    done
    return 1
}

backend="--torch-backend=cpu"
if has_cpu_torch; then backend=; fi
say "installing the frameworks into .venv-zoo (CPU builds, about 1.4 GB on disk)"
[ -x .venv-zoo/bin/python ] || .venv/bin/uv venv -q --python .venv/bin/python .venv-zoo
# shellcheck disable=SC2086 # empty means no argument
.venv/bin/uv pip install -q -p .venv-zoo/bin/python --no-deps $backend -r tests/zoo/requirements.txt
