//! The `DateStyle` setting: an output format and an input order in one text
//! (PostgreSQL's check_datestyle, src/backend/commands/variable.c).

use redoubt_functions::{DateFormat, DateOrder};

/// Reads a list of key words; parts that are not named stay as they are. The error is the word
/// that is not known.
pub fn parse(text: &str, format: DateFormat, order: DateOrder) -> Result<(DateFormat, DateOrder), String> {
    let (mut new_format, mut new_order, mut order_named) = (format, order, false);
    for word in text.split(',') {
        let word = word.trim();
        let key = word.to_ascii_lowercase();
        match key.as_str() {
            "iso" => new_format = DateFormat::Iso,
            "sql" => new_format = DateFormat::Sql,
            "german" => {
                new_format = DateFormat::German;
                if !order_named {
                    new_order = DateOrder::Dmy;
                }
            }
            "default" => (new_format, new_order) = (DateFormat::Iso, DateOrder::Mdy),
            _ if key.starts_with("postgres") => new_format = DateFormat::Postgres,
            _ => {
                new_order = match key.as_str() {
                    "ymd" => DateOrder::Ymd,
                    "dmy" => DateOrder::Dmy,
                    "mdy" => DateOrder::Mdy,
                    _ if key.starts_with("euro") => DateOrder::Dmy,
                    "us" | "noneuro" | "noneuropean" => DateOrder::Mdy,
                    _ => return Err(word.to_string()),
                };
                order_named = true;
            }
        }
    }
    Ok((new_format, new_order))
}

/// The canonical text.
pub fn show(format: DateFormat, order: DateOrder) -> String {
    let format = match format {
        DateFormat::Iso => "ISO",
        DateFormat::Sql => "SQL",
        DateFormat::Postgres => "Postgres",
        DateFormat::German => "German",
    };
    let order = match order {
        DateOrder::Ymd => "YMD",
        DateOrder::Dmy => "DMY",
        DateOrder::Mdy => "MDY",
    };
    format!("{format}, {order}")
}
