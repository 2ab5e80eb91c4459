#!/usr/bin/env bash
# Everything that only a machine with a GPU can tell, in one command of at most nine minutes, offline:
#
#     benchmarks/gpu.sh [OUT] [DATASET]
#
# Writes OUT/gpu.md (default gpu-report/gpu.md): training steps a second at the paper's size against eager float32, the
# share of the bf16 peak, the wait for the loader; frames a second of the generator; a short training at 224 pixels with
# every loss whose weights are at hand; and whether a run that was stopped goes on on the GPU. Without DATASET it draws
# and builds the sample corpus. PYTHON names the interpreter (default: .venv/bin/python, else python3).
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-gpu-report}
dataset=${2:-$out/dataset}
python=${PYTHON:-.venv/bin/python}
command -v "$python" > /dev/null || python=python3
export PYTHONPATH=.${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
mkdir -p "$out"
report=$out/gpu.md
began=$SECONDS
failed=0

# step TITLE SECONDS COMMAND...: its output under the title; a failure or a time-out is written down, and the rest goes on.
step() {
    local title=$1 limit=$2 log=$out/step.log status=0
    shift 2
    echo "$title" >&2
    timeout "$limit" "$@" > "$log" 2>&1 || status=$?
    { echo; echo "## $title"; echo; grep -E '^\||^[A-Za-z].*:' "$log" | tr '\r' '\n' | grep -vE '(step|it)/s' | tail -n 40; } >> "$report"
    if [ "$status" -ne 0 ]; then
        failed=1
        { echo; echo "failed with status $status:"; echo; tr '\r' '\n' < "$log" | tail -n 5 | sed 's/^/    /'; } >> "$report"
    fi
}

"$python" - > "$report" <<'PYTHON' || { cat "$report"; exit 1; }
import sys
import torch
if not torch.cuda.is_available():
    sys.exit("benchmarks/gpu.sh: no GPU that torch can use here; nothing was measured")
card = torch.cuda.get_device_properties(0)
print(f"# {card.name}, {card.total_memory / 2**30:.0f} GiB, torch {torch.__version__}")
PYTHON

losses=()
"$python" -c 'from model.network.perceptual import load_perceptual; load_perceptual(None)' 2> "$out/vgg.log" \
    || { losses=(--perceptual-weight 0); { echo; echo "Without the perceptual loss: $(tail -n 1 "$out/vgg.log")"; } >> "$report"; }

if [ ! -f "$dataset/dataset.json" ]; then
    step "Sample dataset" 100 "$python" -m luigi --module pipeline BuildSample --corpus-root "$out/corpus" --out "$dataset" \
        --speakers 8 --clips 3 --seconds 1.5 --storage raw
fi
step "Training steps" 170 "$python" -m benchmarks.train_step --shards "$dataset" --turns 5 "${losses[@]}"
step "Inference" 60 "$python" -m benchmarks.inference --image-size 224 --turns 5
train=("$python" -m model.train --shards "$dataset" --out "$out/run" --checkpoint-every 20 --picture-every 20 --log-every 5
    "${losses[@]}")
step "Training at 224 pixels, 40 steps" 100 "${train[@]}" --steps 40
step "Gone on with to 60 steps" 60 "${train[@]}" --steps 60 --resume
{ echo; echo '```'; tail -n 4 "$out/run/metrics.csv"; echo '```'; } >> "$report" 2>&1
step "Evaluation" 40 "$python" -m model.evaluate --shards "$dataset" --checkpoint "$out/run" --stride 8
{ echo; echo "$((SECONDS - began)) seconds in all."; } >> "$report"
cat "$report"
exit "$failed"
