"""Files of pyarrow and fastavro, with the rows that these read from them: writes *.avro, arrow.* and python_cases.tsv into
tests/spark/columnar, in the form of columnar.py.

pyarrow 26.0.1, fastavro 1.13.1, cramjam and zstandard from PyPI.

    python tests/spark/columnar_python.py
"""

import datetime
import decimal
import io
import pathlib
import zoneinfo

import fastavro
import pyarrow
import pyarrow.orc
import pyarrow.parquet

HERE = pathlib.Path(__file__).parent / "columnar"
SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")


def shown(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        if value.tzinfo:
            value = value.astimezone(SHANGHAI).replace(tzinfo=None)
        text = value.strftime("%Y-%m-%dT%H:%M:%S")
        if value.microsecond:
            digits = f"{value.microsecond:06}"
            text += "." + (digits[:3] if digits.endswith("000") else digits)
        return text
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return repr(value).replace("e+", "e")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(shown(v) for v in value) + "]"
    return str(value)


def case(cases, file, columns, query, rows):
    suffix = file.rsplit(".", 1)[1].upper()
    text = "".join("|".join(shown(value) for value in row) + ";" for row in rows)
    cases.append("\t".join([suffix, file, " ".join(columns.split()), query, text]))


def nullable(kind):
    return ["null", kind]


UTC = datetime.timezone.utc
AVRO_SCHEMA = {
    "type": "record",
    "name": "row",
    "namespace": "example",
    "fields": [
        {"name": "id", "type": "int"},
        {"name": "flag", "type": nullable("boolean")},
        {"name": "tiny", "type": nullable("int")},
        {"name": "big", "type": nullable("long")},
        {"name": "ratio", "type": nullable("float")},
        {"name": "amount", "type": [ "double", "null"]},
        {"name": "Name", "type": nullable("string")},
        {"name": "raw", "type": nullable("bytes")},
        {"name": "price", "type": nullable({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2})},
        {"name": "fixed", "type": nullable({"type": "fixed", "name": "f16", "size": 16, "logicalType": "decimal", "precision": 38, "scale": 10})},
        {"name": "day", "type": nullable({"type": "int", "logicalType": "date"})},
        {"name": "millis", "type": nullable({"type": "long", "logicalType": "timestamp-millis"})},
        {"name": "micros", "type": nullable({"type": "long", "logicalType": "timestamp-micros"})},
        {"name": "clock", "type": nullable({"type": "long", "logicalType": "local-timestamp-micros"})},
        {"name": "suit", "type": nullable({"type": "enum", "name": "suit", "symbols": ["HEARTS", "SPADES"]})},
        {"name": "tags", "type": nullable({"type": "array", "items": nullable("string")})},
        {"name": "props", "type": nullable({"type": "map", "values": nullable("int")})},
        {"name": "who", "type": nullable({"type": "record", "name": "who", "fields": [
            {"name": "name", "type": nullable("string")}, {"name": "age", "type": "int"}]})},
        {"name": "either", "type": ["null", "int", "string"]},
    ],
}
AVRO_COLUMNS = """
    id INT, flag BOOLEAN, tiny TINYINT, big BIGINT, ratio FLOAT, amount DOUBLE, name STRING, raw BINARY, price DECIMAL(9,2),
    fixed DECIMAL(38,10), day DATE, millis TIMESTAMP, micros TIMESTAMP, clock TIMESTAMP, suit STRING, tags ARRAY<STRING>,
    props MAP<STRING, INT>, who STRUCT<name: STRING, age: INT>
"""
AVRO_ROWS = [
    dict(id=1, flag=True, tiny=-128, big=2**63 - 1, ratio=1.5, amount=2.25, Name="Ärger 漢字", raw=b"\x00\xff", price=decimal.Decimal("-12345.67"),
         fixed=decimal.Decimal("1234567890123456789012345678.0123456789"), day=datetime.date(2024, 8, 7),
         millis=datetime.datetime(2024, 8, 7, 4, 34, 56, 123000, UTC), micros=datetime.datetime(2024, 8, 7, 4, 34, 56, 123456, UTC),
         clock=datetime.datetime(2024, 8, 7, 12, 34, 56, 500000), suit="SPADES", tags=["a", None], props={"k": 1}, who={"name": None, "age": 7},
         either="x"),
    dict(id=2),
    dict(id=3, flag=False, tiny=127, big=-(2**63), ratio=-0.25, amount=1e300, Name="", raw=b"", price=decimal.Decimal("0.00"),
         fixed=decimal.Decimal("-1.0000000000"), day=datetime.date(1969, 12, 31),
         millis=datetime.datetime(1969, 12, 31, 23, 59, 58, 500000, UTC), micros=datetime.datetime(1986, 7, 1, 4, 0, 0, 0, UTC),
         clock=datetime.datetime(1500, 1, 1), suit="HEARTS", tags=[], props={}, who=None, either=5),
]


def avro(cases):
    names = [field["name"] for field in AVRO_SCHEMA["fields"] if field["name"] != "either"]
    for codec in ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"]:
        file = f"all_{codec}.avro"
        with open(HERE / file, "wb") as out:
            fastavro.writer(out, AVRO_SCHEMA, AVRO_ROWS, codec=codec, sync_marker=b"syncline fixture")
        read = list(fastavro.reader(open(HERE / file, "rb")))
        case(cases, file, AVRO_COLUMNS, "SELECT * FROM t ORDER BY 1", [[row[name] for name in names] for row in read])
    case(cases, file, "missing STRING, day DATE, ID BIGINT", "SELECT * FROM t ORDER BY 3", [[None, row["day"], row["id"]] for row in read])
    case(cases, file, "missing STRING", "SELECT count(*), count(missing) FROM t", [[3, 0]])
    schema = {"type": "record", "name": "many", "fields": [{"name": "id", "type": "long"}, {"name": "v", "type": "string"}]}
    rows = [{"id": number, "v": f"v{number % 3}"} for number in range(20000)]
    with open(HERE / "many.avro", "wb") as out:
        fastavro.writer(out, schema, rows, codec="deflate", sync_interval=4000, sync_marker=b"syncline fixture")
    case(cases, "many.avro", "id BIGINT, v STRING", "SELECT v, count(*), sum(id) FROM t GROUP BY v ORDER BY v",
         [[f"v{k}", len(range(k, 20000, 3)), sum(range(k, 20000, 3))] for k in range(3)])
    case(cases, "many.avro", "id BIGINT, v STRING", "SELECT count(*) FROM t", [[20000]])
    with open(HERE / "empty.avro", "wb") as out:
        fastavro.writer(out, schema, [])
    case(cases, "empty.avro", "id BIGINT, v STRING", "SELECT * FROM t", [])


def arrow(cases):
    table = pyarrow.table({
        "id": pyarrow.array([1, 2, 3], pyarrow.uint16()),
        "text": pyarrow.array(["a", None, "c"], pyarrow.large_string()),
        "word": pyarrow.array(["x", "y", None]).dictionary_encode(),
        "at": pyarrow.array([datetime.datetime(2024, 8, 7, 4, 0, tzinfo=UTC), None, datetime.datetime(1960, 1, 1, tzinfo=UTC)], pyarrow.timestamp("ns", "UTC")),
        "clock": pyarrow.array([datetime.datetime(2024, 8, 7, 4, 0), None, datetime.datetime(1960, 1, 1)], pyarrow.timestamp("ns")),
        "list": pyarrow.array([[1, 2], None, []], pyarrow.large_list(pyarrow.int16())),
        "unsigned": pyarrow.array([2**64 - 1, 0, None], pyarrow.uint64()),
        "half": pyarrow.array([1.5, -2.0, None], pyarrow.float16()),
        "bytes": pyarrow.array([b"abcd", None, b"\x00\x01\x02\x03"], pyarrow.binary(4)),
    })
    columns = """id INT, text STRING, word STRING, at TIMESTAMP, clock TIMESTAMP, list ARRAY<INT>, unsigned DECIMAL(20,0), half DOUBLE,
        bytes BINARY"""
    for codec in ["brotli", "none"]:
        file = f"arrow_{codec}.parquet"
        pyarrow.parquet.write_table(table, HERE / file, compression=codec, data_page_version="2.0")
        rows = pyarrow.parquet.read_table(HERE / file).to_pylist()
        case(cases, file, columns, "SELECT * FROM t ORDER BY 1", [list(row.values()) for row in rows])
    orc = pyarrow.table({
        "id": pyarrow.array(range(3000), pyarrow.int64()),
        "v": pyarrow.array([f"v{number % 3}" for number in range(3000)]),
        "at": pyarrow.array([datetime.datetime(2000, 1, 1) + datetime.timedelta(hours=number) for number in range(3000)], pyarrow.timestamp("ns")),
    })
    pyarrow.orc.write_table(orc, HERE / "arrow.orc", compression="zstd", stripe_size=20000, batch_size=1000)
    case(cases, "arrow.orc", "id BIGINT, v STRING, at TIMESTAMP", "SELECT v, count(*), sum(id), max(at) FROM t GROUP BY v ORDER BY v",
         [[f"v{k}", 1000, sum(range(k, 3000, 3)), max(orc.column("at").to_pylist()[k::3])] for k in range(3)])


def main():
    cases = []
    avro(cases)
    arrow(cases)
    (HERE / "python_cases.tsv").write_text("\n".join(cases) + "\n")


main()
