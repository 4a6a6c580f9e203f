//! What a server says of itself at `/metrics`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The numbers that the server whose `redoubt.metrics_address` has this port gives for these names, which include
/// their labels, if they have any.
///
/// # Errors
/// When it does not answer, or one of the names is not there.
pub fn metrics<const N: usize>(port: u16, names: [&str; N]) -> Result<[f64; N], String> {
    let text = ask(port).map_err(|error| format!("metrics: {error}"))?;
    let mut numbers = [0.0; N];
    for (number, name) in numbers.iter_mut().zip(names) {
        *number = find(&text, name).ok_or_else(|| format!("the metrics do not have {name}"))?;
    }
    Ok(numbers)
}

fn ask(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn find(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = "# TYPE a_total counter\na_total 12\na_total_more{b=\"c\"} 1.5\n";
        let check = |name: &str, expect: Option<f64>| assert_eq!(find(text, name), expect, "{name}");
        check("a_total", Some(12.0));
        check("a_total_more{b=\"c\"}", Some(1.5));
        check("a", None);
    }
}
