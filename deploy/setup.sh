#!/bin/sh
# Makes the work pool, the limit of the feature tasks, the nightly deployment and the automations on the server at
# PREFECT_API_URL. Reads windrow.yaml (or WINDROW_CONFIG) in the current folder. Run it again after any change.
set -eu

here=$(dirname "$0")
name=${WINDROW_NAME:-curated}

prefect work-pool inspect windrow >/dev/null 2>&1 || prefect work-pool create windrow --type process
prefect concurrency-limit create windrow-features "${WINDROW_FEATURE_TASKS:-2}"
prefect --no-prompt deploy --all --prefect-file "$here/prefect.yaml"
python -m windrow.flows.automations --name "$name" ${WINDROW_WEBHOOK:+--webhook "$WINDROW_WEBHOOK"}
