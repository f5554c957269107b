#!/usr/bin/env python3
"""DuckDB's `select 1` from Python, start to end."""
import duckdb

print(duckdb.connect().execute("select 1").fetchone()[0])
