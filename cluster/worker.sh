#!/bin/bash
# cluster/worker.sh BuildTimit --corpus-root ... --out ... --scheduler-host ...
# One host's part of a build that several share: luigi, again and again while it says that others are still at work
# (status 25), at most FLNET_RUNS times. FLNET_MODULE=model.experiments does the same for Table1 and Ablations.
runs=${FLNET_RUNS:-50}
while :; do
    luigi --module "${FLNET_MODULE:-pipeline}" "$@"
    status=$?
    runs=$((runs - 1))
    if [ "$status" -ne 25 ] || [ "$runs" -le 0 ]; then exit "$status"; fi
    sleep 2
done
