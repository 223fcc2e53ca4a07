#!/usr/bin/env bash
# Compare this package with the real detectron2: build it into a virtual environment of its own and
# run the tests that need it. detectron2 is not on PyPI, so you name a checkout of its source:
#   git clone https://github.com/facebookresearch/detectron2 ../detectron2
#   tools/try_detectron2.sh ../detectron2 [options of pytest]
# Needs what tools/setup.sh needs, and a C++ compiler. The checkout is copied, not changed.
# PYTHON=/path/to/python3.12 chooses the interpreter, VENV another folder than .venv-detectron2.
# Delete that folder to build again.
set -euo pipefail
checkout=${1:-}
if [ ! -f "$checkout/setup.py" ] || [ ! -d "$checkout/detectron2" ]; then
    echo "error: '$checkout' is not a checkout of detectron2's source" >&2
    echo "usage: tools/try_detectron2.sh CHECKOUT [options of pytest]" >&2
    exit 2
fi
checkout=$(cd "$checkout" && pwd)
shift
cd "$(dirname "$0")/.."
export VIRTUAL_ENV=${VENV:-$PWD/.venv-detectron2}
stamp=$VIRTUAL_ENV/installed-from

if [ "$(cat "$stamp" 2>/dev/null)" != "$checkout" ]; then
    echo "building detectron2 from $checkout into $VIRTUAL_ENV"
    "${PYTHON:-python3}" -m venv --clear "$VIRTUAL_ENV"
    "$VIRTUAL_ENV/bin/python" -m pip install --quiet --disable-pip-version-check uv
    uv=$VIRTUAL_ENV/bin/uv
    "$uv" pip install --quiet --constraint constraints.txt --editable '.[dev]'
    # detectron2 imports pkg_resources, which setuptools 82 dropped, and its setup imports torch.
    "$uv" pip install --quiet 'setuptools<82'
    cp -R "$checkout" "$VIRTUAL_ENV/detectron2-source"
    "$uv" pip install --no-build-isolation "$VIRTUAL_ENV/detectron2-source"
    echo "$checkout" >"$stamp"
fi

"$VIRTUAL_ENV/bin/python" -m pytest -p no:cacheprovider -rs -m "not gpu" \
    tests/unit/yt360/labels/test_real_detectron2.py "$@"
