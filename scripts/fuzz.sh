#!/bin/bash
# Fuzzes the readers: scripts/fuzz.sh [--seconds N] [--corpus FOLDER] [TARGET...]
#
# Builds the preset fuzz and runs each target (default: all) for N seconds (default 60), one process
# at a time with low priority. Inputs that reach new code are kept below FOLDER (default
# build/fuzz/corpus), where the next call goes on; findings lie in FOLDER/TARGET.findings, and
# FOLDER/log.tsv has a line for each run, from which the processor time so far is summed.
# The exit status is 1 where something was found.
set -uo pipefail
here=$(pwd)
cd "$(dirname "$0")/.." || exit 2
seconds=60
corpus=build/fuzz/corpus
most_findings=20
targets=()

while [ $# -gt 0 ]; do
    case $1 in
    --seconds) seconds=${2:?--seconds wants a number} && shift ;;
    --corpus) corpus=$(cd "$here" && realpath -m "${2:?--corpus wants a folder}") && shift ;;
    -*)
        sed -n '2,3p' "$0" >&2
        exit 2
        ;;
    *) targets+=("$1") ;;
    esac
    shift
done

mkdir -p "$corpus"
if ! { cmake --preset fuzz && nice cmake --build --preset fuzz; } >"$corpus/build.log" 2>&1; then
    tail -30 "$corpus/build.log" >&2
    exit 2
fi
read -ra limits <build/fuzz/fuzz-limits.txt
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:strict_string_checks=1:malloc_context_size=10
export UBSAN_OPTIONS=print_stacktrace=1

# What the last run of libFuzzer wrote about: executions and coverage.
executions() { sed -n 's/^stat::number_of_executed_units: *//p' "$1" | tail -1; }
coverage() { grep -oE 'cov: [0-9]+ ft: [0-9]+' "$1" | tail -1 | cut -d' ' -f2; }

# run NAME PROGRAM DICTIONARY SEEDS KEPT: until the seconds are over, again after each finding.
run() {
    local name=$1 program=$2 dictionary=$3 folders=("$corpus/$1" "$4")
    local findings=$corpus/$1.findings log=$corpus/$1.log end=$((SECONDS + seconds)) left times before
    [ -d "$5" ] && folders+=("$5")
    mkdir -p "$corpus/$name" "$findings"
    before=$(find "$findings" -type f | wc -l)
    while left=$((end - SECONDS)) && [ "$left" -gt 0 ]; do
        TIMEFORMAT='%U %S'
        times=$({ time nice -n 15 "$program" "${limits[@]}" -max_total_time="$left" -print_final_stats=1 \
            -dict="$dictionary" -artifact_prefix="$findings/" "${folders[@]}" >"$log" 2>&1; } 2>&1)
        printf '%s\t%s\t%s\t%s\t%s\n' "$(date -u +%FT%TZ)" "$name" "$(awk '{print $1 + $2}' <<<"$times")" \
            "$(executions "$log")" "$(coverage "$log")" >>"$corpus/log.tsv"
        [ $(($(find "$findings" -type f | wc -l) - before)) -lt "$most_findings" ] || break
    done
}

# report NAME...: the sums of the log beside what lies in the folders.
report() {
    local name
    printf '%-14s %13s %9s %8s %9s %12s\n' target executions coverage inputs findings "CPU seconds"
    for name in "$@"; do
        awk -F'\t' -v name="$name" -v inputs="$(find "$corpus/$name" -type f | wc -l)" \
            -v findings="$(find "$corpus/$name.findings" -type f | wc -l)" '
            $2 == name { cpu += $3; executions += $4; if ($5 != "") coverage = $5 }
            END { printf "%-14s %13d %9d %8d %9d %12.0f\n", name, executions, coverage, inputs, findings, cpu }
        ' "$corpus/log.tsv"
    done
}

known=$(cut -f1 build/fuzz/fuzz-targets.tsv)
[ ${#targets[@]} -gt 0 ] || mapfile -t targets <<<"$known"
for target in "${targets[@]}"; do
    if ! grep -qxF -- "$target" <<<"$known"; then
        echo "fuzz.sh: no target $target; there are: ${known//$'\n'/ }" >&2
        exit 2
    fi
done
for target in "${targets[@]}"; do
    ctest --test-dir build/fuzz -R "^fuzz\.seeds\.$target\$" >"$corpus/seeds.log" 2>&1 || { cat "$corpus/seeds.log" >&2 && exit 2; }
    IFS=$'\t' read -r name program dictionary seeds kept < <(grep -P "^$target\t" build/fuzz/fuzz-targets.tsv)
    run "$name" "$program" "$dictionary" "$seeds" "$kept"
done
report "${targets[@]}"
for target in "${targets[@]}"; do
    [ -z "$(ls -A "$corpus/$target.findings")" ] || exit 1
done
