#!/bin/sh
# Set up a virtual environment on a fresh Debian machine: setup.sh core | test
#   core  what `diffir` needs
#   test  also the Qt binding, the test tools, and a virtual display
#   pyqt6 a second environment beside it, which differs by its Qt binding alone
set -eu
VENV=${VENV:-.venv}
PYTHON=${PYTHON:-python3}

# Install Debian packages that are missing, or say how.
need_packages() {
    missing=""
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" ||
            missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    if [ "$(id -u)" = 0 ]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
    else
        echo "Debian packages are missing. Run this, then try again:" >&2
        echo "  sudo apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
}

# The wheel of PyTorch without CUDA is 14 times smaller; take it where there is no GPU.
install_torch() {
    "$VENV/bin/python" -c "import torch" 2>/dev/null && return 0
    if command -v nvidia-smi >/dev/null 2>&1; then
        "$VENV/bin/pip" install -q torch
        return 0
    fi
    "$VENV/bin/pip" install -q --timeout 15 --retries 1 torch==2.13.0 \
        --index-url https://download.pytorch.org/whl/cpu 2>/dev/null ||
        "$VENV/bin/pip" install -q torch==2.13.0
}

case "${1:-}" in
core)
    "$PYTHON" -c "import ensurepip" 2>/dev/null || need_packages python3-venv
    "$PYTHON" -m venv "$VENV"
    install_torch
    "$VENV/bin/pip" install -q --editable .
    ;;
test)
    need_packages libglib2.0-0 libdbus-1-3 libegl1 libgl1 libfontconfig1 \
        libxkbcommon0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 \
        libxcb-keysyms1 libxcb-shape0 xvfb xauth
    "$VENV/bin/pip" install -q "pip>=25.1"
    "$VENV/bin/pip" install -q --group dev
    ;;
pyqt6)
    "$PYTHON" -m venv "$VENV-pyqt6"
    "$VENV-pyqt6/bin/pip" install -q "PyQt6>=6.7"
    # Editable installs are found only where their own .pth files are read.
    "$VENV/bin/python" -c "from sysconfig import get_path
print('import site; site.addsitedir(%r)' % get_path('purelib'))" \
        > "$("$VENV-pyqt6/bin/python" -c "from sysconfig import get_path
print(get_path('purelib'))")/base.pth"
    ;;
*)
    echo "usage: setup.sh core | test | pyqt6" >&2
    exit 2
    ;;
esac
touch "$VENV/$1"
