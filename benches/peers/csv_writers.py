#!/usr/bin/env python3
"""Writes the user table from memory as CSV with Polars and with DuckDB, all cores, and prints the seconds of each as JSON lines.

usage: csv_writers.py DATA_DIR [ROUNDS]

DATA_DIR/user_info.tsv is what gen_data.py made. Both write to /dev/null, so that no disk is measured, in turn A B A B. Tables are in the types
of the MySQL table: 64-bit id, texts, DECIMAL(10,2), a timestamp. Polars runs with its default batch and the one that is fastest of three,
DuckDB with and without the order of rows (it writes side by side only without); the better of each is what counts.
"""
import json, os, statistics, sys, time

import duckdb
import polars

COLUMNS = ["id", "uid", "gender", "age_range", "zodiac", "score", "created"]


def main():
    path, rounds = os.path.join(sys.argv[1], "user_info.tsv"), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    duck = duckdb.connect()
    duck.execute(
        "CREATE TABLE users AS SELECT * FROM read_csv(?, delim='\t', header=false, quote='', nullstr='\\N', columns={'id': 'BIGINT', "
        "'uid': 'VARCHAR', 'gender': 'VARCHAR', 'age_range': 'VARCHAR', 'zodiac': 'VARCHAR', 'score': 'DECIMAL(10,2)', 'created': 'TIMESTAMP'})",
        [path],
    )
    frame = polars.from_arrow(duck.sql("SELECT * FROM users").to_arrow_table()).rechunk()

    def of_polars(**settings):
        frame.write_csv(
            "/dev/null", include_header=False, separator="\x01", null_value="\\N", quote_style="never",
            datetime_format="%Y-%m-%d %H:%M:%S", **settings,
        )

    def of_duckdb(keeps_order):
        duck.execute(f"SET preserve_insertion_order = {'true' if keeps_order else 'false'}")
        duck.execute("COPY users TO '/dev/null' (FORMAT csv, HEADER false, DELIMITER '\x01', NULLSTR '\\N', QUOTE '')")

    writers = {
        ("polars", "default"): lambda: of_polars(),
        ("polars", "batch_size 8192"): lambda: of_polars(batch_size=8192),
        ("polars", "batch_size 65536"): lambda: of_polars(batch_size=65536),
        ("duckdb", "order kept"): lambda: of_duckdb(True),
        ("duckdb", "order not kept"): lambda: of_duckdb(False),
    }
    seconds = {name: [] for name in writers}
    for _ in range(rounds):
        for name, write in writers.items():
            start = time.perf_counter()
            write()
            seconds[name].append(time.perf_counter() - start)
    versions = {"polars": polars.__version__, "duckdb": duckdb.__version__}
    for (peer, settings), found in seconds.items():
        print(json.dumps({
            "work": "users", "peer": peer, "settings": settings, "version": versions[peer], "rows": frame.height,
            "threads": os.cpu_count(), "seconds": round(statistics.median(found), 4),
            "fastest": round(min(found), 4), "slowest": round(max(found), 4),
        }))


main()
