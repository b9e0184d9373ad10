#!/usr/bin/env bash
# Adds a third-party plugin to .venv and keeps it in plugins.lock, from which set-up repeats it.
set -euo pipefail
cd "$(dirname "$0")/.."

package="${1:-}"
if [ -z "$package" ]; then
    echo "Say which: make plugin PKG=path-or-name" >&2
    exit 2
fi

pins="$(mktemp)"
report="$(mktemp)"
trap 'rm -f "$pins" "$report"' EXIT
# Our own pins hold: a plugin may add packages, never change ours.
sed -n 's/^\([A-Za-z0-9._-]*==[^ ;]*\).*/\1/p' requirements.lock >"$pins"
.venv/bin/python -m pip --quiet --disable-pip-version-check install \
    --constraint "$pins" --report "$report" "$package"

line="$(.venv/bin/python - "$report" "$package" <<'PYTHON'
import json
import sys
from pathlib import Path

report, package = sys.argv[1:]
if Path(package).exists():
    print(package)
else:
    wanted = [item for item in json.loads(Path(report).read_text())["install"] if item["requested"]]
    pins = [f"{item['metadata']['name']}=={item['metadata']['version']}" for item in wanted]
    print(pins[0] if pins else package)
PYTHON
)"
touch plugins.lock
grep -qxF -- "$line" plugins.lock || printf '%s\n' "$line" >>plugins.lock
echo "Added $line. Now name its module in plugins, in plugins.toml."
