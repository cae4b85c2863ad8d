#!/bin/sh
# One whole node in front of 127.0.0.1:9001-9003, in the foreground, state in a fresh directory: the contestant `flotilla` for
# side-by-side measurements with other proxies. HTTP (also h2c) on PORT, HTTPS (also h2) on PORT + 100, TCP on PORT + 200.
#
#   [THREADS=1] [LOG_RATIO=0] bench/single-node.sh [PORT]      default 8110
#
# THREADS: proxy threads. LOG_RATIO: share of the requests that the access log has, 0 to 1. Needs openssl.
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
port=${1:-8110}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 7 -subj /CN=localhost \
  -keyout "$data/key.pem" -out "$data/cert.pem" 2>/dev/null
indented() { sed 's/^/      /' "$1"; }
{
  sed "s/LOG_RATIO/${LOG_RATIO:-0}/" "$here/single-node.yaml"
  printf 'certificates:\n  - name: local\n    certPem: |\n%s\n    keyPem: |\n%s\n' \
    "$(indented "$data/cert.pem")" "$(indented "$data/key.pem")"
} >"$data/cluster.yaml"
"$here/../flotilla" node --node-id bench --data-dir "$data/node" --initial-config "$data/cluster.yaml" \
  --api-listen 127.0.0.1:17410 --raft-listen 127.0.0.1:17510 --bind-address 127.0.0.1 --port-offset $((port - 8080)) \
  --proxy-threads "${THREADS:-1}" --log-level warn
