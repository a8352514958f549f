#!/bin/sh
# Installs what the build needs on Debian 12, and with --tests what the tests need besides. Does
# nothing, and asks for no privileges, where everything is there already.
set -eu

# libcyaml's pkg-config file asks for libyaml, which its package does not bring along.
packages="build-essential cmake ninja-build pkg-config python3
libdcmtk-dev libopenjp2-7-dev libdeflate-dev libjansson-dev libcyaml-dev libyaml-dev
libcairo2-dev libpango1.0-dev libcmocka-dev libssl-dev fonts-dejavu-core"
test_packages="python3-numpy python3-scipy python3-torch python3-nibabel python3-pydicom
plastimatch dicom3tools"

case "${1:-}" in
"") ;;
--tests) packages="$packages $test_packages" ;;
*)
    echo "usage: scripts/setup.sh [--tests]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "setup.sh: this is not a Debian system. Needed: $packages" >&2
    exit 1
fi

missing=""
for package in $packages; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Installing:$missing"
if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null; then
    as_root="sudo"
else
    echo "setup.sh: neither root nor sudo. Ask an administrator for:$missing" >&2
    exit 1
fi
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
# shellcheck disable=SC2086 # lists are meant to be split
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing
