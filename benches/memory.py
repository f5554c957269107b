#!/usr/bin/env python3
"""Peak memory and speed of one job, MariaDB to MiniRocks, at growing sizes.

usage: cargo build --release && tests/run --shell python3 benches/memory.py [ROWS…]      (default: 1000000 4000000)
       WRITE_MODE=single … the same in one streamed load; unset, the mode that `auto` chooses

Prints one JSON object a line: rows, seconds, rows a second, peak memory of the syncline process in MiB. Fails if rows are missing.
SYNCLINE names the binary (default: target/release/syncline).
"""
import json, os, re, resource, subprocess, sys, tempfile, time, urllib.parse

import pymysql

SYNCLINE = os.environ.get("SYNCLINE", "target/release/syncline")
WRITE_MODE = os.environ.get("WRITE_MODE", "auto")
# users like those of the tutorial, made by the server: NULLs, several bytes a character, decimals, dates
FILL = """INSERT INTO users SELECT seq, lpad(seq * 7919 % 1000003, 16, '0'),
  if(seq % 10 = 3, NULL, elt(1 + seq * 31 % 5, 'male', 'female', 'unknown', '男', '女')),
  elt(1 + seq * 17 % 5, '0-20', '20-30', '30-40', '40-50', '50+'),
  elt(1 + seq * 13 % 8, 'Aries', 'Taurus', 'Gemini', '白羊座', '双子座', 'Pisces', 'Leo', '处女座'),
  (seq * 7919) % 100000 / 100, '2024-08-01 00:00:00' + INTERVAL seq % 2419200 SECOND FROM seq_1_to_{rows}"""


def child_peak(command):
    """Runs a command and returns its exit code, output and peak memory, from a process of its own so that peaks do not mix."""
    script = (
        "import json, resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)\n"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "print(json.dumps([done.returncode, done.stdout.decode(), peak]))\n"
    )
    return json.loads(subprocess.run([sys.executable, "-c", script, *command], stdout=subprocess.PIPE, check=True).stdout)


def main():
    sizes = [int(size) for size in sys.argv[1:]] or [1_000_000, 4_000_000]
    source = urllib.parse.urlparse(os.environ["SYNCLINE_TEST_MYSQL"])
    connection = pymysql.connect(host=source.hostname, port=source.port, user=source.username, autocommit=True)
    cursor = connection.cursor()
    server = subprocess.Popen(
        [SYNCLINE, "minirocks", "--http-port", "0", "--be-port", "0", "--mysql-port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        ready = server.stdout.readline()
        address = dict(re.findall(r"(\w+)=(\S+)", ready))
        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/syncline.toml", "w") as config:
                config.write(
                    f'[catalogs.src]\ntype = "mysql"\nurl = "mysql://{source.hostname}:{source.port}/memory_bench"\nuser = "root"\n'
                    f'[catalogs.sr]\ntype = "starrocks"\nurl = "mysql://{address["mysql"]}/bench"\nload_url = "{address["http"]}"\nuser = "root"\n'
                )
            with open(f"{folder}/job.sql", "w") as job:
                job.write(
                    "DROP DATABASE IF EXISTS sr.bench; CREATE DATABASE sr.bench;\n"
                    "CREATE TABLE sr.users (id BIGINT, uid STRING, gender STRING, age_range STRING, zodiac STRING,\n"
                    "  score DECIMAL(10,2), created DATETIME) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id);\n"
                    f"INSERT INTO sr.users PROPERTIES ('write_mode' = '{WRITE_MODE}') SELECT * FROM src.users;\n"
                )
            for rows in sizes:
                cursor.execute("DROP DATABASE IF EXISTS memory_bench")
                cursor.execute("CREATE DATABASE memory_bench CHARACTER SET utf8mb4")
                cursor.execute("USE memory_bench")
                cursor.execute(
                    "CREATE TABLE users (id BIGINT PRIMARY KEY, uid VARCHAR(32), gender VARCHAR(16), age_range VARCHAR(16), "
                    "zodiac VARCHAR(400), score DECIMAL(10,2), created DATETIME)"
                )
                cursor.execute(FILL.format(rows=rows))
                start = time.time()
                code, output, peak = child_peak([SYNCLINE, "run", f"{folder}/job.sql", "--report", "json"])
                seconds = time.time() - start
                report = json.loads(output)
                written = report["statements"][-1]["rows_written"]
                if code != 0 or written != rows:
                    sys.exit(f"exit code {code}, {written} of {rows} rows: {report['error']}")
                print(
                    json.dumps(
                        {
                            "rows": rows,
                            "seconds": round(seconds, 2),
                            "rows_per_second": round(rows / seconds),
                            "peak_rss_mib": peak // 1024,
                            "write_mode": report["statements"][-1]["write_mode"],
                        }
                    ),
                    flush=True,
                )
    finally:
        cursor.execute("DROP DATABASE IF EXISTS memory_bench")
        server.terminate()
        server.wait()


main()
