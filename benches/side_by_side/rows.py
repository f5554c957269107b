"""The rows of the table: what is run, against what, and how fast it shall be."""
import os, sys
from dataclasses import dataclass

from side_by_side.programs import HERE, Measured, Program, in_turn, printed_by

PEER = os.path.join(HERE, "peers")
USERS = "id, uid, gender, age_range, zodiac, score, created"


@dataclass
class Line:
    """One line of the table. `ratio` is as the target words it; `met` is None where there is no target to meet here."""

    work: str
    against: str
    ours: object
    theirs: object
    ratio: str
    target: str
    met: bool | None


def per(number):
    return f"{number:.2f}" if number < 10 else f"{number:.1f}"


class Bench:
    """What all rows need: programs, servers, folders, and how often to run."""

    def __init__(self, syncline, python, source, discarding, files, scratch, data, rows, rounds):
        self.syncline, self.python, self.source, self.rounds, self.rows = syncline, python, source, rounds, rows
        self.discarding, self.files, self.scratch, self.data = discarding, files, scratch, data
        self.mysql_url = f"mysql://{source.user}@{source.host}:{source.port}/workshop"
        with open(f"{scratch}/syncline.toml", "w") as config:
            config.write(
                f'[catalogs.src]\ntype = "mysql"\nurl = "{self.mysql_url}"\n'
                f'[catalogs.sr]\ntype = "starrocks"\nurl = "mysql://{discarding.address["mysql"]}/bench"\n'
                f'load_url = "{discarding.address["http"]}"\nuser = "root"\n'
                f'[catalogs.files]\ntype = "http"\nurl = "{files.url}"\n'
            )
        tables = (
            "CREATE DATABASE sr.bench; CREATE TABLE sr.users (id BIGINT, uid STRING, gender STRING, age_range STRING,\n"
            "  zodiac STRING, score DECIMAL(10,2), created DATETIME) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id);\n"
            "CREATE TABLE sr.logs (col STRING) DUPLICATE KEY(col) DISTRIBUTED BY HASH(col);\n"
            "CREATE EXTERNAL TABLE user_log (col STRING) STORED AS TEXTFILE LOCATION 'files:/user_log.txt';\n"
        )
        self.job("tables", tables, "tables").run()

    def job(self, name, sql, file):
        """`syncline run` of a script, from start to end of the process."""
        path = f"{self.scratch}/{file}.sql"
        with open(path, "w") as script:
            script.write(sql)
        return Program(name, [self.syncline, "run", path, "--state-dir", f"{self.scratch}/state"])

    def peer(self, name, script, *arguments, **how):
        return Program(name, [self.python, os.path.join(PEER, script), *arguments], **how)

    def bench(self, name, *arguments):
        """The JSON lines of one of our Rust benches, which runs both sides in turn within one process."""
        command = ["cargo", "bench", "-q", "-p", "syncline-benches", "--bench", name, "--", *map(str, arguments)]
        return printed_by(command, cwd=os.path.dirname(HERE))

    def in_turn(self, title, *programs):
        return in_turn([program for program in programs if program], self.rounds, title)


def end_to_end(bench):
    """MySQL to Stream Load, beside sling, MySQL to a file, and ConnectorX, MySQL to memory."""
    ours = bench.job("syncline", f"INSERT INTO sr.users SELECT {USERS} FROM src.ods_user_info_d;\n", "end_to_end")
    sling = Program(
        "sling",
        [
            os.path.join(os.path.dirname(bench.python), "sling-binary"),
            *("run", "--src-conn", "WORKSHOP", "--src-stream", f"select {USERS} from ods_user_info_d"),
            *("--tgt-object", f"file://{bench.scratch}/sling.csv"),
        ],
        environment={
            "WORKSHOP": bench.mysql_url.replace("@", ":@", 1),
            "SLING_DISABLE_TELEMETRY": "true",
            "SLING_HOME_DIR": bench.scratch,
        },
    )
    url, query = bench.mysql_url.replace("@", ":@", 1), f"select {USERS} from ods_user_info_d"
    readers = [
        bench.peer(f"connectorx, {n} connections", "connectorx_read.py", url, query, str(n), "id", timed=False)
        for n in (1, 2, 4)
    ]
    found = bench.in_turn("MySQL to Stream Load", ours, sling, *readers)
    syncline, slow = found["syncline"], found["sling"]
    best = min((found[reader.name] for reader in readers), key=lambda measured: measured.seconds)
    faster, memory = slow.seconds / syncline.seconds, syncline.peak_mb / best.peak_mb
    title = f"MySQL to Stream Load, {bench.rows:,} rows"
    return [
        Line(title, "sling, MySQL to file", syncline, slow, f"{per(faster)} times as fast", "15 times", faster >= 15),
        Line("the same", f"{best.name}, into memory", syncline, best, f"{per(syncline.seconds / best.seconds)} of its time",
             "at most 1", syncline.seconds <= best.seconds),
        Line("the same, peak memory", best.name, f"{syncline.peak_mb:.0f} MB", f"{best.peak_mb:.0f} MB",
             f"{per(memory)} of it", "under 0.33", memory < 1 / 3),
    ]


def read(bench):
    """MySQL to Arrow over one connection, beside a loop of mysql_async that drops the rows."""
    lines = bench.bench("mysql_read", bench.rounds)
    ours, theirs = (Measured(name, [line for line in lines if line["program"] == name]) for name in ("syncline", "mysql_async"))
    ratio = ours.seconds / theirs.seconds
    return [Line(f"MySQL to Arrow, 1 connection, {bench.rows:,} rows", "mysql_async loop that drops the rows", ours, theirs,
                 f"{per(ratio)} of its time", "at most 1.25", ratio <= 1.25)]


def encode(bench):
    """Arrow to CSV in memory, beside arrow-csv and a copy of the bytes on one core, and Polars and DuckDB on all."""
    found = {(line["work"], line["threads"]): line for line in bench.bench("encode_ratio", "--rows", bench.rows, "--rounds", bench.rounds)}
    columns, log = found["users", 1], found["log_lines", 1]
    cores = max(threads for work, threads in found if work == "users")
    ours = found["users", cores]["ours_seconds"]
    writers = printed_by([bench.python, os.path.join(PEER, "csv_writers.py"), bench.data, str(bench.rounds)])

    def told(seconds):
        return f"{seconds * 1000:.0f} ms"

    lines = [
        Line("Arrow to CSV, the seven columns, one core", "arrow-csv", told(columns["ours_seconds"]), told(columns["peer_seconds"]),
             f"{per(columns['ratio'])} times as fast", "8 times", columns["ratio"] >= 8),
        Line("Arrow to CSV, one column of log lines, one core", "memcpy of the bytes", told(log["ours_seconds"]),
             told(log["peer_seconds"]), f"{per(log['ratio'])} of its speed", "at least 0.4", log["ratio"] >= 0.4),
    ]
    for peer in ("polars", "duckdb"):
        best = min((writer for writer in writers if writer["peer"] == peer), key=lambda writer: writer["seconds"])
        faster = best["seconds"] / ours
        lines.append(Line(f"Arrow to CSV, the seven columns, {cores} cores", f"{peer}, {best['settings']}", told(ours), told(best["seconds"]),
                          f"{per(faster)} times as fast", "4 times", faster >= 4))
    return lines


def http_file(bench):
    """A file over HTTP to Stream Load, beside curl into curl over the same two servers."""
    megabytes = os.path.getsize(os.path.join(bench.data, "user_log.txt")) / 1e6
    ours = bench.job("syncline", "INSERT INTO sr.logs SELECT col FROM user_log;\n", "http_file")
    upload = (
        f"curl -sS --fail {bench.files.url}/user_log.txt | curl -sS --fail --location-trusted -u root: -H 'Expect: 100-continue' "
        f"-H 'format: csv' -H 'column_separator: \\x01' -T - http://{bench.discarding.address['http']}/api/bench/logs/_stream_load "
        "| grep -q '\"Status\": \"Success\"'"
    )
    found = bench.in_turn("HTTP file to Stream Load", ours, Program("curl", ["bash", "-o", "pipefail", "-c", upload]))
    ratio = found["curl"].seconds / found["syncline"].seconds
    return [Line(f"HTTP file of {megabytes:.0f} MB to Stream Load", "curl file | curl -T -, the same servers", found["syncline"],
                 found["curl"], f"{per(ratio)} of its speed", "at least 0.7", ratio >= 0.7)]


def start_up(bench):
    """`select 1` from the start of the process to its end."""
    ours = Program("syncline", [bench.syncline, "query", "select 1", "--state-dir", f"{bench.scratch}/state"], times=10)
    theirs = bench.peer("duckdb", "duckdb_select.py", times=3)
    found = bench.in_turn("select 1", ours, theirs)
    seconds, other = found["syncline"].seconds, found["duckdb"].seconds
    return [Line("syncline query 'select 1', start to end", "DuckDB's Python select 1", found["syncline"], found["duckdb"],
                 f"{per(seconds / other)} of its time", "faster, and under 50 ms", seconds < min(other, 0.05))]


def memory(bench):
    """Peak memory with default settings, at the usual size and at four times that."""
    lines = []
    sizes = [("ods_user_info_d", bench.rows, 140), ("large", 4 * bench.rows, 200)]
    for table, rows, limit in sizes:
        if table == "large" and bench.source.one("SELECT count(*) FROM information_schema.tables WHERE table_name = 'large'") == 0:
            continue
        sql = f"INSERT INTO sr.users SELECT {USERS} FROM src.{table};\n"
        found = in_turn([bench.job("syncline", sql, table)], min(bench.rounds, 3), f"peak memory at {rows:,} rows")["syncline"]
        # the limits are for 4 and 16 million rows
        met = found.peak_mb < limit if bench.rows == 4_000_000 else None
        lines.append(Line(f"peak memory, default settings, {rows:,} rows", "itself", f"{found.peak_mb:.0f} MB", "", "",
                          f"under {limit} MB", met))
    return lines


def splits(bench):
    """The same read with more and more connections, as far as this machine has cores."""
    cores = os.cpu_count()
    counts = [count for count in (1, 2, 4, 8, 16) if count <= max(cores, 2)]
    programs = [
        bench.job(
            f"{count} connections",
            f"SET syncline.split_column = 'ods_user_info_d.id'; SET syncline.read_connections = {count};\n"
            f"INSERT INTO sr.users SELECT {USERS} FROM src.ods_user_info_d;\n",
            f"splits_{count}",
        )
        for count in counts
    ]
    found = bench.in_turn("splits", *programs)
    one = found["1 connections"]
    lines = []
    for count in counts[1:]:
        measured = found[f"{count} connections"]
        linear = one.seconds / measured.seconds / count
        # the server, the discarding server and Syncline share the cores: there is nothing to gain where they have none left
        met = linear >= 0.8 if cores >= 4 * count else None
        lines.append(Line(f"MySQL to Stream Load with {count} connections, {cores} cores for all", "1 connection", measured, one,
                          f"{per(linear)} of linear", "at least 0.8 until full", met))
    return lines


# in the order of the table; by the word that `--only` takes
ROWS = {"end_to_end": end_to_end, "read": read, "encode": encode, "http_file": http_file, "memory": memory, "start_up": start_up, "splits": splits}
