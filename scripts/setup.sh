#!/bin/sh
# Installs what the build needs on Debian 12, and with --tests what the tests need besides. Does
# nothing, and asks for no privileges, where everything is there already.
set -eu

# libcyaml's pkg-config file asks for libyaml, which its package does not bring along.
packages="build-essential cmake ninja-build pkg-config python3
libdcmtk-dev libopenjp2-7-dev libdeflate-dev libjansson-dev libcyaml-dev libyaml-dev
libcairo2-dev libpango1.0-dev libglib2.0-dev libcmocka-dev libssl-dev libboost-math-dev
fonts-dejavu-core fonts-liberation"
# NumPy and PyTorch compute through the BLAS library that is installed; the reference library, which their
# packages bring along, takes twice as long.
test_packages="python3-numpy python3-scipy python3-torch libopenblas0-pthread python3-nibabel python3-pydicom
python3-pil python3-jsonschema poppler-utils plastimatch dicom3tools dcmtk elastix
clang libclang-rt-14-dev orthanc iproute2 openssl
r-base-core r-cran-survival r-cran-proc r-cran-psych"
# The kernels for 64-bit Arm are cross-compiled and run by qemu, where the machine is not one itself.
if [ "$(dpkg --print-architecture 2>/dev/null || true)" = amd64 ]; then
    test_packages="$test_packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
libssl-dev:arm64 libcmocka-dev:arm64 libjansson-dev:arm64 libdeflate-dev:arm64"
fi

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

native=$(dpkg --print-architecture)
missing=""
for package in $packages; do
    # A name alone means this machine's own architecture, though others may be installed as well.
    case "$package" in
    *:*) wanted=${package#*:} ;;
    *) wanted="($native|all)" ;;
    esac
    dpkg-query -W -f '${Architecture} ${db:Status-Status}\n' "$package" 2>/dev/null |
        grep -qE "^$wanted installed\$" || missing="$missing $package"
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
case "$missing" in
*:arm64*) $as_root dpkg --add-architecture arm64 ;;
esac
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
# shellcheck disable=SC2086 # lists are meant to be split
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing
