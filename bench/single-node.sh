#!/bin/sh
# One whole node with one proxy thread in front of 127.0.0.1:9001-9003, in the foreground, state in a fresh directory: the
# contestant `flotilla` for side-by-side measurements with other proxies.
#
#   bench/single-node.sh [PORT]        HTTP on 127.0.0.1:PORT, default 8110
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
port=${1:-8110}
"$here/../flotilla" node --node-id bench --data-dir "$data" --initial-config "$here/single-node.yaml" \
  --api-listen 127.0.0.1:17410 --raft-listen 127.0.0.1:17510 --bind-address 127.0.0.1 --port-offset $((port - 8080)) \
  --proxy-threads 1 --log-level warn
