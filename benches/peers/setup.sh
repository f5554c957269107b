#!/usr/bin/env bash
# Installs the tools that the side-by-side runs measure Syncline against, into a virtual environment of their own, and prints
# where they are.
#
#   benches/peers/setup.sh            into $PEERS, else ~/.cache/peers
#
# gen_data.py makes the data of the tutorial tables at any size; connectorx_read.py is the reader in Python.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
peers="${PEERS:-$HOME/.cache/peers}"
[ -x "$peers/bin/python" ] || python3 -m venv "$peers"
# sling 1.4.11 is the last release whose binary comes inside of a Python wheel
"$peers/bin/pip" install -q --disable-pip-version-check \
    sling==1.4.11 sling-linux-amd64==1.4.11 connectorx==0.4.6 duckdb polars pyarrow pymysql
sling=$("$peers/bin/python" -c 'import os, sling_linux_amd64 as s; print(os.path.join(os.path.dirname(s.__file__), "bin", "sling-linux-amd64"))')
ln -sf "$sling" "$peers/bin/sling-binary"
echo "sling:      $peers/bin/sling-binary   (set SLING_DISABLE_TELEMETRY=true)"
echo "connectorx: $peers/bin/python $here/connectorx_read.py URL QUERY [PARTITIONS PARTITION_COLUMN]"
