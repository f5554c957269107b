"""Asks real Spark what expressions mean: writes functions.tsv beside this file (expression or query, TAB, result as text, NULL as \\N,
a newline as \\n; rows end with `;`, columns with `|`).

Spark 3.5.6 (`pip install pyspark==3.5.6`, Java 17), ANSI off, session time zone Asia/Shanghai, timeParserPolicy CORRECTED
(the default, EXCEPTION, stops the query where Spark 2 would have read what Spark 3 does not).

    python tests/spark/functions.py
"""

import pathlib

from pyspark.sql import SparkSession

EXPRESSIONS = r"""
split('a|b|c', '\\|')[0]
split('a|b|c', '\\|')[2]
split('a|b|c', '\\|')[3]
split('a|b|c', '\\|')[-1]
split('abc', '|')[1]
split('a|b|c', '[|]')
split('a1b22c', '[0-9]+')
split('a1b22c', '\\d+')
split('a,b,,', ',')
split('', ',')
split('abc', '')
split(NULL, ',')
split('a,b,c', ',', 2)
split('a,b,c', ',')[1 - 1]
split('a.b', '.')
split('a.b', '\\.')[1]
split('一,二', ',')[1]
size(split('a,b', ','))
regexp_extract('100-200', '(\\d+)-(\\d+)', 1)
regexp_extract('100-200', '(\\d+)-(\\d+)', 2)
regexp_extract('100-200', '(\\d+)-(\\d+)')
regexp_extract('100-200', '(\\d+)-(\\d+)', 0)
regexp_extract('foo', '(\\d+)', 1)
regexp_extract('foo', '(o)(x)?', 2)
regexp_extract(NULL, '(o)', 1)
regexp_extract('x٣', '(\\d+)', 1)
regexp_extract('GET /a?b=1 HTTP/1.1', 'GET ([^ ]+)', 1)
regexp_replace('100-200', '(\\d+)', 'num')
regexp_replace('100-200', '(\\d+)-(\\d+)', '$2-$1')
regexp_replace('aaa', 'a', 'b')
regexp_replace('abc', 'b', '')
regexp_replace('a.b.c', '\\.', '-')
regexp_replace('abc', 'b', '\\$')
regexp_replace('abc', 'B', 'x')
regexp_replace('abc', '(?i)B', 'x')
regexp_replace('ab', '', '-')
regexp_replace(NULL, 'a', 'b')
regexp_replace('1a', '(\\d)', '$10')
substr('Spark SQL', 5)
substr('Spark SQL', -3)
substr('Spark SQL', 5, 1)
substr('Spark SQL', 0)
substr('Spark SQL', 0, 2)
substr('Spark SQL', 1, 2)
substr('Spark SQL', -3, 2)
substr('abc', -5, 3)
substr('abc', 2, -1)
substr('abc', 10)
substring('一二三', 2, 1)
substr(12345, 2, 2)
substr(NULL, 1)
instr('SparkSQL', 'SQL')
instr('abc', 'x')
instr('abc', '')
instr('一二三', '三')
instr(NULL, 'a')
concat_ws(',', 'a', NULL, 'b')
concat_ws(',', array('a', 'b', NULL), 'c')
concat_ws(NULL, 'a', 'b')
concat_ws(',')
concat_ws(',', NULL)
concat_ws('-', 1, 2)
concat_ws('/', split('a,b', ','))
date_format('2024-08-07 12:34:56', 'yyyy-MM-dd HH:mm:ss')
date_format('2024-08-07', 'yyyyMMdd')
date_format('2024-08-07', 'yy/M/d')
date_format('2024-08-07 15:04:05.123456', 'HH:mm:ss.SSS')
date_format('2024-08-07 15:04:05', 'h:mm a')
date_format('2024-08-07', 'EEE EEEE MMM MMMM')
date_format('2024-08-07', "yyyy'年'MM'月'")
date_format('2024-08-07', 'D DDD')
date_format('2024-08-07', 'Q QQ QQQ')
date_format('2024-08-07 00:30:00', 'k K h H')
date_format('x', 'yyyy')
date_format(NULL, 'yyyy')
date_format(to_date('2024-01-01'), 'yyyyMM')
to_date('2024-08-07')
to_date('2024-8-7')
to_date('2024-08-07 12:00:00')
to_date('20240807', 'yyyyMMdd')
to_date('2024/08/07', 'yyyy/MM/dd')
to_date('2024-08-07 01:02:03', 'yyyy-MM-dd HH:mm:ss')
to_date('07-Aug-2024', 'dd-MMM-yyyy')
to_date('2024-8-7', 'yyyy-MM-dd')
to_date('2024-8-7', 'yyyy-M-d')
to_date('2024-13-01')
to_date('2024-02-30')
to_date('x', 'yyyy')
to_date('2024', 'yyyy')
to_date('202408', 'yyyyMM')
to_date('2024-08-07x')
to_date('2024-08')
unix_timestamp('2024-08-07 00:00:00')
unix_timestamp('2024-08-07')
unix_timestamp('20240807', 'yyyyMMdd')
unix_timestamp('2024-08-07 12', 'yyyy-MM-dd HH')
unix_timestamp('2024-08-07 01:02:03 PM', 'yyyy-MM-dd hh:mm:ss a')
unix_timestamp('bad')
unix_timestamp(to_date('1970-01-02'))
unix_timestamp() > 1700000000
from_unixtime(0)
from_unixtime(1722960000)
from_unixtime(1722960000, 'yyyyMMdd')
from_unixtime(1722960000, 'yyyy-MM-dd HH')
from_unixtime(NULL)
from_unixtime(unix_timestamp('20240807', 'yyyyMMdd'), 'yyyy-MM-dd')
datediff('2024-08-07', '2024-08-01')
datediff('2024-08-01', '2024-08-07 23:00:00')
datediff('x', '2024-08-01')
date_add('2024-02-28', 2)
date_add('2024-08-07', -7)
date_add('2024-08-07 23:00:00', 1)
date_add('x', 1)
date_add(NULL, 1)
date_sub('2024-03-01', 1)
date_sub('2024-03-01', -1)
add_months('2024-01-31', 1)
add_months('2024-02-29', 12)
add_months('2024-02-29', -1)
nvl(NULL, 'x')
nvl('a', 'x')
nvl(NULL, 1)
if(1 > 2, 'a', 'b')
if(NULL, 1, 2)
if(true, 1, 2.5)
decode('abc', 'utf-8')
decode(encode('一', 'utf-8'), 'utf-8')
decode(2, 1, 'a', 2, 'b', 'c')
decode(3, 1, 'a', 2, 'b', 'c')
decode(3, 1, 'a', 2, 'b')
decode(NULL, 1, 'a', NULL, 'n', 'd')
get_json_object('{"a":"b"}', '$.a')
get_json_object('{"a":{"b":1}}', '$.a')
get_json_object('{"a":{"b":1}}', '$.a.b')
get_json_object('{"a":[1,2,3]}', '$.a[1]')
get_json_object('{"a":[1,2,3]}', '$.a[9]')
get_json_object('{"a":[1,2,3]}', '$.a[*]')
get_json_object('{"a":[{"b":1},{"b":2}]}', '$.a[*].b')
get_json_object('{"a":[{"b":"x"}]}', '$.a[*].b')
get_json_object('{"a":null}', '$.a')
get_json_object('{"a":true}', '$.a')
get_json_object('{"a":1.50}', '$.a')
get_json_object('{"a b":1}', "$['a b']")
get_json_object('{"a":1}', '$.b')
get_json_object('{"a":1}', '$')
get_json_object('not json', '$.a')
get_json_object('{"a":1}', 'a')
get_json_object('[{"a":1},{"a":2}]', '$[1].a')
get_json_object('{"a":"q\\"uote"}', '$.a')
parse_url('http://u:p@spark.apache.org:80/path?query=1&b=2#frag', 'HOST')
parse_url('http://u:p@spark.apache.org:80/path?query=1&b=2#frag', 'PATH')
parse_url('http://u:p@spark.apache.org:80/path?query=1&b=2#frag', 'QUERY')
parse_url('http://u:p@spark.apache.org:80/path?query=1&b=2#frag', 'QUERY', 'b')
parse_url('http://u:p@spark.apache.org:80/path?query=1&b=2#frag', 'QUERY', 'c')
parse_url('http://u:p@spark.apache.org:80/path?query=1&b=2#frag', 'REF')
parse_url('http://u:p@spark.apache.org:80/path?query=1&b=2#frag', 'PROTOCOL')
parse_url('http://u:p@spark.apache.org:80/path?query=1&b=2#frag', 'FILE')
parse_url('http://u:p@spark.apache.org:80/path?query=1&b=2#frag', 'AUTHORITY')
parse_url('http://u:p@spark.apache.org:80/path?query=1&b=2#frag', 'USERINFO')
parse_url('http://a.b/p%20q?x=1%2B2', 'PATH')
parse_url('http://a.b/p%20q?x=1%2B2', 'QUERY', 'x')
parse_url('http://a.b', 'PATH')
parse_url('http://a.b', 'QUERY')
parse_url('/rel/path?x=1', 'HOST')
parse_url('/rel/path?x=1', 'PATH')
parse_url('http://a b/', 'HOST')
parse_url(NULL, 'HOST')
parse_url('http://a.b', 'host')
md5('Spark')
md5('')
md5(NULL)
SELECT collect_list(x) FROM (VALUES (1), (2), (NULL), (1)) AS t(x)
SELECT collect_list(x)[0] FROM (VALUES ('a')) AS t(x)
SELECT array_sort(collect_set(x)) FROM (VALUES (2), (1), (NULL), (1)) AS t(x)
SELECT collect_list(x) FROM (VALUES (1)) AS t(x) WHERE x > 5
SELECT collect_set(x) FROM (VALUES (1)) AS t(x) WHERE x > 5
SELECT concat_ws(',', collect_list(x)) FROM (VALUES ('a'), ('b')) AS t(x)
SELECT percentile_approx(x, 0.5) FROM (VALUES (1), (2), (3), (4)) AS t(x)
SELECT percentile_approx(x, 0.5) FROM (VALUES (1), (2), (3), (10)) AS t(x)
SELECT percentile_approx(x, array(0.5, 0.9)) FROM (VALUES (1), (2), (3), (4), (NULL)) AS t(x)
SELECT percentile_approx(x, 0.0) FROM (VALUES (CAST(3.5 AS DOUBLE)), (CAST(1.5 AS DOUBLE))) AS t(x)
SELECT percentile_approx(x, 1.0, 100) FROM (VALUES (CAST(3.5 AS DOUBLE)), (CAST(1.5 AS DOUBLE))) AS t(x)
SELECT percentile_approx(x, 0.5) FROM (VALUES (1)) AS t(x) WHERE x > 5
SELECT k, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS rn, v FROM (VALUES ('a', 1), ('a', 2), ('b', 3)) AS t(k, v) ORDER BY k, rn
SELECT k, x FROM (VALUES ('k1', 'a,b'), ('k2', 'c')) AS t(k, s) LATERAL VIEW explode(split(s, ',')) v AS x ORDER BY x
SELECT k, v.x FROM (VALUES ('k1', 'a,b'), ('k2', NULL)) AS t(k, s) LATERAL VIEW explode(split(t.s, ',')) v AS x WHERE x <> 'a' ORDER BY x
SELECT x, y FROM (VALUES ('a|b;c')) AS t(s) LATERAL VIEW explode(split(s, ';')) v AS x LATERAL VIEW explode(split(x, '\\|')) w AS y ORDER BY x, y
SELECT x, count(*) AS n FROM (VALUES ('a,b'), ('b')) AS t(s) LATERAL VIEW explode(split(s, ',')) v AS x GROUP BY x ORDER BY x
SELECT p[0], p[1] FROM (SELECT split(s, ',') AS p FROM (VALUES ('a,b')) AS t(s)) q
SELECT split(s, ',')[i] FROM (VALUES ('a,b', 0), ('c,d', 1), ('e', 1), (NULL, 0), ('f,g', NULL), ('h', -1)) AS t(s, i)
SELECT substr(s, i), substr(s, i, 2) FROM (VALUES ('abcdef', 2), ('abcdef', -2), ('一二三四', 0), (NULL, 1), ('', 1)) AS t(s, i)
SELECT regexp_replace(s, p, '<$0>') FROM (VALUES ('a1', '[0-9]'), ('b2', '[a-z]'), (NULL, 'x')) AS t(s, p)
SELECT regexp_extract(s, '^(\\w+)\\s+(?:x|y)=([^;]*);?', 2) FROM (VALUES ('ab x=1;'), ('ab  y='), ('z')) AS t(s)
SELECT date_add(d, n), date_sub(d, n), add_months(d, n) FROM (VALUES (DATE '2024-01-31', 1), (DATE '2024-03-31', -1), (NULL, 1)) AS t(d, n)
SELECT get_json_object(j, p) FROM (VALUES ('{"a":[{"b":"x"},{"c":1},{"b":"y"}]}', '$.a[*].b'), ('{"a":{"b":[]}}', '$.a.b'), ('[1,[2,3]]', '$[1][0]'), ('{"a":{"b":null}}', '$.a')) AS t(j, p)
SELECT k, collect_list(v) FROM (VALUES ('a', 1), ('b', NULL), ('a', 1)) AS t(k, v) GROUP BY k ORDER BY k
SELECT collect_list(DISTINCT x) FROM (VALUES (1), (1)) AS t(x)
SELECT k, percentile_approx(v, 0.25) AS p FROM (VALUES ('a', 1), ('a', 9), ('b', 5), ('b', NULL), ('c', NULL)) AS t(k, v) GROUP BY k ORDER BY k
SELECT percentile_approx(x, 0.9) FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) AS t(x)
SELECT percentile_approx(x, array(0.5))[0] FROM (VALUES (7)) AS t(x)
SELECT p.k, max(x) AS m FROM (VALUES ('k1', 'a,b'), ('k2', '')) AS p(k, s) LATERAL VIEW explode(split(p.s, ',')) v AS x GROUP BY p.k ORDER BY p.k
SELECT k, explode(split(s, ',')) AS x FROM (VALUES ('k1', 'a,b'), ('k2', NULL)) AS p(k, s)
SELECT * FROM (VALUES (1, 'a,b')) AS p(k, s) LATERAL VIEW explode(split(s, ',')) v AS x ORDER BY x
SELECT v.x FROM (VALUES ('b,a')) AS p(s) LATERAL VIEW explode(split(s, ',')) v AS x ORDER BY v.x
date_add(CAST('2024-08-07 10:00:00' AS TIMESTAMP), 1)
datediff(CAST('2024-08-07 23:59:59' AS TIMESTAMP), DATE '2024-08-01')
to_date(CAST('2024-08-07 23:59:59' AS TIMESTAMP))
to_date(20240807, 'yyyyMMdd')
unix_timestamp(CAST('2024-08-07 00:00:00' AS TIMESTAMP))
from_unixtime('1722960000')
date_format(CAST('2024-08-07 23:59:59' AS TIMESTAMP), 'yyyyMMddHHmmss')
date_format(date_sub(to_date('20240807', 'yyyyMMdd'), 1), 'yyyyMMdd')
from_unixtime(unix_timestamp('2024-08-07', 'yyyy-MM-dd') - 86400, 'yyyyMMdd')
concat_ws('|', DATE '2024-08-07', 1.50, true)
split('a1b', '(?<=1)')
split('ab', '(?i)B')[0]
split('a\\b', '\\\\')[1]
split('a^b', '\\^')[1]
split('a||b', '\\|\\|')[1]
split('aXXbX', 'X+')
split('a b\tc', '\\s')
split('abc', '', 2)
split(',a', ',')[0]
regexp_replace('a\nb', '.', 'x')
regexp_replace('<p>', '\\<|\\>', '')
regexp_replace('2024-08-07', '-', '')
regexp_replace('aaa', 'a', 'b', 2)
regexp_replace('a+b', '\\Q+\\E', '-')
regexp_replace('aa', 'a*?', '-')
regexp_replace('一二', '[\\u4e00]', 'x')
regexp_extract('k=v', '(?<key>\\w)=(?<value>\\w)', 2)
to_date('2024-08-07T10:00:00')
to_date(' 2024-08-07 ')
to_date('')
to_date('2024')
to_date('07/08/24', 'dd/MM/yy')
to_date('2024-08-07 10:00:00', 'yyyy-MM-dd')
to_date('Aug 7 2024', 'MMM d yyyy')
unix_timestamp('2024-08-07 00:00:00.5')
unix_timestamp('2024-08-07 00:00:00.500', 'yyyy-MM-dd HH:mm:ss.SSS')
unix_timestamp('07/Aug/2024:10:11:12', 'dd/MMM/yyyy:HH:mm:ss')
date_format('2024-08-07T15:04:05', 'HH')
date_format('2024-08-07 15:04', 'HH:mm')
date_format('0999-01-02', 'yyyy-MM-dd')
decode(1, 1, 'a')
nvl(CAST(NULL AS INT), 0)
parse_url('https://example.com/p/q?a=1&amp;ab=2&b=', 'QUERY', 'b')
parse_url('https://example.com', 'FILE')
parse_url('mailto:a@b.c', 'PROTOCOL')
parse_url('mailto:a@b.c', 'PATH')
"""


def text(value):
    return "\\N" if value is None else str(value).replace("\n", "\\n")


def main():
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.sql.session.timeZone", "Asia/Shanghai")
        .config("spark.sql.legacy.timeParserPolicy", "CORRECTED")
        .getOrCreate()
    )
    lines = []
    for expression in filter(None, EXPRESSIONS.splitlines()):
        query = expression if expression.startswith("SELECT ") else f"SELECT {expression} AS c"
        try:
            frame = spark.sql(query)
            frame = frame.toDF(*[f"c{position}" for position in range(len(frame.columns))])
            rows = frame.select([frame[column].cast("string") for column in frame.columns]).collect()
            result = ";".join("|".join(text(value) for value in row) for row in rows)
        except Exception as error:  # an error is a result too
            result = "error: " + str(error).splitlines()[0][:120]
        lines.append(f"{expression}\t{result}\n")
    pathlib.Path(__file__).with_name("functions.tsv").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
