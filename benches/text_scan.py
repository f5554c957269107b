#!/usr/bin/env python3
"""A large log of lines, counted and measured by Syncline and by DuckDB, side by side.

usage: cargo build --release && benches/peers/setup.sh && ~/.cache/peers/bin/python benches/text_scan.py [ROUNDS]      (default: 5)

Makes a log of about 500 MB with gen_data.py, once, in $DATA (default: a folder in the system's temporary one), and runs
`SELECT count(*), sum(length(col))` over it by turns, Syncline and DuckDB, on one core and on two: both programs are held to these cores, and DuckDB
to as many threads. Either is a process of its own that runs the query three times and tells the fastest: Syncline's time is that of its report.
Prints one JSON object a line: cores, median seconds of each, and how many times DuckDB's time Syncline took. Fails if the answers differ.
SYNCLINE names the binary (default: target/release/syncline).
"""
import json, os, statistics, subprocess, sys, tempfile

SYNCLINE = os.path.abspath(os.environ.get("SYNCLINE", "target/release/syncline"))
DATA = os.environ.get("DATA", os.path.join(tempfile.gettempdir(), "syncline-text-scan"))
HERE = os.path.dirname(os.path.abspath(__file__))
DUCKDB = """
import duckdb, json, sys, time
connection = duckdb.connect()
connection.execute("SET threads = " + sys.argv[2])
sql = ("SELECT count(*), sum(length(col)) FROM read_csv(?, columns = {'col': 'VARCHAR'}, delim = '\\x01', quote = '', escape = '', "
       "header = false, auto_detect = false, max_line_size = 1000000)")
times = []
for _ in range(3):
    began = time.perf_counter()
    row = connection.execute(sql, [sys.argv[1]]).fetchone()
    times.append(time.perf_counter() - began)
print(json.dumps({"seconds": min(times), "row": [int(value) for value in row]}))
"""


def on_cores(cores, command, **how):
    """Runs a command on the first so many cores; its standard output as JSON."""
    done = subprocess.run(["taskset", "-c", f"0-{cores - 1}", *command], stdout=subprocess.PIPE, check=True, **how)
    return json.loads(done.stdout)


def duckdb(log, cores):
    return on_cores(cores, [sys.executable, "-c", DUCKDB, log, str(cores)])


def syncline(script, cores):
    with tempfile.TemporaryDirectory() as state, tempfile.TemporaryFile("w+") as results:
        command = [SYNCLINE, "run", script, "--report", "json", "--format", "csv", "--state-dir", state]
        report = on_cores(cores, command, stderr=results)
        results.seek(0)
        rows = [line.split(",") for line in results.read().splitlines() if line.replace(",", "").isdigit()]
    queries = [statement for statement in report["statements"] if statement["kind"] == "query"]
    return {"seconds": min(query["seconds"] for query in queries), "row": [int(value) for value in rows[0]]}


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    log, script = os.path.join(DATA, "user_log.txt"), os.path.join(DATA, "text_scan.sql")
    if not os.path.exists(log):
        subprocess.run([sys.executable, os.path.join(HERE, "peers", "gen_data.py"), DATA, "4000000"], check=True)
    with open(script, "w") as file:
        file.write("CREATE EXTERNAL TABLE log (col STRING) STORED AS TEXTFILE LOCATION 'user_log.txt';\n")
        file.write("SELECT count(*), sum(length(col)) FROM log;\n" * 3)
    for cores in (1, 2):
        found = {"syncline": [], "duckdb": []}
        for _ in range(rounds):
            ours, theirs = syncline(script, cores), duckdb(log, cores)
            if ours["row"] != theirs["row"]:
                sys.exit(f"the answers differ: {ours['row']} and {theirs['row']}")
            found["syncline"].append(ours["seconds"])
            found["duckdb"].append(theirs["seconds"])
        median = {name: statistics.median(times) for name, times in found.items()}
        print(json.dumps({"cores": cores, "megabytes": round(os.path.getsize(log) / 1e6),
                          "syncline_seconds": round(median["syncline"], 3), "duckdb_seconds": round(median["duckdb"], 3),
                          "ratio": round(median["syncline"] / median["duckdb"], 2)}))


main()
