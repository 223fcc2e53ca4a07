#!/usr/bin/env bash
# Make the virtual environment .venv and install the project with its development tools into it.
# Every package is checked against its hash in constraints.txt or tools/uv.txt.
# Needs Python 3.11 or 3.12 and a package index that pip or uv can reach; nothing else.
# PYTHON=/path/to/python3.12 chooses the interpreter. Safe to repeat: does nothing when up to date.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/installed
if [ -e "$stamp" ] && [ ! pyproject.toml -nt "$stamp" ] && [ ! constraints.txt -nt "$stamp" ]; then
    exit 0
fi

is_supported() {
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null
}
python=
for candidate in ${PYTHON:-python3 python3.12 python3.11}; do
    if is_supported "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    echo "error: Python 3.11 or 3.12 is needed and not found; set PYTHON=/path/to/python3.12" >&2
    exit 2
fi

echo "setting up .venv with $("$python" --version) (about 6 GB, most of it PyTorch)"
is_supported .venv/bin/python || "$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tools/uv.txt
VIRTUAL_ENV=$PWD/.venv .venv/bin/uv pip install --quiet --compile-bytecode --constraint constraints.txt --editable '.[dev]'
touch "$stamp"
echo "ready: .venv/bin/yt360, .venv/bin/avsa"
