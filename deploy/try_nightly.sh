#!/bin/bash
# Tries the deployment on this machine: starts a server (SQLite) and a worker of its own, deploys, lets the scheduler
# start a run, waits for a second one, which must find all work done, and stops everything. Ends within 10 minutes.
#   deploy/try_nightly.sh SOURCE     a folder, tar or Parquet file of a few thousand images at most
set -euo pipefail
set -m   # a process group each: a worker stops by interrupting itself, which plain background jobs ignore

source=$(realpath "${1:?wants a folder, tar or Parquet file}")
here=$(realpath "$(dirname "$0")")
port=${PORT:-4297}
folder=$(mktemp -d -t windrow-try-XXXXXX)
pids=()

stop() {
    trap - EXIT
    for signal in TERM KILL; do
        for pid in "${pids[@]}"; do kill -s "$signal" -- "-$pid" 2>/dev/null || true; done
        sleep 3
    done
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

for name in $(compgen -e PREFECT_) $(compgen -e WINDROW_); do unset "$name"; done
export PREFECT_HOME=$folder/prefect PREFECT_API_URL=http://127.0.0.1:$port/api
export PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 NO_COLOR=1
cd "$folder"
printf 'name: try\nsources: ["%s"]\nstore: store\n' "$source" > windrow.yaml

fail() {
    echo "$1; the last lines of the logs:" >&2
    tail -n 20 "$folder"/*.log >&2
    exit 1
}

# until_true SECONDS WHAT COMMAND...: wait for a command to succeed.
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "no $what in time"
        sleep 1
    done
}

finished() { [ "$(grep -c "nightly try' - Finished in state Completed" worker.log)" -ge "$1" ]; }
up() { python -c "import urllib.request as u; u.urlopen('$PREFECT_API_URL/health')"; }

prefect server start --host 127.0.0.1 --port "$port" > server.log 2>&1 & pids+=($!)
disown
until_true 120 "server" up
"$here"/setup.sh > setup.log 2>&1 || fail "setup.sh failed"
prefect worker start --pool windrow > worker.log 2>&1 & pids+=($!)
disown
prefect --no-prompt deployment schedule create nightly/nightly --interval 60 >> setup.log 2>&1

until_true 240 "first scheduled run" finished 1
until_true 240 "second scheduled run" finished 2
grep -E "found done|changed: nothing|v0001: new" worker.log | cut -d "'" -f 2- | head -n 18
grep -q "changed: nothing; v0001 stays" worker.log || fail "the second run did not find all work done"
python - "$PREFECT_API_URL" <<'PYTHON'
import json, sys, urllib.request
query = {"flows": {"name": {"any_": ["nightly"]}}, "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}, "sort": "START_TIME_ASC"}
request = urllib.request.Request(sys.argv[1] + "/flow_runs/filter", json.dumps(query).encode(), {"Content-Type": "application/json"})
for run in json.load(urllib.request.urlopen(request))[:2]:
    started_by = "the scheduler" if run["auto_scheduled"] else "hand"
    print(f"{run['name']}: {run['total_run_time']:.1f} s, started by {started_by}")
PYTHON
