#!/bin/bash
# Installs what is missing, builds, and assesses a synthetic patient with known truth.
set -euo pipefail
cd "$(dirname "$0")"
out=demo-output

scripts/setup.sh

echo "Building"
mkdir -p build
if ! { cmake --preset release && cmake --build --preset release --target reprise; } \
    >build/demo-build.log 2>&1; then
    tail -40 build/demo-build.log
    echo "demo.sh: the build failed; all of its output is in build/demo-build.log" >&2
    exit 1
fi

rm -rf "$out"
echo "Making a synthetic patient as DICOM: baseline CT, contour, follow-up CT, truth"
build/release/reprise phantom --seed 1 --dicom --out "$out" --quiet
patient=$out/patient-001

echo "Contouring the follow-up with the general model alone, which was trained on other synthetic patients"
model=models/general-synthetic.safetensors
build/release/reprise segment --model "$model" --image "$patient/followup" \
    --out "$out/general_followup_mask.nii.gz" --quiet
build/release/reprise compare-masks --reference "$patient/followup_mask.nii.gz" \
    --prediction "$out/general_followup_mask.nii.gz" | grep '^Dice'

echo "Adapting it to the patient's baseline, contouring and measuring the follow-up"
build/release/reprise assess --model "$model" \
    --baseline "$patient/baseline" --contour "$patient/baseline_rtstruct.dcm" \
    --followup "$patient/followup" --truth "$patient/followup_mask.nii.gz" \
    --config examples/demo.yaml --seed 1 --out "$out/assessment"

echo
echo "Contours, measurements and the patient's model: $out/assessment"
echo "Report, to be opened in a browser:              $out/assessment/report.html"
