#!/bin/sh
# Installs what Reprise is timed against: Debian's PyTorch and oneDNN, and ONNX Runtime in its pinned
# version into bench/node_modules. The build and the tests need none of it.
set -eu
cd "$(dirname "$0")"

packages="g++ python3-numpy python3-scipy python3-torch libdnnl-dev"
missing=""
for package in $packages; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    as_root=""
    [ "$(id -u)" -eq 0 ] || as_root="sudo"
    echo "Installing:$missing"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    # shellcheck disable=SC2086 # lists are meant to be split
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing
fi

if ! command -v npm >/dev/null; then
    echo "setup.sh: no npm here, so ONNX Runtime will be left out" >&2
    exit 0
fi
# Its install script would fetch GPU libraries; the processor's are in the package.
npm ci --ignore-scripts --no-audit --no-fund
