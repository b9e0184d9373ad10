#!/usr/bin/env bash
# Makes .venv from requirements.lock and builds the browser bundles.
# A stamp holds what it was made from, so the next run only compares.
set -euo pipefail
cd "$(dirname "$0")/.."

find_python() {
    local name
    for name in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        # A name may exist and still not run (a version switcher's stub), so each one is asked.
        if [ -n "$name" ] &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
        if [ -n "$name" ] && [ "$name" = "${PYTHON:-}" ]; then
            echo "PYTHON=$name is not a Python 3.11 or newer." >&2
            return 1
        fi
    done
    echo "Frontdesk needs Python 3.11 or newer: apt-get install python3 python3-venv" >&2
    return 1
}

python="$(find_python)"
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "$python cannot make environments: apt-get install python3-venv" >&2
    exit 1
fi
if [ -f package.json ] && ! { command -v node && command -v npm; } >/dev/null; then
    echo "The browser pages are built with node: apt-get install nodejs npm" >&2
    exit 1
fi

inputs=(requirements.lock pyproject.toml scripts/setup.sh)
for file in plugins.lock package-lock.json; do
    [ ! -f "$file" ] || inputs+=("$file")
done
stamp="$("$python" -c 'import sys; print(sys.version, sys.prefix)'; cat "${inputs[@]}" | cksum)"
if [ "$(cat .venv/stamp 2>/dev/null || true)" = "$stamp" ]; then
    exit 0
fi

version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
if [ ! -x ".venv/bin/python$version" ]; then
    echo "Making .venv with Python $version ..."
    "$python" -m venv --clear .venv
fi
echo "Installing what requirements.lock names ..."
pip=(.venv/bin/python -m pip --quiet --quiet --disable-pip-version-check install)
"${pip[@]}" --require-hashes -r requirements.lock
"${pip[@]}" --no-deps --no-build-isolation -e .
if [ -f plugins.lock ]; then
    "${pip[@]}" -r plugins.lock
fi
if [ -f package.json ]; then
    npm ci --no-audit --no-fund --silent
    npm run --silent build
fi
printf '%s\n' "$stamp" >.venv/stamp
