#!/usr/bin/env bash
# Renews requirements.lock: exact versions and hashes, no address of any package index.
# Versions that still fit stay; UPGRADE=1 takes the newest of everything.
set -euo pipefail
cd "$(dirname "$0")/.."

tools="$(mktemp -d)"
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/pip" --quiet --disable-pip-version-check install pip-tools
"$tools/bin/pip-compile" --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
    --extra dev --extra whatsapp --extra demo --extra postgres ${UPGRADE:+--upgrade} \
    --output-file requirements.lock pyproject.toml
