#!/bin/bash
# The study in small on a SYNTHETIC cohort: 24 phantom patients, 16 to train a general model on, 8 to evaluate, some of them
# not evaluable by RECIST. Two cores take one to two hours; interrupted, the same command goes on. docs/evaluation.md shows
# what came out. The general model that comes with the program (models/) is the best one of the training here.
#
#   examples/synthetic_study.sh OUT [PROGRAM]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: examples/synthetic_study.sh OUT [PROGRAM]}
program=${2:-$here/../build/release/reprise}

mkdir -p "$out"
[ -e "$out/cohort" ] || "$program" phantom --patients 24 --seed 2026 --out "$out/cohort"
[ -e "$out/all.csv" ] || "$program" import phantom "$out/cohort" --out "$out/all.csv"
[ -e "$out/manifest.csv" ] ||
    "$program" manifest split "$out/all.csv" --random 0.3333 --seed 1 --out "$out/manifest.csv"
[ -e "$out/general/run.json" ] ||
    "$program" train --manifest "$out/manifest.csv" --config "$here/study.yaml" --seed 1 \
        --out "$out/general" --resume
"$program" convert "$out/general/best.safetensors" "$out/general-synthetic.safetensors" --half
"$program" evaluate --manifest "$out/manifest.csv" --model "$out/general" \
    --config "$here/study.yaml" --seed 1 --out "$out/evaluation"
