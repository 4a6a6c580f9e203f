//! TPC-H's queries with their parameters filled in.

use tpchgen::q_and_a::queries;

/// The validation values of each query's parameters, in the order of their numbers (clause 2.4).
const PARAMETERS: [&[&str]; 22] = [
    &["90"],
    &["15", "BRASS", "EUROPE"],
    &["BUILDING", "1995-03-15"],
    &["1993-07-01"],
    &["ASIA", "1994-01-01"],
    &["1994-01-01", "0.06", "24"],
    &["FRANCE", "GERMANY"],
    &["BRAZIL", "AMERICA", "ECONOMY ANODIZED STEEL"],
    &["green"],
    &["1993-10-01"],
    // The second is 0.0001 divided by the scale factor.
    &["GERMANY", ""],
    &["MAIL", "SHIP", "1994-01-01"],
    &["special", "requests"],
    &["1995-09-01"],
    &["1996-01-01"],
    &["Brand#45", "MEDIUM POLISHED", "49", "14", "23", "45", "19", "3", "36", "9"],
    &["Brand#23", "MED BOX"],
    &["300"],
    &["Brand#12", "Brand#23", "Brand#34", "1", "10", "20"],
    &["forest", "1994-01-01", "CANADA"],
    &["SAUDI ARABIA"],
    &["13", "31", "23", "29", "30", "18", "17"],
];

/// The text of a query, 1 to 22, for data of a scale factor.
pub fn query(number: u32, scale_factor: f64) -> Result<String, String> {
    let unknown = || format!("TPC-H has no query {number}");
    let text = i32::try_from(number).ok().and_then(queries::query).ok_or_else(unknown)?;
    let parameters = PARAMETERS.get(number as usize - 1).ok_or_else(unknown)?;
    let fraction = format!("{:.10}", 0.0001 / scale_factor);
    // A precision of days, and a stream's number in the name of a view, are not PostgreSQL's syntax.
    let mut filled = text.replace(" day (3)", " day").replace("revenue:s", "revenue_0");
    // The highest first: `:1` is the beginning of `:10`.
    for (index, value) in parameters.iter().enumerate().rev() {
        let value = if value.is_empty() { &fraction } else { *value };
        filled = filled.replace(&format!(":{}", index + 1), value);
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_has_its_value() {
        for number in 1..=22 {
            let text = query(number, 0.1).expect("a query");
            assert!(!text.contains(':'), "query {number}: {text}");
        }
        assert!(query(23, 1.0).is_err());
        assert!(query(11, 0.1).expect("a query").contains("* 0.0010000000"));
        assert!(query(16, 1.0).expect("a query").contains("in (49, 14, 23, 45, 19, 3, 36, 9)"));
    }
}
