//! `pg_hba.conf`: who may connect from where, and how they prove who they are
//! (documentation, "The pg_hba.conf File").

use std::net::IpAddr;

/// How a connection reached the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Unix-domain socket.
    Local,
    /// TCP, from this address, with or without TLS.
    Host {
        /// Peer address.
        address: IpAddr,
        /// Peer port.
        port: u16,
        /// TLS is on.
        tls: bool,
    },
}

/// How the client must authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// No proof needed.
    Trust,
    /// Refused.
    Reject,
    /// SCRAM-SHA-256 (the `md5` and `password` methods are refused at load).
    ScramSha256,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    kind: Kind,
    databases: Vec<String>,
    users: Vec<String>,
    address: AddressMatch,
    method: Method,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Local,
    Host,
    HostSsl,
    HostNoSsl,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AddressMatch {
    All,
    Network(IpAddr, u8),
}

/// The rules of a file, first match wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HbaRules {
    rules: Vec<Rule>,
}

/// What a fresh data directory gets: loopback and the local socket are trusted, everyone else
/// proves a password.
pub const DEFAULT_FILE: &str = "\
# TYPE  DATABASE  USER  ADDRESS       METHOD
local   all       all                 trust
host    all       all   127.0.0.1/32  trust
host    all       all   ::1/128       trust
host    all       all   all           scram-sha-256
";

impl HbaRules {
    /// Reads a file's text. Errors name the line, in one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim();
            if !line.is_empty() {
                rules.push(parse_rule(line).map_err(|error| format!("line {}: {error}", index + 1))?);
            }
        }
        Ok(HbaRules { rules })
    }

    /// The method for a connection, or `None` when no rule matches (the connection is refused).
    pub fn method(&self, origin: Origin, user: &str, database: &str) -> Option<Method> {
        self.rules
            .iter()
            .find(|rule| rule.matches_origin(origin) && rule.matches_names(user, database))
            .map(|rule| rule.method)
    }
}

impl Rule {
    fn matches_origin(&self, origin: Origin) -> bool {
        match (self.kind, origin) {
            (Kind::Local, Origin::Local) => true,
            (Kind::Host, Origin::Host { address, .. })
            | (Kind::HostSsl, Origin::Host { address, tls: true, .. })
            | (Kind::HostNoSsl, Origin::Host { address, tls: false, .. }) => self.address.contains(address),
            _ => false,
        }
    }

    fn matches_names(&self, user: &str, database: &str) -> bool {
        self.users.iter().any(|name| name == "all" || name == user)
            && self.databases.iter().any(|name| match name.as_str() {
                "all" => true,
                "sameuser" => user == database,
                other => other == database,
            })
    }
}

impl AddressMatch {
    fn contains(self, address: IpAddr) -> bool {
        match (self, address.to_canonical()) {
            (AddressMatch::All, _) => true,
            (AddressMatch::Network(IpAddr::V4(network), bits), IpAddr::V4(address)) => {
                same_prefix(&network.octets(), &address.octets(), bits)
            }
            (AddressMatch::Network(IpAddr::V6(network), bits), IpAddr::V6(address)) => {
                same_prefix(&network.octets(), &address.octets(), bits)
            }
            _ => false,
        }
    }
}

fn same_prefix(left: &[u8], right: &[u8], bits: u8) -> bool {
    left.iter().zip(right).enumerate().all(|(index, (left, right))| {
        let covered = (bits as usize).saturating_sub(index * 8).min(8);
        let mask = if covered == 0 { 0 } else { 0xffu8 << (8 - covered) };
        left & mask == right & mask
    })
}

fn parse_rule(line: &str) -> Result<Rule, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let kind = match words[0] {
        "local" => Kind::Local,
        "host" => Kind::Host,
        "hostssl" => Kind::HostSsl,
        "hostnossl" => Kind::HostNoSsl,
        other => return Err(format!("invalid connection type \"{other}\"")),
    };
    let names = |index: usize, what: &str| -> Result<Vec<String>, String> {
        let word = words.get(index).ok_or_else(|| format!("end-of-line before {what} specification"))?;
        let names: Vec<String> = word.split(',').map(|name| name.trim_matches('"').to_string()).collect();
        match names
            .iter()
            .find(|name| name.starts_with(['+', '@', '/']) || *name == "samerole" || *name == "replication")
        {
            Some(name) => Err(format!("{what} specification \"{name}\" is not supported yet")),
            None => Ok(names),
        }
    };
    let (databases, users) = (names(1, "database")?, names(2, "role")?);
    let (address, rest) = if kind == Kind::Local { (AddressMatch::All, 3) } else { parse_address(&words)? };
    let method = match words.get(rest) {
        Some(&"trust") => Method::Trust,
        Some(&"reject") => Method::Reject,
        Some(&"scram-sha-256") => Method::ScramSha256,
        Some(other) => return Err(format!("authentication method \"{other}\" is not supported yet")),
        None => return Err("end-of-line before authentication method".into()),
    };
    match words.get(rest + 1) {
        Some(option) => Err(format!("authentication option \"{option}\" is not supported yet")),
        None => Ok(Rule { kind, databases, users, address, method }),
    }
}

/// The address field and the index of the word behind it: `all`, `10.0.0.0/8`, or an address
/// and a mask in two words.
fn parse_address(words: &[&str]) -> Result<(AddressMatch, usize), String> {
    let word = words.get(3).ok_or("end-of-line before IP address specification")?;
    if *word == "all" {
        return Ok((AddressMatch::All, 4));
    }
    if let Some((network, bits)) = word.split_once('/') {
        let network: IpAddr = network.parse().map_err(|_| format!("invalid IP address \"{network}\""))?;
        let limit = if network.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits
            .parse()
            .ok()
            .filter(|bits| *bits <= limit)
            .ok_or(format!("invalid CIDR mask in address \"{word}\""))?;
        return Ok((AddressMatch::Network(network, bits), 4));
    }
    let network: IpAddr =
        word.parse().map_err(|_| format!("host name \"{word}\" in pg_hba.conf is not supported yet"))?;
    let mask = words.get(4).ok_or("end-of-line before netmask specification")?;
    let mask: IpAddr = mask.parse().map_err(|_| format!("invalid IP mask \"{mask}\""))?;
    let bits = match mask {
        IpAddr::V4(mask) => u32::from(mask).leading_ones() as u8,
        IpAddr::V6(mask) => u128::from(mask).leading_ones() as u8,
    };
    Ok((AddressMatch::Network(network, bits), 5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_match_wins() {
        let rules = HbaRules::parse(DEFAULT_FILE).expect("the default file is valid");
        let host = |address: &str| Origin::Host {
            address: address.parse().expect("an address"),
            port: 1,
            tls: false,
        };
        let check = |origin, expect| assert_eq!(rules.method(origin, "u", "d"), expect, "{origin:?}");
        check(Origin::Local, Some(Method::Trust));
        check(host("127.0.0.1"), Some(Method::Trust));
        check(host("::ffff:127.0.0.1"), Some(Method::Trust));
        check(host("127.0.0.2"), Some(Method::ScramSha256));
        check(host("::1"), Some(Method::Trust));
        check(host("10.1.2.3"), Some(Method::ScramSha256));
    }

    #[test]
    fn names_networks_and_errors() {
        let rules = HbaRules::parse(
            "hostssl all bob 10.0.0.0/8 reject\nhost sameuser all 10.0.0.0 255.0.0.0 trust # c\n",
        )
        .expect("valid");
        let host = |tls| Origin::Host { address: "10.200.0.1".parse().expect("an address"), port: 1, tls };
        assert_eq!(rules.method(host(true), "bob", "bob"), Some(Method::Reject));
        assert_eq!(rules.method(host(false), "bob", "bob"), Some(Method::Trust));
        assert_eq!(rules.method(host(false), "bob", "other"), None);
        assert_eq!(rules.method(Origin::Local, "bob", "bob"), None);
        let error = |text: &str| HbaRules::parse(text).expect_err(text);
        assert_eq!(
            error("\nhost all all all md5"),
            "line 2: authentication method \"md5\" is not supported yet"
        );
        assert_eq!(
            error("host all all 10.0.0.0/33 trust"),
            "line 1: invalid CIDR mask in address \"10.0.0.0/33\""
        );
        assert_eq!(error("socket all all trust"), "line 1: invalid connection type \"socket\"");
        assert_eq!(error("local all all"), "line 1: end-of-line before authentication method");
    }
}
