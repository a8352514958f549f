#!/bin/bash
# What adapting gains where the general model has seen few patients: trains one on the first N patients of the
# cohort of synthetic_study.sh, then contours the follow-ups of its validation patients with it as it is, and
# adapted. Everything is SYNTHETIC. About 12 minutes on one core.
#
#   examples/few_patients.sh OUT N [PROGRAM]     OUT: the folder of synthetic_study.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: examples/few_patients.sh OUT N [PROGRAM]}
count=${2:?usage: examples/few_patients.sh OUT N [PROGRAM]}
program=${3:-$here/../build/release/reprise}
work=$out/few$count
mkdir -p "$work"

# Paths in a manifest are relative to it.
awk -F, -v most="$count" '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == "split") split_at = i }
    $split_at != "training" || $1 in kept || kept_count < most {
        if ($split_at == "training" && !($1 in kept)) { kept[$1]; kept_count++ }
        print
    }' "$out/manifest.csv" >"$out/manifest-few$count.csv"

# As many steps whatever the number of patients: 320, of two visits each.
cat >"$work/settings.yaml" <<SETTINGS
preprocessing:
  spacing_mm: [3.0, 3.0, 4.0]
train:
  epochs: $((160 / count))
  crop: [48, 48, 32]
  validate_every: $((40 / count))
SETTINGS
"$program" train --manifest "$out/manifest-few$count.csv" --config "$work/settings.yaml" --out "$work/general" \
    --seed 1 --resume
"$here/ingredients.py" --program "$program" --manifest "$out/manifest.csv" \
    --general "$work/general/best.safetensors" --out "$work/ingredients" --variants "not adapted,base"
