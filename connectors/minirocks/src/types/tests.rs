use super::*;
use crate::Error;

fn parse(text: &str) -> ColumnType {
    text.parse().unwrap()
}

#[test]
fn a_type_prints_what_it_was_read_from() {
    for text in [
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INT",
        "BIGINT",
        "LARGEINT",
        "FLOAT",
        "DOUBLE",
        "DECIMAL(10,2)",
        "DATE",
        "DATETIME",
        "CHAR(3)",
        "VARCHAR(65533)",
        "VARBINARY",
        "JSON",
        "ARRAY<ARRAY<INT>>",
        "MAP<INT,VARCHAR(10)>",
        "STRUCT<`a b` INT,`c` ARRAY<DATE>>",
    ] {
        assert_eq!(parse(text).to_string(), text);
    }
}

#[test]
fn spellings_of_mysql_and_of_information_schema_are_read() {
    assert_eq!(parse("string"), ColumnType::STRING);
    assert_eq!(parse("int(11)"), ColumnType::Int);
    assert_eq!(parse("tinyint(1)"), ColumnType::Boolean);
    assert_eq!(parse("bigint(20) unsigned"), ColumnType::LargeInt);
    assert_eq!(parse("decimal( 18 , 4 )"), ColumnType::Decimal { precision: 18, scale: 4 });
    assert_eq!(parse("decimal"), ColumnType::Decimal { precision: 10, scale: 0 });
    assert_eq!(parse("struct<a int, b: string>"), parse("STRUCT<`a` INT,`b` VARCHAR(65533)>"));
}

#[test]
fn types_that_cannot_be_are_refused() {
    for text in
        ["", "INTT", "VARCHAR(0)", "CHAR(256)", "DECIMAL(39,0)", "DECIMAL(5,6)", "ARRAY<INT", "INT>", "VARCHAR(1,2)"]
    {
        assert!(text.parse::<ColumnType>().is_err(), "{text}");
    }
    assert!(matches!("HLL".parse::<ColumnType>(), Err(Error::Unsupported(_))));
    let deep = format!("{}INT{}", "ARRAY<".repeat(1000), ">".repeat(1000));
    assert!(deep.parse::<ColumnType>().is_err());
}

// The expected texts are those of StarRocks's TypeTest.
#[test]
fn information_schema_texts_are_those_of_starrocks() {
    for (text, data_type, column_type) in [
        ("BOOLEAN", "tinyint", "tinyint(1)"),
        ("LARGEINT", "bigint unsigned", "bigint(20) unsigned"),
        ("DECIMAL(18,4)", "decimal", "decimal(18, 4)"),
        ("ARRAY<INT>", "array", "array<int(11)>"),
        ("MAP<INT,INT>", "map", "map<int(11),int(11)>"),
        ("STRUCT<col1 INT>", "struct", "struct<col1 int(11)>"),
        ("STRING", "varchar", "varchar(65533)"),
    ] {
        assert_eq!(parse(text).data_type_text(), data_type);
        assert_eq!(parse(text).column_type_text(), column_type);
    }
}
