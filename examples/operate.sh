#!/usr/bin/env bash
# A store in operation: train, see the state, try another setting, compare, price, and clean up.
#
#     examples/operate.sh
#
# It works in a new directory, which it removes. It prints the state of the batches, how the error changes
# with 20 years of history instead of 10, which old configuration it removed, and what the batches cost.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export DAGSTER_HOME=$folder
options=(--variables gdp_growth --horizons 1 --start-date 2000-01-01 --batch-cadence quarterly --max-workers 1)

pulse-train "${options[@]}" --store short --history-days 3652 --json >training.json
pulse-train status "${options[@]}" --store short --history-days 3652
pulse-train "${options[@]}" --store long --json >training.json
pulse-train compare short long

# Batches per year in the store that has those per quarter.
pulse-train "${options[@]/quarterly/yearly}" --store short --json >training.json
pulse-train clean --store short --keep 1 --delete
python -c "
import json
costs = json.load(open('training.json'))['performance']['costs']
print(costs['batches'], 'batches,', costs['requests'], 'requests,', costs['processor_seconds'], 'CPU s')"
