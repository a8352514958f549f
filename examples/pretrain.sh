#!/bin/bash
# A start for the quick recipe like models/quick-start.safetensors: a light network that has learnt from SYNTHETIC pairs of visits
# alone, the baseline registered to the follow-up, which tissue of it belongs to the baseline's contour. Three stages,
# 15,800 pairs, two hours of one core; interrupted, the same command goes on. Equal seeds give equal weights on one instruction set.
#
#   examples/pretrain.sh OUT [PROGRAM]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: examples/pretrain.sh OUT [PROGRAM]}
program=${2:-$here/../build/release/reprise}

mkdir -p "$out"
# train NAME RATE EPOCHS SEED [MODEL]
train() {
    [ ! -e "$out/$1.safetensors" ] || return 0
    sed "s/learning_rate: .*/learning_rate: $2/" "$here/pretrain.yaml" > "$out/$1.yaml"
    "$program" pretrain ${5:+--model "$5"} --config "$out/$1.yaml" --epochs "$3" --seed "$4" --threads 1 \
        --out "$out/$1.safetensors" --resume
}
train first 0.002 45 17
train second 0.001 80 18 "$out/first.safetensors"
train quick-start 0.0006 33 19 "$out/second.safetensors"
