//! Who gets in, and how: `pg_hba.conf`, SCRAM-SHA-256, TLS, through psql.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use redoubt_conformance::{Server, scratch_dir, unused_port};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Passwords for everybody but the superuser, who sets the stage.
const RULES: &str = "\
host  all  postgres  all  trust
host  all  refused   all  reject
host  all  all       all  scram-sha-256
";

fn start(name: &str, rules: &str, arguments: &[&str]) -> Server {
    let dir = scratch_dir(name).join("data");
    let made = Server::start(&dir);
    let (port, dir) = (unused_port(), made.dir.clone());
    assert_eq!(made.stop(), Some(0));
    fs::write(dir.join("pg_hba.conf"), rules).expect("the rules can be written");
    Server::start_with(&dir, port, arguments)
}

/// psql as a user with a password; what it prints, or its error.
fn log_in(server: &Server, user: &str, password: &str, more: &str, sql: &str) -> Result<String, String> {
    let mut command = Command::new("psql");
    let place =
        format!("host=localhost hostaddr=127.0.0.1 port={} dbname=postgres user={user} {more}", server.port);
    command.args(["-X", "-w", "-At", "-c", sql, &place]).env("PGPASSWORD", password);
    let output = command.env("PGCONNECT_TIMEOUT", "10").output().expect("psql is installed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_string();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let errors = text(&output.stderr);
    Err(errors.split_once("FATAL:  ").map_or(errors.clone(), |(_, message)| message.to_string()))
}

#[test]
fn a_fresh_directory_trusts_this_machine_and_nobody_else() {
    let server = Server::start(&scratch_dir("fresh").join("data"));
    let rules = fs::read_to_string(server.dir.join("pg_hba.conf")).expect("the rules were made");
    let lines: Vec<Vec<&str>> = rules
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines,
        [
            vec!["local", "all", "all", "trust"],
            vec!["host", "all", "all", "127.0.0.1/32", "trust"],
            vec!["host", "all", "all", "::1/128", "trust"],
            vec!["host", "all", "all", "all", "scram-sha-256"],
        ]
    );
    assert_eq!(log_in(&server, "postgres", "", "", "SELECT 1"), Ok("1".into()));
    let missing = log_in(&server, "nobody", "", "", "SELECT 1");
    assert_eq!(missing, Err("role \"nobody\" does not exist".into()));
}

#[test]
fn passwords_are_proved() {
    let server = start("passwords", RULES, &[]);
    server.psql(
        "CREATE ROLE bob LOGIN PASSWORD 'secret one'; CREATE ROLE bare LOGIN; CREATE ROLE refused LOGIN PASSWORD 'x';
         CREATE ROLE late LOGIN PASSWORD 'x' VALID UNTIL '2001-01-01'; CREATE ROLE nologin PASSWORD 'x';",
    );
    let check = |user: &str, password: &str, expect: Result<&str, &str>| {
        let got = log_in(&server, user, password, "", "SELECT current_user");
        let got = got.as_ref().map(String::as_str).map_err(|error| error.lines().next().unwrap_or_default());
        assert_eq!(got, expect, "{user} with {password:?}");
    };
    check("bob", "secret one", Ok("bob"));
    let failed = |user: &str| format!("password authentication failed for user \"{user}\"");
    check("bob", "secret two", Err(&failed("bob")));
    // Nobody learns which roles there are, or which have passwords.
    check("bare", "x", Err(&failed("bare")));
    check("ghost", "x", Err(&failed("ghost")));
    check("late", "x", Err(&failed("late")));
    check("nologin", "x", Err("role \"nologin\" is not permitted to log in"));
    let rejected = "pg_hba.conf rejects connection for host \"127.0.0.1\", user \"refused\", database \"postgres\", no encryption";
    check("refused", "x", Err(rejected));
    let silent = log_in(&server, "bob", "", "", "SELECT 1");
    assert!(silent.is_err_and(|error| error.ends_with("fe_sendauth: no password supplied")));
    server.psql("ALTER ROLE bob PASSWORD 'secret two'");
    check("bob", "secret two", Ok("bob"));
    check("bob", "secret one", Err(&failed("bob")));
    server.psql("ALTER ROLE bob PASSWORD NULL");
    check("bob", "secret two", Err(&failed("bob")));
    let log = fs::read_to_string(server.dir.with_extension("log")).expect("the log");
    assert!(log.contains("password authentication failed") && !log.contains("secret"), "{log}");
}

#[test]
fn failures_have_their_sqlstates() {
    use redoubt_conformance::raw_client::{RawClient, message, startup};
    let server = start("sqlstates", RULES, &[]);
    let open = |user: &str| {
        let mut client = RawClient::connect(server.port);
        client.send_bytes(&startup(format!("user\0{user}\0database\0postgres\0\0").as_bytes()));
        client
    };
    let error = |client: &mut RawClient| client.until_closed().last().expect("an error").error();
    assert!(error(&mut open("refused")).starts_with("28000 "));
    // A proof that does not fit: the first message, then one with the server's nonce and a proof of zeros.
    let mut client = open("ghost");
    let request = client.receive().expect("a request");
    assert_eq!((request.kind, &request.body[..]), (b'R', &b"\0\0\0\x0aSCRAM-SHA-256\0\0"[..]));
    client.send(b'p', b"SCRAM-SHA-256\0\0\0\0\x09n,,n=,r=x");
    let first = client.receive().expect("a challenge");
    let text = String::from_utf8_lossy(&first.body[4..]).into_owned();
    let nonce = text.split(',').next().expect("a nonce");
    let zeros = format!("{}=", "A".repeat(43));
    client.send(b'p', format!("c=biws,{nonce},p={zeros}").as_bytes());
    assert_eq!(error(&mut client), "28P01 password authentication failed for user \"ghost\"");
    // What breaks the rules of the exchange.
    for (bytes, expect) in [
        (message(b'Q', b"SELECT 1\0"), "08P01 expected SASL response, got message type 81"),
        (message(b'p', b"PLAIN\0\0\0\0\0"), "08P01 client selected an invalid SASL authentication mechanism"),
        (message(b'p', b"SCRAM-SHA-256\0\0\0\0\x01x"), "08P01 malformed SCRAM message"),
        (message(b'p', b"SCRAM-SHA-256\0\x7f\xff\xff\xff"), "08P01 insufficient data left in message"),
        (b"p\x7f\xff\xff\xff".to_vec(), "08P01 invalid message length"),
        (message(b'p', &[b'x'; 2000]), "08P01 invalid message length"),
    ] {
        let mut client = open("ghost");
        client.receive().expect("a request");
        client.send_bytes(&bytes);
        assert_eq!(error(&mut client), expect);
    }
    assert_eq!(server.psql("SELECT 1"), "1");
}

/// A certificate for `localhost` that vouches for itself.
fn make_certificate(dir: &Path) -> (PathBuf, PathBuf) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_string()]).expect("a certificate");
    let (certificate, key) = (dir.join("server.crt"), dir.join("server.key"));
    fs::write(&certificate, cert.pem()).expect("written");
    fs::write(&key, signing_key.serialize_pem()).expect("written");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("permissions");
    (certificate, key)
}

#[test]
fn connections_are_encrypted() {
    let rules =
        "hostssl all bob all scram-sha-256\nhostnossl all plain all trust\nhost all postgres all trust\n";
    let dir = scratch_dir("tls").join("data");
    let made = Server::start(&dir);
    assert_eq!(made.stop(), Some(0));
    let (certificate, key) = make_certificate(&dir);
    fs::write(dir.join("pg_hba.conf"), rules).expect("written");
    let server = Server::start_with(&dir, unused_port(), &["-c", "ssl=on"]);
    server.psql("CREATE ROLE bob LOGIN PASSWORD 'x'; CREATE ROLE plain LOGIN");
    let seen = "SELECT ssl, version, cipher IS NOT NULL, bits FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let verified = format!("sslmode=verify-full sslrootcert={}", certificate.display());
    let check = |user: &str, more: &str, sql: &str, expect: Result<&str, &str>| {
        let got = log_in(&server, user, "x", more, sql);
        let got = got.as_ref().map(String::as_str).map_err(|error| error.lines().next().unwrap_or_default());
        assert_eq!(got, expect, "{user} {more}");
    };
    check("bob", "sslmode=require", seen, Ok("t|TLSv1.3|t|256"));
    check("bob", &verified, seen, Ok("t|TLSv1.3|t|256"));
    check(
        "bob",
        "sslmode=require ssl_max_protocol_version=TLSv1.2",
        "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        Ok("TLSv1.2"),
    );
    // libpq takes SCRAM-SHA-256-PLUS when it is offered, and here insists on it.
    check("bob", "sslmode=require channel_binding=require", "SELECT 1", Ok("1"));
    check("bob", "sslmode=require channel_binding=disable", "SELECT 1", Ok("1"));
    let nowhere =
        "no pg_hba.conf entry for host \"127.0.0.1\", user \"bob\", database \"postgres\", no encryption";
    check("bob", "sslmode=disable", "SELECT 1", Err(nowhere));
    check("plain", "sslmode=disable", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", Ok("f"));
    let nowhere =
        "no pg_hba.conf entry for host \"127.0.0.1\", user \"plain\", database \"postgres\", SSL encryption";
    check("plain", "sslmode=require", "SELECT 1", Err(nowhere));
    check(
        "postgres",
        "sslmode=require",
        "SELECT sum(length(repeat('x', 1000))) FROM generate_series(1, 20000)",
        Ok("20000000"),
    );

    // Plaintext behind the request must not become part of the encrypted session.
    use redoubt_conformance::raw_client::{RawClient, packet, startup};
    let mut client = RawClient::connect(server.port);
    client.send_bytes(&[packet(80_877_103, b""), startup(b"user\0postgres\0\0")].concat());
    let error = client.until_closed().last().expect("an error").error();
    assert_eq!(error, "08P01 received unencrypted data after SSL request");

    let port = unused_port();
    assert_eq!(server.stop(), Some(0));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("permissions");
    let exit = Server::start_that_fails(&dir, port, &["-c", "ssl=on"]);
    assert!(exit.stderr.contains("has group or world access"), "{exit:?}");
    fs::remove_file(&key).expect("removed");
    let exit = Server::start_that_fails(&dir, port, &["-c", "ssl=on"]);
    assert!(exit.stderr.contains("could not access private key file"), "{exit:?}");
}

#[test]
fn rules_and_settings_are_read_again() {
    let server = start("reload", "host all all all trust\n", &[]);
    server.psql("CREATE ROLE bob LOGIN PASSWORD 'x'");
    assert_eq!(log_in(&server, "bob", "wrong", "", "SELECT 1"), Ok("1".into()));
    let write = |name: &str, text: &str| fs::write(server.dir.join(name), text).expect("written");
    write("pg_hba.conf", RULES);
    write("postgresql.conf", "work_mem = 9MB\nport = 1\n");
    assert_eq!(log_in(&server, "bob", "wrong", "", "SELECT 1"), Ok("1".into()));
    assert_eq!(server.psql("SELECT pg_reload_conf()"), "t");
    let failed = Err("password authentication failed for user \"bob\"".to_string());
    assert_eq!(log_in(&server, "bob", "wrong", "", "SELECT 1"), failed);
    assert_eq!(server.psql("SHOW work_mem"), "9MB");
    assert_ne!(server.psql("SHOW port"), "1");
    // Rules that cannot be read leave the old ones in force.
    write("pg_hba.conf", "host all all all md5\n");
    assert_eq!(server.psql("SELECT pg_reload_conf()"), "t");
    assert_eq!(log_in(&server, "bob", "wrong", "", "SELECT 1"), failed);
    write("pg_hba.conf", "host all all all trust\n");
    let sent = Command::new("kill").args(["-HUP", &server.pid().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    while log_in(&server, "bob", "wrong", "", "SELECT 1").is_err() {}
    let denied = log_in(&server, "bob", "x", "", "SELECT pg_reload_conf()");
    assert!(denied.is_err_and(|error| error.contains("permission denied for function pg_reload_conf")));
}
