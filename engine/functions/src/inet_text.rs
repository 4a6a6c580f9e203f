//! Text forms of `inet` and `cidr` (PostgreSQL's `inet_net_pton.c`, `inet_net_ntop.c` and `inet_cidr_ntop.c`,
//! which are the Internet Software Consortium's).

use crate::inet::Inet;

/// Reads an `inet`: an address, with a length of the network part or without.
pub(crate) fn parse_inet(text: &str) -> Option<Inet> {
    if text.contains(':') {
        return parse_v6(text);
    }
    let (octets, length) = dotted(text)?;
    let bits = match length {
        Some(bits) => bits,
        None if octets.len() == 4 => 32,
        None => return None,
    };
    // Octets may be left out only behind the network part.
    (usize::from(bits / 8) <= octets.len()).then(|| v4(&octets, bits))
}

/// Reads a `cidr`: octets may be left out, and a length that is not given follows from the address's class.
pub(crate) fn parse_cidr(text: &str) -> Option<Inet> {
    if text.contains(':') {
        return parse_v6(text);
    }
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (octets, length) =
        match hexadecimal.filter(|digits| digits.starts_with(|c: char| c.is_ascii_hexdigit())) {
            Some(rest) => hex_octets(rest)?,
            None => dotted(text)?,
        };
    let bits = length.unwrap_or_else(|| class_length(&octets));
    Some(v4(&octets, bits))
}

fn v4(octets: &[u8], bits: u8) -> Inet {
    let mut address = [0; 16];
    address[..octets.len()].copy_from_slice(octets);
    Inet { is_v6: false, bits, address }
}

/// The length of the network part by the classes of old, at least that of the octets given.
fn class_length(octets: &[u8]) -> u8 {
    let class = match octets[0] {
        240.. => 32,
        224.. => 8,
        192.. => 24,
        128.. => 16,
        _ => 8,
    };
    let bits = class.max(octets.len() as u8 * 8);
    if bits == 8 && octets[0] == 224 { 4 } else { bits }
}

/// One to four decimal octets and the length behind a slash.
fn dotted(text: &str) -> Option<(Vec<u8>, Option<u8>)> {
    let (octets, length) = split_length(text, 32)?;
    let mut values = Vec::with_capacity(4);
    for octet in octets.split('.') {
        if octet.is_empty() || !octet.bytes().all(|byte| byte.is_ascii_digit()) || values.len() == 4 {
            return None;
        }
        values.push(octet.parse().ok()?);
    }
    Some((values, length))
}

fn hex_octets(text: &str) -> Option<(Vec<u8>, Option<u8>)> {
    let (digits, length) = split_length(text, 32)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let mut octets = vec![0; digits.len().div_ceil(2)];
    for (at, digit) in digits.chars().enumerate() {
        let value = digit.to_digit(16)? as u8;
        octets[at / 2] |= if at % 2 == 0 { value << 4 } else { value };
    }
    Some((octets, length))
}

/// Takes `/length` off.
fn split_length(text: &str, most: u8) -> Option<(&str, Option<u8>)> {
    let Some((head, digits)) = text.split_once('/') else { return Some((text, None)) };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let length: u8 = digits.trim_start_matches('0').parse().or_else(|_| "0".parse()).ok()?;
    let is_zero = digits.bytes().all(|byte| byte == b'0');
    (length <= most && (length > 0 || is_zero)).then_some((head, Some(length)))
}

/// A number without leading zeros.
fn strict_number(digits: &str) -> Option<u8> {
    let plain =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits.len() == 1 || !digits.starts_with('0'));
    if plain { digits.parse().ok() } else { None }
}

/// Groups of four hexadecimal digits, `::` for a run of zeros, and maybe an IPv4 address at the end.
fn parse_v6(text: &str) -> Option<Inet> {
    let (head, bits) = match text.split_once('/') {
        Some((head, digits)) => (head, strict_number(digits).filter(|bits| *bits <= 128)?),
        None => (text, 128),
    };
    let (before, behind) = match head.split_once("::") {
        Some((before, behind)) => (before, Some(behind)),
        None => (head, None),
    };
    let mut left = groups(before, behind.is_none())?;
    let address = match behind {
        None => left,
        Some(behind) => {
            let right = groups(behind, true)?;
            if left.len() + right.len() >= 16 {
                return None;
            }
            left.resize(16 - right.len(), 0);
            left.extend(right);
            left
        }
    };
    Some(Inet { is_v6: true, bits, address: address.try_into().ok()? })
}

/// The bytes of groups between single colons; the last may be an IPv4 address.
fn groups(text: &str, may_end_in_v4: bool) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(16);
    if text.is_empty() {
        return Some(bytes);
    }
    let mut parts = text.split(':').peekable();
    while let Some(part) = parts.next() {
        if part.contains('.') && may_end_in_v4 && parts.peek().is_none() {
            let octets: Vec<u8> = part.split('.').map(strict_number).collect::<Option<_>>()?;
            // Octets may be left out at the end here too.
            if octets.len() > 4 {
                return None;
            }
            bytes.extend_from_slice(&octets);
            bytes.resize(bytes.len() + 4 - octets.len(), 0);
            continue;
        }
        if !(1..=4).contains(&part.len()) || !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        bytes.extend(u16::from_str_radix(part, 16).ok()?.to_be_bytes());
    }
    Some(bytes)
}

fn words(address: &[u8; 16]) -> [u16; 8] {
    std::array::from_fn(|at| u16::from_be_bytes([address[at * 2], address[at * 2 + 1]]))
}

fn write_v4(octets: &[u8], out: &mut String) {
    let texts: Vec<_> = octets.iter().map(u8::to_string).collect();
    out.push_str(&texts.join("."));
}

/// Appends the address alone.
pub(crate) fn write_address(value: &Inet, out: &mut String) {
    if !value.is_v6 {
        return write_v4(value.address_bytes(), out);
    }
    let words = words(&value.address);
    let (start, len) = longest_zeros(&words);
    for (at, word) in words.iter().enumerate() {
        if (start..start + len).contains(&at) {
            if at == start {
                out.push(':');
            }
            continue;
        }
        if at > 0 {
            out.push(':');
        }
        let is_v4 = start == 0 && (len == 6 || len == 7 && words[7] != 1 || len == 5 && words[5] == 0xFFFF);
        if at == 6 && is_v4 {
            return write_v4(&value.address[12..], out);
        }
        out.push_str(&format!("{word:x}"));
    }
    if len > 0 && start + len == 8 {
        out.push(':');
    }
}

/// The first of the longest runs of at least two zero words: where it starts and its length.
fn longest_zeros(words: &[u16; 8]) -> (usize, usize) {
    let mut best = (0, 0);
    let mut at = 0;
    while at < words.len() {
        let len = words[at..].iter().take_while(|word| **word == 0).count();
        if len > best.1 {
            best = (at, len);
        }
        at += len.max(1);
    }
    if best.1 < 2 { (0, 0) } else { best }
}

/// Appends a `cidr` without the octets or groups behind its network part (`abbrev`).
pub(crate) fn write_short_cidr(value: &Inet, out: &mut String) {
    let network = value.masked();
    if value.is_v6 {
        write_short_v6(&network, out);
    } else {
        let octets = usize::from(value.bits).div_ceil(8).max(1);
        write_v4(&network.address[..octets], out);
    }
    out.push_str(&format!("/{}", value.bits));
}

fn write_short_v6(network: &Inet, out: &mut String) {
    if network.bits == 0 {
        out.push_str("::");
        return;
    }
    let all = words(&network.address);
    let count = usize::from(network.bits).div_ceil(16).max(2);
    let shown = &all[..count];
    // The run of zeros to leave out; a shorter one before it counts only until a longer one ends.
    let (mut start, mut len, mut run_start, mut run) = (0, 0, 0, 0);
    for (at, word) in shown.iter().enumerate() {
        if *word == 0 {
            if run == 0 {
                run_start = at;
            }
            run += 1;
        } else if run > len {
            (start, len) = (run_start, run);
            run = 0;
        }
    }
    if run > len {
        (start, len) = (run_start, run);
    }
    let bytes = &network.address;
    let is_v4 = len != count
        && start == 0
        && (len == 6 || len == 5 && all[5] == 0xFFFF || len == 7 && bytes[14] != 0 && bytes[15] != 1);
    for (at, word) in shown.iter().enumerate() {
        if len > 0 && (start..start + len).contains(&at) {
            if at == start {
                out.push(':');
            }
            if at == count - 1 {
                out.push(':');
            }
        } else if is_v4 && at > 5 {
            out.push(if at == 6 { ':' } else { '.' });
            out.push_str(&bytes[at * 2].to_string());
            if at != 7 || network.bits > 120 {
                out.push_str(&format!(".{}", bytes[at * 2 + 1]));
            }
        } else {
            if !out.is_empty() {
                out.push(':');
            }
            out.push_str(&format!("{word:x}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Option<Inet>) -> String {
        let Some(value) = value else { return "-".to_owned() };
        let mut out = String::new();
        write_address(&value, &mut out);
        format!("{out}/{}", value.bits)
    }

    #[test]
    fn inet_forms() {
        for (text, expected) in [
            ("192.168.1.226/24", "192.168.1.226/24"),
            ("192.168.1.226", "192.168.1.226/32"),
            ("10/8", "10.0.0.0/8"),
            ("10/16", "-"),
            ("10", "-"),
            ("1234::1234::1234", "-"),
            ("10:23::f1/64", "10:23::f1/64"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4/128"),
            ("::4.3.2.1/24", "::4.3.2.1/24"),
            ("10:23::8000/113", "10:23::8000/113"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8/128"),
            ("::", "::/128"),
            ("256.1.1.1", "-"),
            ("1.2.3.4/33", "-"),
            ("1.2.3.4.5", "-"),
        ] {
            assert_eq!(shown(parse_inet(text)), expected, "{text}");
        }
    }

    #[test]
    fn cidr_forms() {
        for (text, expected) in [
            ("192.168.1", "192.168.1.0/24"),
            ("192.168.1.0/26", "192.168.1.0/26"),
            ("10", "10.0.0.0/8"),
            ("10.1.2", "10.1.2.0/24"),
            ("172.16", "172.16.0.0/16"),
            ("224", "224.0.0.0/4"),
            ("0x0a01", "10.1.0.0/16"),
            ("2001:4f8:3:ba:2e0:81ff:fe22:d1f1/128", "2001:4f8:3:ba:2e0:81ff:fe22:d1f1/128"),
        ] {
            assert_eq!(shown(parse_cidr(text)), expected, "{text}");
        }
    }

    #[test]
    fn short_cidr_forms() {
        for (text, expected) in [
            ("192.168.1.0/24", "192.168.1/24"),
            ("10.0.0.0/8", "10/8"),
            ("10.1.2.3/32", "10.1.2.3/32"),
            ("::ffff:1.2.3.0/120", "::ffff:1.2.3/120"),
            ("10:23::f1/128", "10:23::f1/128"),
            ("2001:4f8:3:ba::/64", "2001:4f8:3:ba/64"),
            ("0.0.0.0/0", "0/0"),
        ] {
            let mut out = String::new();
            write_short_cidr(&parse_cidr(text).unwrap(), &mut out);
            assert_eq!(out, expected, "{text}");
        }
    }
}
