#!/bin/bash
# Installs what is missing, builds and runs all tests: optimised, under the address and
# undefined-behaviour sanitizers, the fuzzers of the readers for some seconds each, the threaded
# modules under the thread sanitizer, and what needs neither DICOM nor pictures on an emulated
# 64-bit Arm.
# The last line is "N passed, N failed, N skipped"; the exit status is 0 only without failures.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
jobs=$(nproc)
results=build/test-results
reports=()

scripts/setup.sh --tests || exit 1
rm -rf "$results"
mkdir -p "$results"

# build PRESET TARGET [cmake option...]
build() {
    local preset=$1 target=$2 log=$results/build-$1.log
    shift 2
    echo "== Building $preset"
    if ! { cmake --preset "$preset" "$@" &&
        cmake --build --preset "$preset" --target "$target" -j "$jobs"; } >"$log" 2>&1; then
        tail -60 "$log"
        echo "test.sh: the build of $preset failed; all of its output is in $log"
        echo "0 passed, 1 failed, 0 skipped"
        exit 1
    fi
}

# check PRESET [ctest option...]: one more at a time than there are processors, for those that wait.
check() {
    local preset=$1
    shift
    echo "== Testing $preset"
    reports+=("$preset=$results/$preset.xml")
    "${wrapper[@]}" ctest --test-dir "build/$preset" --no-tests=error -j "$((jobs + 1))" \
        --output-junit "$PWD/$results/$preset.xml" --test-output-size-passed 1000000 \
        --test-output-size-failed 1000000 "$@" 2>&1 | grep --line-buffered -E '^ *[0-9]+/[0-9]+ Test|^No tests'
}

wrapper=()
build release all -DRP_WERROR=ON
check release

export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1
export LSAN_OPTIONS=suppressions=$PWD/tests/sanitizers/leaks.supp:print_suppressions=0
build asan-ubsan all
check asan-ubsan -L '^(unit|cli)$' -LE '^slow$'
build fuzz all
check fuzz

# gcc 12's thread sanitizer cannot live with the address layouts of newer kernels.
setarch -R true 2>/dev/null && wrapper=(setarch -R)
export TSAN_OPTIONS=halt_on_error=1
build tsan threaded_tests
check tsan -L '^threaded$'

wrapper=()
if [ "$(dpkg --print-architecture)" = amd64 ]; then
    build aarch64 all -DRP_WERROR=ON
    check aarch64
fi

echo "== Summary"
exec python3 scripts/summary.py "${reports[@]}"
