"""Asks real Spark what text tables hold: writes text_tables.json beside this file, from the cases of text_table_cases.py.

Spark 3.5.6 (`pip install pyspark==3.5.6`, Java 17) with Hive support, ANSI off, time zone Asia/Shanghai of process and session.
Values are texts: as CAST(… AS STRING) gives them, binary as hexadecimal digits, arrays, maps and structs as JSON; NULL is null.

    python tests/spark/text_tables.py
"""

import json
import os
import pathlib
import sys
import tempfile
import time

os.environ["TZ"] = "Asia/Shanghai"
time.tzset()

from pyspark.sql import SparkSession, functions
from pyspark.sql.types import ArrayType, BinaryType, MapType, StructType

from text_table_cases import CASES


def session(folder):
    warehouse = f"{folder}/warehouse"
    return (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.sql.session.timeZone", "Asia/Shanghai")
        .config("spark.driver.extraJavaOptions", "-Duser.timezone=Asia/Shanghai -Dderby.stream.error.file=/dev/null")
        .config("spark.sql.warehouse.dir", warehouse)
        .config("spark.hadoop.javax.jdo.option.ConnectionURL", f"jdbc:derby:;databaseName={folder}/metastore;create=true")
        .enableHiveSupport()
        .getOrCreate()
    )


def write(files, folder):
    for path, content in files.items():
        target = folder / path
        if path.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def texts(frame):
    """The columns as texts, by place, since names may be there twice."""
    types = [field.dataType for field in frame.schema.fields]
    frame = frame.toDF(*[f"c{place}" for place in range(len(types))])
    columns = []
    for place, data_type in enumerate(types):
        column = frame[f"c{place}"]
        if isinstance(data_type, (ArrayType, MapType, StructType)):
            options = {"ignoreNullFields": "false", "timestampFormat": "yyyy-MM-dd HH:mm:ss"}
            column = functions.to_json(column, options)
        elif isinstance(data_type, BinaryType):
            column = functions.hex(column)
        else:
            column = column.cast("string")
        columns.append(column)
    names = [data_type.simpleString() for data_type in types]
    return names, [list(row) for row in frame.select(columns).collect()]


def answer(spark, case, folder):
    spark.sql("DROP TABLE IF EXISTS t")
    try:
        for statement in case.ddl:
            spark.sql(statement.replace("{folder}", str(folder)))
        columns, rows = texts(spark.sql(case.query))
        return {"columns": columns, "rows": rows}
    except Exception as error:  # an error is an answer too
        lines = [line for line in str(error).splitlines() if line.strip()]
        return {"error": lines[0].replace(str(folder), "{folder}")[:160]}


def shown(content):
    """Text where it is text, else hexadecimal digits."""
    try:
        return {"text": content.decode("utf-8")}
    except UnicodeDecodeError:
        return {"hex": content.hex()}


def main():
    chosen = sys.argv[1:]
    output = []
    with tempfile.TemporaryDirectory() as root:
        spark = session(root)
        spark.sparkContext.setLogLevel("OFF")
        for place, case in enumerate(CASES):
            if chosen and not any(part in case.name for part in chosen):
                continue
            folder = pathlib.Path(root) / str(place)
            folder.mkdir()
            write(case.files, folder)
            entry = {
                "word": case.word,
                "name": case.name,
                "ddl": case.ddl,
                "files": {path: shown(content) for path, content in case.files.items()},
                "query": case.query,
                "spark": answer(spark, case, folder),
            }
            if case.why:
                ours = {"error": case.ours[len("error: "):]} if isinstance(case.ours, str) else {"rows": case.ours}
                entry["syncline"] = {**ours, "why": case.why}
            output.append(entry)
        version = spark.version
    if chosen:
        print(json.dumps(output, ensure_ascii=False, indent=1))
        return
    head = f'{{"spark": "{version}", "zone": "Asia/Shanghai", "cases": [\n'
    body = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in output)
    path = pathlib.Path(__file__).with_name("text_tables.json")
    path.write_text(f"{head}{body}\n]}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
