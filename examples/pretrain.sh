#!/bin/bash
# A start for the quick recipe like models/quick-start.safetensors: a light network that has learnt from SYNTHETIC pairs of visits
# alone, the baseline registered to the follow-up, which tissue of it belongs to the baseline's contour. Two stages, 2600 and 4200
# pairs; interrupted, the same command goes on. Equal seeds give equal weights on one instruction set.
#
#   examples/pretrain.sh OUT [PROGRAM]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: examples/pretrain.sh OUT [PROGRAM]}
program=${2:-$here/../build/release/reprise}

mkdir -p "$out"
[ -e "$out/first.safetensors" ] ||
    "$program" pretrain --config "$here/pretrain.yaml" --epochs 26 --seed 17 --threads 1 \
        --out "$out/first.safetensors" --resume
sed 's/learning_rate: 0.002/learning_rate: 0.001/' "$here/pretrain.yaml" > "$out/second.yaml"
[ -e "$out/quick-start.safetensors" ] ||
    "$program" pretrain --model "$out/first.safetensors" --config "$out/second.yaml" --epochs 42 --seed 18 --threads 1 \
        --out "$out/quick-start.safetensors" --resume
