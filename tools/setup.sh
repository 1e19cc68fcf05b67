#!/bin/sh
# Makes .venv with dnnbox and its tools. Asks nothing of the machine but Python 3.11 or newer; says what it installs.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

# 3.11 first: what works on the oldest version we support works on the newer ones.
find_python() {
    for name in ${DNNBOX_PYTHON:-} python3.11 python3.12 python3.13 python3.14 python3; do
        # A shim may be on PATH for a version that is not installed: only running it tells.
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    say "no Python 3.11 or newer was found (looked for python3.11 … python3.14, python3)."
    say "install one (Debian 12, Ubuntu 24.04: apt-get install python3 python3-venv), or name it: DNNBOX_PYTHON=/path/to/python make setup"
    exit 1
}

# Debian ships Python without the part that makes environments.
need_venv() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1 && return
    package="$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    if ! command -v apt-get >/dev/null 2>&1; then
        say "$1 cannot make environments (no ensurepip): install your distribution's package for python venv"
        exit 1
    elif [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1; then
        as_root=sudo
    else
        say "$1 cannot make environments; as root: apt-get install $package"
        exit 1
    fi
    say "installing $package (Debian's Python cannot make environments without it)"
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
}

if [ ! -x .venv/bin/python ]; then
    python="$(find_python)"
    need_venv "$python"
    say "making .venv with $("$python" --version)"
    "$python" -m venv .venv
fi
if ! .venv/bin/python -c 'import uv' >/dev/null 2>&1; then
    .venv/bin/python -m pip install -q --disable-pip-version-check -c tools/constraints.txt uv
fi
say "installing dnnbox and its development tools into .venv"
.venv/bin/uv pip install -q --compile-bytecode -p .venv/bin/python -c tools/constraints.txt -e . --group dev
# Where PYTHONDONTWRITEBYTECODE is set, every start would compile dnnbox again.
.venv/bin/python -m compileall -q dnnbox
