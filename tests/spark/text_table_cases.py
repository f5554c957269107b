"""The cases of text_tables.py: a table's DDL, the bytes of its files, a query, and where Syncline differs from Spark, its answer and why.

`{folder}` in DDL is a folder of the case's own; paths of files are below it. Bytes are as in Python (b"\\r\\n").
"""

import bz2
import dataclasses
import gzip

ERROR = "error"


@dataclasses.dataclass
class Case:
    word: str
    name: str
    ddl: list
    files: dict
    query: str
    # What Syncline answers where it is not what Spark does: rows of texts, or "error: " with a part of the message.
    ours: object = None
    why: str = ""


CASES = []
WORD = ""


def case(name, ddl, files, query="SELECT * FROM t", ours=None, why=""):
    ddl = [ddl] if isinstance(ddl, str) else ddl
    files = {"t/a.txt": files} if isinstance(files, bytes) else files
    assert (ours is None) == (why == ""), name
    assert all(other.name != name for other in CASES), name
    CASES.append(Case(WORD, name, ddl, files, query, ours, why))


def table(columns, clauses="", end="LOCATION '{folder}/t'"):
    return " ".join(filter(None, [f"CREATE EXTERNAL TABLE t ({columns})", clauses, end]))


def fields(delimiter, more=""):
    return f"ROW FORMAT DELIMITED FIELDS TERMINATED BY '{delimiter}' {more}".rstrip()


PIPE = fields("|")
AB = "a STRING, b STRING"

# ---------------------------------------------------------------------------------------------------------------------
WORD = "delimiters"

case("Hive's default delimiter is the byte 1", table("a STRING, b INT"), b"x\x011\ny|z\x012\n")
case("a bar", table("a STRING, b INT", PIPE + " STORED AS TEXTFILE"), b"x|1\ny|2\n")
case("a comma, and quotes are data", table(AB, fields(",")), b'"x,y",z\n"q"\n')
case("a TAB by its escape", table(AB, fields(r"\t")), b"x y\tz\n")
case("a byte by its octal escape", table(AB, fields(r"\001")), b"x\x01y\n")
case("a byte by its octal escape, 5", table(AB, fields(r"\005")), b"x\x05y\n")
case("a character by its unicode escape", table(AB, fields(r"\u0001")), b"x\x01y\n")
case("a blank", table(AB, fields(" ")), b"x y z\n x\n")
case("the digit 9 is the code of TAB", table(AB, fields("9")), b"x\ty9z\n")
case("the number 44 is the code of a comma", table(AB, fields("44")), b"x,y44z\n")
case("the number 124 is the code of a bar", table(AB, fields("124")), b"x|y\n")
case("a semicolon", table("a STRING, b STRING, c STRING", fields(";")), b"x;;z\n;\n")
case("a delimiter that does not occur leaves the line whole", table("col STRING", PIPE), b'1.2.3.4##@@uid##@@[07/Aug/2024]##@@"GET /a"\n')
case("one column ends at the delimiter", table("col STRING", PIPE), b"a|b\n|x\n")
case("one column whose delimiter nobody named", table("col STRING"), b"a\x01b\n",
     ours=[["a\x01b"]], why="a table of one column whose delimiter nobody named has whole lines; Spark ends the field at the byte 1, which hides the rest")
case("a delimiter at the end of a line begins an empty field", table("a STRING, b STRING, c STRING", PIPE), b"x|y|\nx|\n|\n")
case("letters of any script", table("a STRING, b STRING", PIPE), "一二|三\né|ü\n".encode())
case("a delimiter of ROW FORMAT and lines ended by LF", table(AB, fields("|", r"LINES TERMINATED BY '\n'")), b"x|y\nz|w\n")
case(
    "a delimiter of two bars",
    table(AB, fields("||")),
    b"x||y\nx|y||z\n",
    ours=[["x", "y"], ["x|y", "z"]],
    why="a delimiter of several bytes is all of them; Spark takes the first byte",
)
case(
    "a delimiter of several characters",
    table("a STRING, b STRING, c STRING", fields("##@@")),
    b"x##@@y##@@z\n#1##@@@2\n",
    ours=[["x", "y", "z"], ["#1", "@2", None]],
    why="a delimiter of several bytes is all of them; Spark takes the first byte",
)
case(
    "a delimiter beyond ASCII",
    table(AB, fields("、")),
    "x、y\n".encode(),
    ours=[["x", "y"]],
    why="a character beyond ASCII is the bytes that it has in UTF-8; Spark takes one byte of it",
)
case(
    "the delimiter in the properties of the SerDe",
    table(AB, "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' WITH SERDEPROPERTIES ('field.delim' = ',')"),
    b"x,y\n",
)
case(
    "the delimiter of the SerDe as serialization.format",
    table(AB, "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' WITH SERDEPROPERTIES ('serialization.format' = ',')"),
    b"x,y\n",
)
case(
    "the SerDe without properties has Hive's delimiter",
    table(AB, "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' STORED AS TEXTFILE"),
    b"x\x01y\n",
)
case(
    "a regular expression cuts lines",
    table(
        "host STRING, code STRING",
        r"ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe' WITH SERDEPROPERTIES ('input.regex' = '([^ ]*) .* ([0-9]+)')",
    ),
    b"h1 GET /a 200\nh2 POST 404\nbad\n",
    ours="error: RegexSerDe",
    why="`RegexSerDe` is an error: read whole lines, and cut them with `regexp_extract`; Spark reads it",
)
case(
    "OpenCSVSerde knows quotes",
    table("a STRING, b STRING, c STRING", "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"),
    b'"x,1",y,z\n"q""q",,\\,\n',
)
case(
    "OpenCSVSerde with a separator and a quote of its own",
    table(
        AB,
        r"ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' WITH SERDEPROPERTIES ('separatorChar' = '\t', 'quoteChar' = '\'')",
    ),
    b"'x\ty'\tz\n",
)

# ---------------------------------------------------------------------------------------------------------------------
WORD = "escapes"
ESCAPED = fields("|", r"ESCAPED BY '\\'")

case("without ESCAPED BY a backslash is data", table(AB, PIPE), b"x\\|y\nx\\n|\\\\\n")
case("an escape makes the delimiter data", table(AB, ESCAPED), b"x\\|y|z\n")
case("an escape makes itself data", table(AB, ESCAPED), b"x\\\\|y\nx\\\\\\|y|z\n")
case("n and r behind an escape are LF and CR, t is t", table(AB, ESCAPED), b"x\\ny|z\\rw\nx\\ty|\\q\\0\n")
case("an escape does not protect a line's end", table(AB, ESCAPED), b"x|y\\\nz|w\n")
case("an escape at the end of a field's line is data", table(AB, ESCAPED), b"x|y\\")
case("another escape", table(AB, fields(",", "ESCAPED BY '^'")), b"x^,y,z^^\n^n,\\n\n")
case("an escape by its octal code", table(AB, fields(",", r"ESCAPED BY '\005'")), b"x\x05,y,z\n")
case("the marker of NULL is seen before escapes", table(AB, ESCAPED), b"\\N|x\n\\\\N|x\n\\N\\N|\\Nx\n")
case("numbers and dates have no escapes", table("a INT, b INT, d DATE", ESCAPED), b"\\1|2|2024-08-07\n1\\2|\\-1|2024\\-08-07\n")
case(
    "an escape in a table of one column",
    table("col STRING", r"ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' ESCAPED BY '\\'"),
    b"a\\,b\n{\"k\":\"v\\\\n\"}\n",
)
case("bytes have no escapes", table("a BINARY, b BOOLEAN", ESCAPED), b"a\\|b|true\n\\x!|\\true\n")
case("letters behind an escape may be of several bytes", table(AB, ESCAPED), "\\一|二\\|三\n".encode())
case(
    "an escape in items of an array",
    table("a ARRAY<STRING>, b STRING", fields("|", r"ESCAPED BY '\\' COLLECTION ITEMS TERMINATED BY ','")),
    b"x\\,y,z|w\nx\\|y,z|w\nn\\n,\\\\|w\n",
)
case(
    "an escape in a map",
    table("m MAP<STRING, STRING>", fields("|", r"ESCAPED BY '\\' COLLECTION ITEMS TERMINATED BY ',' MAP KEYS TERMINATED BY ':'")),
    b"k\\:1:v\\,1,k2:v\\|2\n",
)

# ---------------------------------------------------------------------------------------------------------------------
WORD = "NULLs"

case("the marker is a backslash and N", table("a STRING, b INT, c STRING", PIPE), b"\\N|\\N|\\N\nx|1|\\N\n")
case("an empty text is a text, other empty fields are NULL", table("a STRING, b INT, c DATE, d DOUBLE, e BOOLEAN", PIPE), b"||||\n")
case("the marker in every type",
     table("a TINYINT, b BIGINT, c FLOAT, d DECIMAL(5,2), e DATE, f TIMESTAMP, g BOOLEAN, h BINARY, i VARCHAR(3), j CHAR(3)", PIPE),
     b"\\N|\\N|\\N|\\N|\\N|\\N|\\N|\\N|\\N|\\N\n")
case("the marker is a whole field and has a capital N", table(AB, PIPE), b"\\Nx| \\N\n\\n|NULL\nx\\N|\\N\n")
case("another marker in the table's properties", table("a STRING, b INT, c STRING", PIPE, "LOCATION '{folder}/t' TBLPROPERTIES ('serialization.null.format' = 'NULL')"), b"NULL|NULL|\\N\n|1|null\n")
case("the empty text as the marker", table("a STRING, b INT, c STRING", PIPE, "LOCATION '{folder}/t' TBLPROPERTIES ('serialization.null.format' = '')"), b"||\n\\N||x\n")
case("the marker in the properties of the SerDe",
     table(AB, "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' WITH SERDEPROPERTIES ('field.delim' = '|', 'serialization.null.format' = '-')"),
     b"-|x\n--|\\N\n")
case("a line that is the marker", table("col STRING"), b"\\N\nx\n\n")
case("IS NULL and comparisons", table("a STRING, b INT", PIPE), b"x|1\n\\N|2\n|3\nx|\\N\n", "SELECT count(*), count(a), count(b), sum(b) FROM t WHERE a IS NULL OR a <> 'x' OR b IS NULL")
case(
    "NULL DEFINED AS",
    table(AB, fields("|", "NULL DEFINED AS 'null'")),
    b"null|x\n\\N|nullx\n",
    ours=[[None, "x"], ["\\N", "nullx"]],
    why="`NULL DEFINED AS` is honoured, as by Hive; Spark reads it and ignores it",
)
case(
    "NULL DEFINED AS the empty text",
    table(AB, fields("|", "NULL DEFINED AS ''")),
    b"|x\n\\N|\n",
    ours=[[None, "x"], ["\\N", None]],
    why="`NULL DEFINED AS` is honoured, as by Hive; Spark reads it and ignores it",
)
case("the marker in an array, a map and a struct",
     table("a ARRAY<STRING>, m MAP<STRING,STRING>, s STRUCT<x:STRING,y:INT>", fields("|", "COLLECTION ITEMS TERMINATED BY ',' MAP KEYS TERMINATED BY ':'")),
     b"x,\\N,y|k:\\N,l:v|\\N,1\n\\N|\\N|\\N\n")

# ---------------------------------------------------------------------------------------------------------------------
WORD = "short and long rows"

case("fields that a line lacks are NULL", table("a STRING, b STRING, c INT", PIPE), b"x\nx|y\nx|y|1\n")
case("fields beyond the columns are dropped", table(AB, PIPE), b"x|y|z|w\nx|y\n")
case("an empty line is a row", table("a STRING, b STRING", PIPE), b"\nx|y\n\n")
case("an empty line of numbers is a row of NULLs", table("a INT, b STRING", PIPE), b"\n1|x\n")
case("an empty line is an empty text", table("col STRING"), b"a\n\nb\n", "SELECT col, length(col) FROM t")
case("a line of delimiters alone", table("a STRING, b STRING, c STRING", PIPE), b"||\n|||||\n|\n")
case("the last line needs no end", table(AB, PIPE), b"x|y\nz|w")
case("a column of the middle alone", table("a STRING, b STRING, c STRING", PIPE), b"x|y|z\nx\nx|y\n", "SELECT b FROM t")
case("count of lines does not look at fields", table("a INT, b INT", PIPE), b"x\n1|2|3\n\n1|2\n", "SELECT count(*), count(a), count(b) FROM t")
case("a long line", table("a STRING, b STRING", PIPE), b"x" * 12_000 + b"|" + b"y" * 9_000 + b"\n", "SELECT length(a), length(b) FROM t")
case("a NUL byte is data", table(AB, PIPE), b"x\0y|z\n", "SELECT length(a), b FROM t")
case("VARCHAR is cut and CHAR is filled", table("a VARCHAR(3), b CHAR(3)", PIPE), "abcdef|ab\n一二三四|一二三四\n".encode(), "SELECT a, b, char_length(a), char_length(b) FROM t",
     ours=[["abcdef", "ab", "6", "2"], ["一二三四", "一二三四", "4", "4"]], why="lengths of VARCHAR and CHAR are not enforced, since cutting a text would lose data; Spark cuts VARCHAR and fills CHAR with blanks")
case("blanks around text are data", table(AB, PIPE), b" x | y \n", "SELECT a, b, length(a) FROM t")
case("the last column takes the rest",
     table(AB, "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' WITH SERDEPROPERTIES ('field.delim' = '|', 'serialization.last.column.takes.rest' = 'true')"),
     b"x|y|z\n",
     ours="error: serialization.last.column.takes.rest", why="`serialization.last.column.takes.rest` is an error; Spark gives the last column the rest of the line")
case("bytes that are no UTF-8", table(AB, PIPE), b"x\xffy|z\n",
     ours="error: bytes that are not UTF-8", why="bytes that are not of the table's encoding are an error (in a write a reject); Spark puts replacement characters in their place")
case("an encoding in the properties of the SerDe",
     table(AB, "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' WITH SERDEPROPERTIES ('field.delim' = '|', 'serialization.encoding' = 'GBK')"),
     "一|二三\n".encode("gbk"))
case("a header that is to be skipped", table("a STRING, b INT", PIPE, "LOCATION '{folder}/t' TBLPROPERTIES ('skip.header.line.count' = '1')"), b"name|age\nx|1\n",
     ours=[["x", "1"]], why="`skip.header.line.count` is honoured, as by Hive; Spark ignores it and reads the header as a row")
case("a header and a footer that are to be skipped", table("a STRING", PIPE, "LOCATION '{folder}/t' TBLPROPERTIES ('skip.header.line.count' = '2', 'skip.footer.line.count' = '1')"), b"h\nh\nx\nf\n",
     ours="error: skip.footer.line.count", why="`skip.footer.line.count` is an error; Spark ignores it and reads the footer as a row")

# ---------------------------------------------------------------------------------------------------------------------
WORD = "bad numbers"


def lines(*values):
    return "".join(f"{value}|{position}\n" for position, value in enumerate(values)).encode()


INTEGERS = ["1", "-1", "+1", "007", "1.9", "-1.9", "1.", ".5", "1.00", "", " 1", "1 ", "1e3", "abc", "-", "+", ".", "1.x", "1_000", "1,000", "0x1", "--1", "1-", "-0", "1.5.2", "１", "-.5"]
case("INT", table("a INT, n INT", PIPE), lines(*INTEGERS, "2147483647", "2147483648", "-2147483648", "-2147483649", "99999999999999999999"))
case("BIGINT", table("a BIGINT, n INT", PIPE), lines(*INTEGERS, "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "9223372036854775807.9"))
case("SMALLINT and TINYINT", table("a SMALLINT, b TINYINT, n INT", PIPE), b"32767|127|0\n32768|128|1\n-32768|-128|2\n-32769|-129|3\n300|300|4\n1.9|1.9|5\n")
DOUBLES = ["1.5", " 1.5 ", "1.5d", "1.5F", "1e3", "1E-3", "1.", ".5", "0x1p3", "0x1.8p1", "NaN", "Infinity", "-Infinity", "nan", "inf", "infinity", "+1", "-0.0", "1,5", "1 5", "e", "1e", "0x1", "d", "-", "+-1", ".", "", " ", "1e400", "1e-400", "abc", "1_0", "1.5L", "१", "-NaN", "+Infinity", "\t2\t"]
case("DOUBLE", table("a DOUBLE, n INT", PIPE), lines(*DOUBLES))
case("FLOAT", table("a FLOAT, n INT", PIPE), lines("0.1", "16777217", "1e39", "1e-50", "3.4028235e38", "x", "1.5f", " 2 "))
DECIMALS = ["1.23", "1", "-1.2", "1.235", "-1.235", "1.2349", "0.005", "0.0049", "1e1", "1.5E+1", "123e-4", "999.99", "999.995", "1000", "000000001.00000", " 1", "1 ", "", "abc", ".", ".5", "5.", "0e0", "0.0e1", "00012", "0.00000000000000000000000000000000000000000001", "-", "1e", "1.2.3", "1e9", "+1.5", "1,5", "NaN", "1d"]
case("DECIMAL", table("a DECIMAL(5,2), n INT", PIPE), lines(*DECIMALS))
case("DECIMAL of whole numbers and of 38 digits", table("a DECIMAL, b DECIMAL(38,0), c DECIMAL(38,18)", PIPE), ("1.5|" + "9" * 38 + "|1.5\n" + "12345678901|" + "9" * 39 + "|12345678901234567890.123456789012345678\n-0.5|-1|123456789012345678901.5\n").encode())
case("DECIMAL with a large exponent", table("a DECIMAL(5,2), n INT", PIPE), lines("0e2", "0e39", "0.0e999", "1e-400", "1e400"),
     ours=[["0.00", "0"], ["0.00", "1"], ["0.00", "2"], ["0.00", "3"], [None, "4"]], why="a DECIMAL may have an exponent of any size; Spark gives NULL for large ones, of zero too")
case("BOOLEAN", table("a BOOLEAN, n INT", PIPE), lines("true", "TRUE", "False", "t", "f", "1", "0", "yes", "", " true", "true ", "truefalse", "tru"))
case("BINARY is base64, else bytes", table("a BINARY, n INT", PIPE), lines("aGVsbG8=", "aGVsbG8", "abc", "a", "ab", "hello world!", "", "aGk=\\N", "一", "a-b_", "aGVs bG8="))
case("sums leave NULLs out", table("a INT, b DOUBLE", PIPE), b"1|1.5\nx|x\n3|2\n||\n", "SELECT sum(a), sum(b), count(a), avg(a) FROM t")
case("a bad number does not stop a filter", table("a INT, b STRING", PIPE), b"1|x\ny|y\n3|z\n", "SELECT b FROM t WHERE a > 0")

# ---------------------------------------------------------------------------------------------------------------------
WORD = "dates"

DATES = ["2024-08-07", "2024-8-7", "2024-08-7", "2024-02-29", "2023-02-29", "2024-02-30", "2024-02-31", "2024-04-31", "2024-02-32", "2024-13-01", "2024-00-01", "2024-01-00", "24-08-07", "0024-08-07", "20240807", "2024/08/07", "2024-08", "2024", "", " 2024-08-07", "2024-08-07 ", "2024-08-07 12:34:56", "2024-08-07T00:00:00", "2024-08-07x", "2024-08-007", "-2024-08-07", "+2024-08-07", "0001-01-01", "1900-01-01", "9999-12-31", "10000-01-01", "0000-01-01", "abc", "2024-1-1-1", "2024-12-31", "1970-01-01", "1969-12-31"]
case("DATE", table("a DATE, n INT", PIPE), lines(*DATES))
TIMESTAMPS = ["2024-08-07 12:34:56", "2024-08-07 12:34:56.5", "2024-08-07 12:34:56.123456", "2024-08-07 12:34:56.123456789", "2024-08-07 12:34:56.", "2024-08-07 12:34:56.1234567890", "2024-8-7 1:2:3", "2024-08-07", "2024-08-07 12:34", "2024-08-07 12", "2024-08-07T12:34:56", "2024-08-07T12:34:56Z", "2024-08-07 12:34:56Z", "2024-08-07 12:34:56+08:00", "2024-08-07 12:34:56 UTC", "2024-08-07 24:00:00", "2024-08-07 25:00:00", "2024-08-07 23:60:00", "2024-08-07 23:59:60", "2024-08-07 23:59:61", "2024-02-30 00:00:00", "2024-02-29 00:00:00", "2024-13-01 00:00:00", " 2024-08-07 12:34:56", "2024-08-07 12:34:56 ", "2024-08-07  12:34:56", "1722960000", "1722960000.5", "", "0001-01-01 00:00:00", "1969-12-31 23:59:59.999999", "9999-12-31 23:59:59", "abc", "2024-08-07 012:34:56", "2024-08-07 12:34:56.000", "2024-08-07 12:99:00"]
case("TIMESTAMP", table("a TIMESTAMP, n INT", PIPE), lines(*TIMESTAMPS))
case("a TIMESTAMP from the epoch is no TIMESTAMP", table("a TIMESTAMP", PIPE), b"0\n1722960000000\n")
case("days that a change of the calendar left out", table("a DATE", PIPE), b"1582-10-04\n1582-10-10\n1582-10-15\n",
     ours=[["1582-10-04"], ["1582-10-10"], ["1582-10-15"]], why="days are those of the Gregorian calendar at all times; Spark reads text by Java's old calendar, where 5 to 14 October 1582 are ten days later")
case("dates are compared as dates", table("a DATE, n INT", PIPE), b"2024-8-7|1\n2024-10-01|2\nx|3\n", "SELECT n FROM t WHERE a > '2024-08-31'")
case("dates are sorted as dates", table("a DATE", PIPE), b"2024-8-7\n2024-10-01\n\\N\n2024-08-06\n", "SELECT a FROM t ORDER BY a")
case("timestamps are cut to days", table("a TIMESTAMP", PIPE), b"2024-08-07 23:59:59.9\n", "SELECT to_date(a), date_format(a, 'yyyyMMddHHmmss') FROM t")
case("the differences of dates", table("a DATE, b DATE", PIPE), b"2024-03-01|2024-02-28\n2024-02-30|2024-02-30\n", "SELECT datediff(a, b) FROM t")
case("formats of timestamps in the properties of the SerDe",
     table("a TIMESTAMP", "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe' WITH SERDEPROPERTIES ('field.delim' = '|', 'timestamp.formats' = \"yyyy-MM-dd'T'HH:mm:ss\")"),
     b"2024-08-07T12:34:56\n2024-08-07 12:34:56\nx\n",
     ours="error: timestamp.formats", why="`timestamp.formats` of a SerDe is an error: read text, and convert it with `unix_timestamp`; Spark reads timestamps so")

# ---------------------------------------------------------------------------------------------------------------------
WORD = "empty files"

case("an empty file has no rows", table(AB, PIPE), b"")
case("an empty folder has no rows", table(AB, PIPE), {"t/": b""})
case("a count over an empty folder is zero", table(AB, PIPE), {"t/": b""}, "SELECT count(*), sum(length(a)), max(b) FROM t")
case("an empty file among others", table(AB, PIPE), {"t/a.txt": b"", "t/b.txt": b"x|y\n", "t/c.txt": b""})
case("a file of one line end has one row", table("col STRING"), b"\n", "SELECT col, length(col) FROM t")
case("a file without a line end", table("col STRING"), b"x")
case("an empty file that is compressed", table("col STRING"), {"t/a.txt.gz": gzip.compress(b"", mtime=0)}, "SELECT count(*) FROM t")
case("a file of no bytes whose name says gzip", table("col STRING"), {"t/a.gz": b""}, "SELECT count(*) FROM t")
case("an empty file with a header to skip", table("a STRING", "", "LOCATION '{folder}/t' TBLPROPERTIES ('skip.header.line.count' = '1')"), b"")
case("a file of a header alone", table("a STRING", "", "LOCATION '{folder}/t' TBLPROPERTIES ('skip.header.line.count' = '1')"), b"h\n",
     ours=[], why="`skip.header.line.count` is honoured, as by Hive; Spark ignores it and reads the header as a row")
case("files are rows together", table("col STRING"), {"t/a.txt": b"1\n2", "t/b.csv": b"3\n", "t/part-00000": b"4\n"})
case("hidden files are not read", table("col STRING"), {"t/a.txt": b"x\n", "t/_SUCCESS": b"no\n", "t/.a.txt.crc": b"no\n", "t/_tmp/a.txt": b"no\n", "t/.staging/a.txt": b"no\n"})
case("a folder within the folder is an error", table("col STRING"), {"t/a.txt": b"x\n", "t/sub/b.txt": b"y\n"})
case("a location that is not there",
     table("col STRING", "", "LOCATION '{folder}/none'"), {}, "SELECT count(*) FROM t",
     ours="error: none", why="`CREATE EXTERNAL TABLE` makes no folder, and a location that is not there is an error when it is read; Spark makes the folder")
case("a location that is a file",
     table("col STRING", "", "LOCATION '{folder}/t/a.txt'"), b"x\n",
     ours=[["x"]], why="a location may be one file; Spark refuses it")
case("a location with a wildcard",
     table("col STRING", "", "LOCATION '{folder}/t/a*.txt'"), {"t/a1.txt": b"x\n", "t/a2.txt": b"y\n", "t/b.txt": b"no\n"})
case("gzip by the file's name", table("col STRING"), {"t/a.txt.gz": gzip.compress(b"x\ny\n", mtime=0)})
case("gzip of several members", table("col STRING"), {"t/a.gz": gzip.compress(b"x\ny", mtime=0) + gzip.compress(b"z\n", mtime=0)})
case("bzip2 by the file's name", table("col STRING"), {"t/a.bz2": bz2.compress(b"x\ny\n")})
case("gzip without a name that says so",
     table("col STRING"), {"t/a.txt": gzip.compress(b"x\n", mtime=0)}, "SELECT count(*) FROM t WHERE col = 'x'",
     ours=[["1"]], why="gzip is known by its first bytes too, whatever the file's name; Spark reads the compressed bytes as text")

# ---------------------------------------------------------------------------------------------------------------------
WORD = "CR LF"

case("CR LF ends a line", table(AB, PIPE), b"x|y\r\nz|w\r\n", "SELECT a, b, length(b) FROM t")
case("CR LF behind a number", table("a STRING, b INT", PIPE), b"x|1\r\ny|2\r\n")
case("CR LF and LF in one file", table("col STRING"), b"a\r\nb\nc\r\n", "SELECT col, length(col) FROM t")
case("an empty line of CR LF", table("col STRING"), b"a\r\n\r\nb\r\n", "SELECT col, length(col) FROM t")
case("a lone CR ends a line", table(AB, PIPE), b"x|y\rz|w\rv|u\n")
case("a CR at the end of the file", table("col STRING"), b"a\nb\r", "SELECT col, length(col) FROM t")
case("CR CR LF is two lines", table("col STRING"), b"a\r\r\nb\n", "SELECT col, length(col) FROM t")
case("LF CR is two lines", table("col STRING"), b"a\n\rb\n", "SELECT col, length(col) FROM t")
case("CR LF with LINES TERMINATED BY LF", table(AB, fields("|", r"LINES TERMINATED BY '\n'")), b"x|y\r\nz|w\r\n", "SELECT a, b, length(b) FROM t")
case("a CR within a field ends the line", table("a INT, b STRING, c INT", PIPE), b"1|x\ry|2\n")
case("CR LF and escapes", table(AB, ESCAPED), b"x|y\\\r\nz|w\r\n", "SELECT a, b, length(b) FROM t")
case("CR LF and a line that is the marker", table("col STRING"), b"\\N\r\nx\r\n")
case("CR LF behind a date", table("a DATE, b DATE", PIPE), b"2024-08-07|2024-08-08\r\n")
case("CR LF in a compressed file", table("col STRING"), {"t/a.gz": gzip.compress(b"a\r\nb\rc\r\n", mtime=0)}, "SELECT col, length(col) FROM t")
case("a CR as delimiter of fields", table(AB, fields(r"\r")), b"x\ry\n")
for shown, end, name in [(r"\r", b"\r", "CR"), (r"\r\n", b"\r\n", "CR LF"), (";", b";", "a semicolon")]:
    case(f"LINES TERMINATED BY {name}", table(AB, fields("|", f"LINES TERMINATED BY '{shown}'")), b"x|y" + end + b"z|w" + end,
         ours=[["x", "y"], ["z", "w"]], why="lines end as `LINES TERMINATED BY` says; Spark refuses all but LF")

# ---------------------------------------------------------------------------------------------------------------------
WORD = "BOM"
BOM = b"\xef\xbb\xbf"

case("a mark at the start is no data", table("a STRING, b STRING", PIPE), BOM + b"x|y\n", "SELECT a, char_length(a), b FROM t")
case("a mark in front of a number", table("a INT, b STRING", PIPE), BOM + b"1|y\n2|z\n")
case("a mark at the start of each file", table("col STRING"), {"t/a.txt": BOM + b"x\n", "t/b.txt": BOM + b"y\n"}, "SELECT col, char_length(col) FROM t")
case("a mark within a file is data", table("col STRING"), b"x\n" + BOM + b"y\n", "SELECT col, char_length(col) FROM t")
case("two marks", table("col STRING"), BOM + BOM + b"x\n", "SELECT col, char_length(col) FROM t")
case("a file of a mark alone", table("col STRING"), BOM, "SELECT count(*) FROM t")
case("a mark and a line end", table("col STRING"), BOM + b"\nx\n", "SELECT col, char_length(col) FROM t")
case("a mark and CR LF", table("a INT, b INT", PIPE), BOM + b"1|2\r\n3|4\r\n")
case("a mark in a compressed file", table("col STRING"), {"t/a.gz": gzip.compress(BOM + b"x\n", mtime=0)}, "SELECT col, char_length(col) FROM t")
case("a mark in front of the marker of NULL", table("col STRING"), BOM + b"\\N\nx\n")

# ---------------------------------------------------------------------------------------------------------------------
WORD = "partitions elsewhere"
BY_DT = "PARTITIONED BY (dt STRING) " + PIPE


def add(values, location=None):
    where = f" LOCATION '{{folder}}/{location}'" if location else ""
    return f"ALTER TABLE t ADD PARTITION ({values}){where}"


case("a partition's location may lie anywhere", [table(AB, BY_DT), add("dt='20240807'", "exports/user_20240807")], {"exports/user_20240807/a.txt": b"x|y\n"})
case("the table's own location may be one of a partition",
     [table(AB, BY_DT), add("dt='20240807'", "t")], b"x|y\n")
case("files of the table's folder are not read", [table(AB, BY_DT), add("dt='1'", "p")], {"t/a.txt": b"no|no\n", "p/a.txt": b"x|y\n"})
case("a partitioned table without partitions has no rows", table(AB, BY_DT), {"t/dt=1/a.txt": b"x|y\n"}, "SELECT count(*) FROM t")
case("a partition without a location is a folder below the table", [table(AB, BY_DT), add("dt='1'")], {"t/dt=1/a.txt": b"x|y\n"})
case("several partitions in one statement",
     [table(AB, BY_DT), "ALTER TABLE t ADD PARTITION (dt='1') LOCATION '{folder}/p1' PARTITION (dt='2') LOCATION '{folder}/p2'"],
     {"p1/a.txt": b"x|1\n", "p2/a.txt": b"x|2\n"}, "SELECT * FROM t WHERE dt > '1'")
case("two partitions in one place",
     [table(AB, BY_DT), add("dt='1'", "p"), add("dt='2'", "p")], {"p/a.txt": b"x|y\n"})
case("two levels of partitions",
     [table("a STRING", "PARTITIONED BY (dt STRING, h INT) " + PIPE), add("dt='1', h=2", "p"), add("dt='1', h=10")], {"p/a.txt": b"x\n", "t/dt=1/h=10/a.txt": b"y\n"},
     "SELECT a, dt, h, h + 1 FROM t")
case("a partition column of whole numbers",
     [table("a STRING", "PARTITIONED BY (n INT) " + PIPE), add("n=7", "p7"), add("n='08'", "p8")], {"p7/a.txt": b"x\n", "p8/a.txt": b"y\n"}, "SELECT a, n FROM t WHERE n > 7")
case("a partition column of dates",
     [table("a STRING", "PARTITIONED BY (d DATE) " + PIPE), add("d='2024-08-07'", "p7"), add("d=DATE '2024-08-08'", "p8")], {"p7/a.txt": b"x\n", "p8/a.txt": b"y\n"}, "SELECT a, d FROM t WHERE d = '2024-08-08'")
case("text compared with a number is cast to a number",
     [table("a STRING", BY_DT), add("dt='7'", "p1"), add("dt='07'", "p2"), add("dt='8'", "p3")], {"p1/a.txt": b"x\n", "p2/a.txt": b"y\n", "p3/a.txt": b"z\n"}, "SELECT a, dt FROM t WHERE dt = 7")
case("a day compared with a number", [table("a STRING", BY_DT), add("dt='20240807'", "p1"), add("dt='20240808'", "p2")], {"p1/a.txt": b"x\n", "p2/a.txt": b"y\n"}, "SELECT a, dt FROM t WHERE dt = 20240807")
case("days between numbers", [table("a STRING", BY_DT), add("dt='20240807'", "p1"), add("dt='20240808'", "p2")], {"p1/a.txt": b"x\n", "p2/a.txt": b"y\n"}, "SELECT a, dt FROM t WHERE dt >= 20240808")
case("a partition whose text is no number is skipped by a number",
     [table("a STRING", BY_DT), add("dt='20240807'", "p1"), add("dt='latest'", "p2")], {"p1/a.txt": b"x\n", "p2/a.txt": b"y\n"}, "SELECT a, dt FROM t WHERE dt = 20240807")
case("a text column compared with a number", table("a STRING, b STRING", PIPE), b"7|x\n07|y\n7.0|z\nabc|w\n 7 |v\n", "SELECT b FROM t WHERE a = 7")
case("whole numbers compared with text", table("a INT, b STRING", PIPE), b"7|x\n8|y\n", "SELECT b FROM t WHERE a = '07' OR a = 'x'")
case("text compared with a fraction", table("a STRING, b STRING", PIPE), b"7|x\n7.5|y\n07.50|z\nabc|w\n", "SELECT b FROM t WHERE a = 7.5")
case("text compared with a whole number is cut", table("a STRING, b STRING", PIPE), b"7|x\n7.5|y\n6|z\n3000000000|w\n7e0|v\n-|u\n", "SELECT b FROM t WHERE a <= 7")
case("text that is a large number compared with a small one", table("a STRING, b STRING", PIPE), b"3000000000|w\n8|x\n", "SELECT b FROM t WHERE a > 7",
     ours=[["w"], ["x"]], why="text compared with a whole number is a BIGINT; Spark makes it an INT beside an INT, which hides larger ones")
case("text compared with a large number", table("a STRING, b STRING", PIPE), b"3000000000|x\n7|y\n", "SELECT b FROM t WHERE a > 2999999999")
case("text in a list of numbers", table("a STRING, b STRING", PIPE), b"7|x\n07|y\n8|z\nabc|w\n", "SELECT b FROM t WHERE a IN (7, 9)")
case("text between numbers", table("a STRING, b STRING", PIPE), b"7|x\n07|y\n80|z\nabc|w\n", "SELECT b FROM t WHERE a BETWEEN 5 AND 9")
case("text joined with numbers", [table("a STRING, b INT", PIPE)], b"07|7\n8|9\nx|8\n", "SELECT l.a, r.b FROM t l JOIN t r ON l.a = r.b")
case("text and numbers are added", table("a STRING, b STRING", PIPE), b"7|1.5\nx|2\n", "SELECT a + 1, b * 2 FROM t")
case("the partition of NULL in a text table is a text",
     [table("a STRING", BY_DT), "MSCK REPAIR TABLE t"], {"t/dt=__HIVE_DEFAULT_PARTITION__/a.txt": b"x\n", "t/dt=1/a.txt": b"y\n"}, "SELECT a, dt, dt IS NULL FROM t")
case("the partition of NULL of numbers is NULL",
     [table("a STRING", "PARTITIONED BY (n INT) " + PIPE), "MSCK REPAIR TABLE t"], {"t/n=__HIVE_DEFAULT_PARTITION__/a.txt": b"x\n", "t/n=1/a.txt": b"y\n"}, "SELECT a, n, n IS NULL FROM t")
case("folders become partitions", [table("a STRING", BY_DT), "MSCK REPAIR TABLE t"], {"t/dt=1/a.txt": b"x\n", "t/dt=2/a.txt": b"y\n", "t/other/a.txt": b"no\n", "t/_dt=3/a.txt": b"no\n"})
case("MSCK REPAIR TABLE knows columns in any case", [table("a STRING", BY_DT), "MSCK REPAIR TABLE t"], {"t/DT=1/a.txt": b"x\n"})
case("MSCK REPAIR TABLE keeps locations that were given", [table("a STRING", BY_DT), add("dt='1'", "p"), "MSCK REPAIR TABLE t"], {"p/a.txt": b"given\n", "t/dt=1/a.txt": b"found\n"})
case("a partition that is dropped keeps its files", [table("a STRING", BY_DT), add("dt='1'"), "ALTER TABLE t DROP PARTITION (dt='1')", add("dt='1'")], {"t/dt=1/a.txt": b"x\n"})
case("names of partitions are sorted as text and escaped",
     [table("a STRING", BY_DT), add("dt='10'"), add("dt='9'"), add("dt='a/b:c'"), add("dt='x y'"), add("dt='é'")], {"t/": b""}, "SHOW PARTITIONS t")
case("a value that a path cannot hold", [table("a STRING", BY_DT), add("dt='2024-08-07 12:00/x'")], {"t/dt=2024-08-07 12%3A00%2Fx/a.txt": b"x\n"})
case("blanks in values of partitions are data", [table("a STRING", BY_DT), add("dt=' 1 '", "p")], {"p/a.txt": b"x\n"}, "SELECT a, dt, length(dt) FROM t")
case("the columns of partitions stand last", [table("a STRING, b STRING", "PARTITIONED BY (dt STRING, h INT) " + PIPE), add("dt='1', h=2", "p")], {"p/a.txt": b"x|y|z|w\n"}, "SELECT h, a, dt, b FROM t")
case("a partition is counted without its files' fields", [table("a INT", BY_DT), add("dt='1'", "p1"), add("dt='2'", "p2")], {"p1/a.txt": b"x\ny\n", "p2/a.txt": b"z\n"}, "SELECT dt, count(*) FROM t GROUP BY dt ORDER BY dt")
case("partitions chosen by a list", [table("a STRING", BY_DT), add("dt='1'", "p1"), add("dt='2'", "p2"), add("dt='3'", "p3")], {"p1/a.txt": b"x\n", "p2/a.txt": b"y\n", "p3/a.txt": b"z\n"}, "SELECT a FROM t WHERE dt IN ('1', '3') AND a <> 'x'")
case("a partition and a condition on rows joined by OR", [table("a STRING", BY_DT), add("dt='1'", "p1"), add("dt='2'", "p2")], {"p1/a.txt": b"x\ny\n", "p2/a.txt": b"y\n"}, "SELECT a, dt FROM t WHERE dt = '1' OR a = 'y'")
case("ADD IF NOT EXISTS keeps the first location",
     [table("a STRING", BY_DT), add("dt='1'", "p1"), "ALTER TABLE t ADD IF NOT EXISTS PARTITION (dt='1') LOCATION '{folder}/p2'"], {"p1/a.txt": b"first\n", "p2/a.txt": b"second\n"})
case("a partition that is there already is an error", [table("a STRING", BY_DT), add("dt='1'", "p1"), add("dt='1'", "p2")], {"p1/a.txt": b"x\n", "p2/a.txt": b"y\n"})
case("an empty value of a partition is an error", [table("a STRING", BY_DT), add("dt=''", "p1")], {"p1/a.txt": b"x\n"})
case("a folder within a partition is an error", [table("a STRING", BY_DT), add("dt='1'", "p")], {"p/a.txt": b"x\n", "p/sub/a.txt": b"y\n"})
case("a partition in an empty folder has no rows", [table("a STRING", BY_DT), add("dt='1'", "p")], {"p/": b""}, "SELECT count(*) FROM t")
case("a partition whose folder is not there",
     [table("a STRING", BY_DT), add("dt='1'", "p1"), add("dt='2'", "p2")], {"p1/a.txt": b"x\n"},
     ours="error: p2", why="a partition that is read and is not there is an error, never rows that are missing; Spark leaves its rows out")
case("partitions in compressed files", [table("a STRING", BY_DT), add("dt='1'", "p1"), add("dt='2'", "p2")], {"p1/a.gz": gzip.compress(b"x\n", mtime=0), "p2/a.txt": BOM + b"y\r\n"})
case("a partition with a bad whole number", [table("a STRING", "PARTITIONED BY (n INT) " + PIPE), add("n='x'", "p")], {"p/a.txt": b"x\n"})

# ---------------------------------------------------------------------------------------------------------------------
WORD = "complex types"
NESTED = fields("|", "COLLECTION ITEMS TERMINATED BY ',' MAP KEYS TERMINATED BY ':'")

case("an array with Hive's delimiters", table("a ARRAY<STRING>, b INT"), b"x\x02y\x02z\x011\n")
case("an array of text", table("a ARRAY<STRING>, b INT", NESTED), b"x,y,z|1\nx|2\n|3\n\\N|4\n,|5\n")
case("an array of numbers", table("a ARRAY<INT>", NESTED), b"1,2,3\n1,x,3\n1,,3\n1.9, 2\n")
case("arrays of other types", table("a ARRAY<DOUBLE>, b ARRAY<DATE>, c ARRAY<BOOLEAN>, d ARRAY<DECIMAL(5,2)>", NESTED), b"1.5,x|2024-8-7,2024-02-30|true,x|1.235,1000\n")
case("elements of an array", table("a ARRAY<STRING>", NESTED), b"x,y\nx\n\n\\N\n", "SELECT a[0], a[1], a[5], size(a) FROM t",
     ours=[["x", "y", None, "2"], ["x", None, None, "1"], [None, None, None, "0"], [None, None, None, None]], why="`size(NULL)` is NULL; Spark says -1")
case("elements of nested arrays", table("a ARRAY<ARRAY<INT>>, s STRUCT<x:ARRAY<STRING>>, m MAP<STRING,ARRAY<INT>>"), b"1\x032\x023\x01x\x03y\x01k\x034\x045\n", "SELECT a[0][1], a[1][0], s.x[0], m['k'][1] FROM (SELECT * FROM t) q")
case("a partition's day of a DATE compared with a number", [table("a STRING", "PARTITIONED BY (d DATE) " + PIPE), "ALTER TABLE t ADD PARTITION (d='2024-08-07') LOCATION '{folder}/p7'"], {"p7/a.txt": b"x\n"}, "SELECT a FROM t WHERE d = 20240807")
case("an array beside a column that is short", table("a ARRAY<STRING>, b ARRAY<INT>, c STRING", NESTED), b"x,y\n")
case("a map with Hive's delimiters", table("m MAP<STRING,INT>, b STRING"), b"k\x031\x02l\x032\x01x\n")
case("a map", table("m MAP<STRING,INT>", NESTED), b"k:1,l:2\nk:1\n\\N\nk:x\n")
case("a map that is empty", table("m MAP<STRING,INT>, b STRING", NESTED), b"|x\n")
case("a map's entry without a value", table("m MAP<STRING,STRING>", NESTED), b"k\nk:\nk:1,l\n:v\n,k:1\nk:1,\n")
case("a map's value with the delimiter in it", table("m MAP<STRING,STRING>", NESTED), b"k:1:2\n")
case("a key that is there twice", table("m MAP<STRING,STRING>", NESTED), b"k:1,k:2,l:3\n")
case("a map with numbers as keys", table("m MAP<INT,STRING>", NESTED), b"1:x,2:y\nz:x,2:y\n")
case("values of a map by their keys", table("m MAP<STRING,INT>", NESTED), b"k:1,l:2\nl:3\n", "SELECT m['k'], m['l'] FROM t")
case("a map's keys and values", table("m MAP<STRING,INT>", NESTED), b"k:1,l:2\n", "SELECT map_keys(m), map_values(m) FROM t")
case("a struct with Hive's delimiters", table("s STRUCT<x:STRING,y:INT>, b STRING"), b"v\x022\x01w\n")
case("a struct", table("s STRUCT<x:STRING,y:INT>", NESTED), b"v,2\nv,x\n")
case("a struct that is short, long, empty and NULL", table("s STRUCT<x:STRING,y:INT>, b INT", NESTED), b"v|1\nv,2,3|2\n|3\n\\N|4\n\\N,\\N|5\n")
case("fields of a struct", table("s STRUCT<x:STRING,y:INT>", NESTED), b"v,2\nw\n", "SELECT s.x, s.y FROM t")
case("an array of structs", table("a ARRAY<STRUCT<x:STRING,y:INT>>", NESTED), b"v:1,w:2\nv,w:x\n")
case("an array of arrays", table("a ARRAY<ARRAY<INT>>", NESTED), b"1:2,3\n")
case("an array of arrays of arrays", table("a ARRAY<ARRAY<ARRAY<STRING>>>"), b"a\x04b\x03c\x02d\n")
case("a map of arrays", table("m MAP<STRING,ARRAY<INT>>"), b"k\x031\x042\x02l\x033\n")
case("a struct of an array and a map", table("s STRUCT<a:ARRAY<STRING>,m:MAP<STRING,INT>>"), b"x\x03y\x02k\x041\x03l\x042\n")
case("a struct in a struct", table("s STRUCT<x:STRUCT<y:INT,z:STRING>,w:STRING>", NESTED), b"1:v,w\n")
case("an array of dates and NULLs", table("a ARRAY<DATE>", NESTED), b"2024-08-07,\\N,,x\n")
case("an array that is exploded", table("k STRING, a ARRAY<STRING>", NESTED), b"k1|x,y\nk2|\nk3|\\N\n", "SELECT k, e FROM t LATERAL VIEW explode(a) v AS e")
case("another marker of NULL in an array",
     table("a ARRAY<STRING>, b STRING", NESTED, "LOCATION '{folder}/t' TBLPROPERTIES ('serialization.null.format' = 'nil')"), b"x,nil,\\N|nil\nnil|x\n")
case("delimiters by their codes", table("a ARRAY<STRING>, m MAP<STRING,STRING>", r"ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t' COLLECTION ITEMS TERMINATED BY '\073' MAP KEYS TERMINATED BY '61'"), b"x;y\tk=v;l=w\n")
case("the delimiter of items without that of keys", table("a ARRAY<STRING>, m MAP<STRING,STRING>", fields("|", "COLLECTION ITEMS TERMINATED BY ';'")), b"x;y|k\x03v;l\x03w\n")
case("a struct as people type it", table("s struct< x : INT , y:STRING COMMENT 'c', Z:DECIMAL(5, 2)>", NESTED), b"1,v,2.5\n")
case("the marker within nested text", table("a ARRAY<STRUCT<x:STRING,y:STRING>>", NESTED), b"\\N:v,\\N\n")

# ---------------------------------------------------------------------------------------------------------------------
WORD = "formats"
USING = "CREATE TABLE t ({columns}) USING {format} OPTIONS ({options})"


def using(format, columns, **options):
    options = {"path": "{folder}/t", **options}
    listed = ", ".join(f"{name} '{value}'" for name, value in options.items())
    return f"CREATE TABLE t ({columns}) USING {format} OPTIONS ({listed})"


case("STORED AS CSV", table("a STRING, b INT", "STORED AS CSV"), b'"x,1",1\ny,2\n',
     ours=[["x,1", "1"], ["y", "2"]], why="`STORED AS CSV` reads CSV with quotes; Spark refuses it")
case("STORED AS JSONFILE", table("a STRING, b INT", "STORED AS JSONFILE"), b'{"a":"x","b":1}\n{"b":2}\n',
     ours=[["x", "1"], [None, "2"]], why="`STORED AS JSONFILE` reads a JSON object in each line; Spark refuses it")
case("the SerDe of JSON", table("a STRING, b INT, c ARRAY<INT>", "ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe' STORED AS TEXTFILE"), b'{"a":"x","b":1,"c":[1,2]}\n',
     ours=[["x", "1", "[1,2]"]], why="Hive's SerDes of JSON are read as JSON lines; Spark needs a jar for that")
case("USING csv", using("csv", "a STRING, b INT"), b'x,1\n"y,z",2\n')
case("USING csv with a header", using("csv", "a STRING, b INT", header="true"), b"a,b\nx,1\n")
case("USING csv with another separator", using("csv", "a STRING, b INT", sep="|"), b"x|1\n'y|z'|2\n")
case("USING csv: quotes", using("csv", "a STRING, b STRING"), b'"say \\"hi\\"",""\n"a""b",x\n"a"b,c"d\n')
case("USING csv: empty and NULL", using("csv", "a STRING, b STRING, c INT"), b',"",\n\\N,null,1\n')
case("USING csv: nullValue", using("csv", "a STRING, b INT", nullValue="-"), b"-,-\n,1\n")
case("USING csv: bad values", using("csv", "a INT, b DOUBLE, c DATE, d BOOLEAN"), b"1.9,1e3,2024-8-7,TRUE\nx,x,x,x\n 1, 2 ,2024-08-07,yes\n+1,NaN,2024-08-07,false\n")
case("USING csv: short and long rows", using("csv", "a STRING, b STRING"), b"x\nx,y,z\n\n,\n")
case("USING csv: blanks", using("csv", "a STRING, b STRING"), b' x , y \n" z ", w\n')
case("USING csv: CR LF", using("csv", "a STRING, b STRING"), b"x,y\r\nz,w\rv,u\n")
case("USING csv: a line end in quotes", using("csv", "a STRING, b STRING"), b'"x\ny",z\n')
case("USING csv: multiLine", using("csv", "a STRING, b STRING", multiLine="true"), b'"x\ny",z\nw,v\n')
case("USING csv: timestamps", using("csv", "a TIMESTAMP"), b"2024-08-07 12:34:56\n2024-08-07T12:34:56\n2024-08-07\nx\n")
case("USING csv: a mark", using("csv", "a STRING, b STRING", header="true"), BOM + b"a,b\nx,y\n")
case("USING json", using("json", "a STRING, b INT, c ARRAY<INT>, d STRUCT<x:STRING>, e MAP<STRING,INT>"), b'{"a":"x","b":1,"c":[1,2],"d":{"x":"y"},"e":{"k":1}}\n{"a":null}\n{}\n')
case("USING json: other types", using("json", "a STRING, b INT, c DOUBLE, d BOOLEAN"), b'{"a":1,"b":"1","c":1,"d":"true"}\n{"a":{"x":1},"b":1.5,"c":"x","d":1}\n{"a":[1, 2],"b":null,"c":"NaN","d":true}\n')
case("USING json: lines that are no JSON", using("json", "a STRING"), b'{"a":"x"}\nnot json\n\n{"a":"y"\n{"a":"z"} x\n')
case("USING json: dates", using("json", "a DATE, b TIMESTAMP, c DECIMAL(5,2)"), b'{"a":"2024-08-07","b":"2024-08-07 12:34:56","c":1.235}\n{"a":"x","b":"x","c":"x"}\n')
case("USING text", "CREATE TABLE t (value STRING) USING text OPTIONS (path '{folder}/t')", b"x|y\r\nz\n\n")
