#!/bin/sh
# Makes the work pool, the nightly deployment and the automations on the server at PREFECT_API_URL, from windrow.yaml (or
# WINDROW_CONFIG) in the current folder. WINDROW_FEATURE_TASKS limits how many groups of shards are embedded at once;
# WINDROW_WEBHOOK is where alerts go. Run it again after any change.
set -eu

here=$(dirname "$0")

prefect work-pool inspect windrow >/dev/null 2>&1 || prefect work-pool create windrow --type process
if [ -n "${WINDROW_FEATURE_TASKS:-}" ]; then
    prefect concurrency-limit create windrow-features "$WINDROW_FEATURE_TASKS"
fi
prefect --no-prompt deploy --all --prefect-file "$here/prefect.yaml"
python -m windrow.flows.automations ${WINDROW_WEBHOOK:+--webhook "$WINDROW_WEBHOOK"}
