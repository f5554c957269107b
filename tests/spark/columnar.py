"""Asks real Spark what Parquet and ORC files hold: writes the files of tests/spark/columnar and, in cases.tsv beside them, what
Spark reads from them through tables of given columns.

Spark 3.5.6 (`pip install pyspark==3.5.6`, Java 17), session and machine in zone Asia/Shanghai.

    TZ=Asia/Shanghai python tests/spark/columnar.py

A case is a line: format, file or folder, columns of the table, query, rows. A row is written as Arrow prints it (`;` ends a row, `|` a
column, NULL is NULL). Values that hold these characters are not among the cases.
"""

import datetime
import decimal
import pathlib
import shutil
import tempfile

from pyspark.sql import SparkSession

HERE = pathlib.Path(__file__).parent / "columnar"

ALL = """
    id INT, tiny TINYINT, small SMALLINT, big BIGINT, flag BOOLEAN, ratio FLOAT, amount DOUBLE, price DECIMAL(7,2), total DECIMAL(18,4),
    huge DECIMAL(38,10), name STRING, code VARCHAR(10), raw BINARY, day DATE, at TIMESTAMP
"""

ALL_ROWS = """
    SELECT 1 id, tinyint(-128) tiny, smallint(32767) small, 9223372036854775807 big, true flag, float(1.5) ratio, 2.25D amount,
           12345.67BD price, -12345678901234.5678BD total, 1234567890123456789012345678.0123456789BD huge,
           'Ärger 漢字' name, 'c1' code, X'00FF10' raw, date'2024-08-07' day, timestamp'2024-08-07 12:34:56.123456' at
    UNION ALL
    SELECT 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    UNION ALL
    SELECT 3, tinyint(0), smallint(-1), -9223372036854775808, false, float(-0.25), 1e300D, -0.01BD, 0BD, -1BD,
           '', '', X'', date'1969-12-31', timestamp'1969-12-31 23:59:58.5'
    UNION ALL
    SELECT 4, tinyint(7), smallint(7), 7, true, float(7), 7D, 7BD, 7BD, 7BD,
           'x', 'y', X'61', date'1582-10-15', timestamp'1986-07-01 12:00:00'
"""

NESTED = """
    id INT, tags ARRAY<STRING>, props MAP<STRING, INT>, who STRUCT<name: STRING, age: INT, at: TIMESTAMP>,
    points ARRAY<STRUCT<x: INT, y: INT>>, deep MAP<STRING, ARRAY<INT>>
"""

NESTED_ROWS = """
    SELECT 1 id, array('a', NULL, 'c') tags, map('k', 1) props, named_struct('name', 'ann', 'age', 7, 'at', timestamp'2024-01-02 03:04:05') who,
           array(named_struct('x', 1, 'y', 2), named_struct('x', 3, 'y', NULL)) points, map('p', array(1, 2), 'q', array()) deep
    UNION ALL
    SELECT 2, NULL, NULL, NULL, NULL, NULL
    UNION ALL
    SELECT 3, array(), map(), named_struct('name', NULL, 'age', NULL, 'at', NULL), array(), map()
"""


def cast(columns, rows):
    """The rows with columns of exactly these types: a UNION widens decimals."""
    columns = [column.split(None, 1) for column in columns.replace("\n", " ").split(", ") if column.strip()]
    return "SELECT " + ", ".join(f"CAST({name} AS {kind}) {name}" for name, kind in columns) + f" FROM ({rows})"


def shown(value):
    """A value as Arrow's formatter prints it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        text = value.strftime("%Y-%m-%dT%H:%M:%S")
        if value.microsecond:
            digits = f"{value.microsecond:06}"
            text += "." + (digits[:3] if digits.endswith("000") else digits)
        return text
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, float):
        return repr(value).replace("e+", "e")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{shown(k)}: {shown(v)}" for k, v in value.items()) + "}"
    if hasattr(value, "asDict"):
        return "{" + ", ".join(f"{k}: {shown(v)}" for k, v in value.asDict(recursive=False).items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(shown(v) for v in value) + "]"
    return str(value)


ALL_ROWS = cast(ALL, ALL_ROWS)


def main():
    HERE.mkdir(exist_ok=True)
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.sql.session.timeZone", "Asia/Shanghai")
        .config("spark.driver.extraJavaOptions", "-Duser.timezone=Asia/Shanghai")
        .config("spark.sql.warehouse.dir", tempfile.mkdtemp())
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    cases = []

    def write(name, query, **options):
        """One file of a query's rows."""
        settings = {key.replace("__", "."): value for key, value in options.items() if key.startswith("spark__")}
        for key, value in settings.items():
            spark.conf.set(key, value)
        suffix = name.rsplit(".", 1)[1]
        folder = tempfile.mkdtemp()
        writer = spark.sql(query).coalesce(1).write.mode("overwrite").format(suffix)
        for key, value in options.items():
            if not key.startswith("spark__"):
                writer = writer.option(key.replace("__", "."), value)
        writer.save(folder)
        target = HERE / name
        target.parent.mkdir(exist_ok=True)
        [part] = pathlib.Path(folder).glob("part-*")
        shutil.copy(part, target)
        for key in settings:
            spark.conf.unset(key)

    def ask(file, columns, query="SELECT * FROM t ORDER BY 1"):
        """What Spark reads from a file."""
        suffix = file.rsplit(".", 1)[1]
        columns = " ".join(columns.split())
        folder = tempfile.mkdtemp()
        shutil.copy(HERE / file, folder)
        spark.sql("DROP TABLE IF EXISTS t")
        spark.sql(f"CREATE TABLE t ({columns}) USING {suffix} LOCATION '{folder}'")
        rows = "".join("|".join(shown(value) for value in row) + ";" for row in spark.sql(query).collect())
        cases.append("\t".join([suffix.upper(), file, columns, query, rows]))
        print(file, query, rows[:100])

    for codec in ["uncompressed", "snappy", "gzip", "zstd", "lz4", "lz4_raw"]:
        write(f"all_{codec}.parquet", ALL_ROWS, compression=codec)
        ask(f"all_{codec}.parquet", ALL)
    write("all_micros.parquet", ALL_ROWS, spark__sql__parquet__outputTimestampType="TIMESTAMP_MICROS")
    ask("all_micros.parquet", ALL)
    ask("all_micros.parquet", ALL, "SELECT id FROM t WHERE at > '2000-01-01' AND price > 1 ORDER BY id")
    write(
        "all_millis_legacy.parquet",
        ALL_ROWS,
        spark__sql__parquet__outputTimestampType="TIMESTAMP_MILLIS",
        spark__sql__parquet__writeLegacyFormat="true",
    )
    ask("all_millis_legacy.parquet", ALL)
    write("ntz.parquet", "SELECT 1 id, timestamp_ntz'2024-08-07 12:34:56.5' at")
    ask("ntz.parquet", "id INT, at TIMESTAMP_NTZ")
    write("nested.parquet", NESTED_ROWS)
    ask("nested.parquet", NESTED)
    ask("nested.parquet", "ID INT, WHO STRUCT<AGE: INT, more: STRING>, Points ARRAY<STRUCT<Y: INT>>")
    write("nested_legacy.parquet", NESTED_ROWS, spark__sql__parquet__writeLegacyFormat="true")
    ask("nested_legacy.parquet", NESTED)
    write("names.parquet", "SELECT 1 Id, 'x' `Größe`, 2.5D `a b`, 9 extra")
    ask("names.parquet", "`a b` DOUBLE, missing STRING, id INT, `größe` STRING")
    ask("names.parquet", "missing DATE, extra INT", "SELECT count(*), count(missing), sum(extra) FROM t")
    write("dictionary.parquet", "SELECT id, concat('v', id % 3) v FROM range(5000)", parquet__block__size=4096)
    ask("dictionary.parquet", "id BIGINT, v STRING", "SELECT v, count(*), sum(id) FROM t WHERE id >= 100 GROUP BY v ORDER BY v")
    ask("dictionary.parquet", "id BIGINT, v STRING", "SELECT count(*) FROM t")
    write("empty.parquet", "SELECT 1 id WHERE false")
    ask("empty.parquet", "id INT")
    write(
        "julian.parquet",
        "SELECT 1 id, date'1500-01-01' day",
        spark__sql__parquet__datetimeRebaseModeInWrite="LEGACY",
    )
    write("gregorian.parquet", "SELECT 1 id, date'1500-01-01' day, timestamp'1850-01-01 00:00:00' at",
          spark__sql__parquet__datetimeRebaseModeInWrite="CORRECTED",
          spark__sql__parquet__outputTimestampType="TIMESTAMP_MICROS")
    ask("gregorian.parquet", "id INT, day DATE")

    for codec in ["none", "snappy", "zlib", "zstd", "lz4"]:
        write(f"all_{codec}.orc", ALL_ROWS, compression=codec)
        ask(f"all_{codec}.orc", ALL)
    ask("all_zstd.orc", ALL, "SELECT at, id FROM t WHERE id > 1 ORDER BY id")
    write("nested.orc", NESTED_ROWS)
    ask("nested.orc", NESTED)
    write("positions.orc", "SELECT 1 `_col0`, 'x' `_col1`, date'2024-08-07' `_col2`")
    ask("positions.orc", "id INT, name STRING, day DATE, later STRING")
    ask("positions.orc", "id INT, name STRING, day DATE", "SELECT day FROM t")
    write("names.orc", "SELECT 1 Id, 'x' `Name`, 9 extra")
    ask("names.orc", "name STRING, missing STRING, id INT")
    ask("names.orc", "missing DATE, extra INT", "SELECT count(*), count(missing), sum(extra) FROM t")
    write("many.orc", "SELECT id, concat('v', id % 3) v, timestamp_seconds(id * 86400 * 3) at FROM range(20000)", orc__stripe__size=1024, orc__compress="NONE")
    ask("many.orc", "id BIGINT, v STRING, at TIMESTAMP", "SELECT v, count(*), sum(id), max(at) FROM t WHERE id >= 100 GROUP BY v ORDER BY v")
    ask("many.orc", "id BIGINT, v STRING", "SELECT count(*) FROM t")
    write("empty.orc", "SELECT 1 id WHERE false")
    ask("empty.orc", "id INT")

    (HERE / "cases.tsv").write_text("\n".join(cases) + "\n")


main()
