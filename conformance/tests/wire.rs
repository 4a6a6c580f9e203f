//! What a hostile or broken client may send, and what object-relational mappers do send, through real sockets.
//! Nothing of it may stop the server, take its memory, or be answered by anything but an error, a closed connection
//! or the right answer; others are served all the while.

use redoubt_conformance::raw_client::{Message, RawClient, message, packet, startup};
use redoubt_conformance::{Server, scratch_dir};
use std::fs;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;
const MIB: u64 = 1 << 20;

fn start(name: &str, arguments: &[&str]) -> Server {
    let dir = scratch_dir(name).join("data");
    Server::start_with(&dir, redoubt_conformance::unused_port(), arguments)
}

/// The most memory the server has ever held, in bytes.
fn peak_bytes(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells the peak");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
    kib * 1024
}

/// Others are served.
fn check_serves(server: &Server) {
    assert_eq!(server.psql("SELECT 'still here'"), "still here");
}

/// Waits until no session is left but the one that asks.
fn check_all_gone(server: &Server) {
    let mut client = RawClient::session(server.port);
    loop {
        let rows = client.query("SELECT count(*) FROM pg_stat_activity");
        let count = rows.iter().find(|message| message.kind == b'D').expect("one row");
        if count.values()[0] == Some(b"1") {
            return;
        }
    }
}

/// A small generator, so that a failure can be repeated (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// What ended a connection: its last error, or nothing.
fn last_error(messages: &[Message]) -> Option<String> {
    messages.iter().rev().find(|message| message.kind == b'E').map(Message::error)
}

#[test]
fn garbage_before_the_session_ends_the_connection() {
    let server = start("garbage-before", &[]);
    let long = startup(&[b"user\0".as_slice(), &vec![b'x'; 9000], b"\0\0"].concat());
    let table: &[(&[u8], Option<&str>)] = &[
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Some("08P01 invalid length of startup packet")),
        (&[0xff; 64], Some("08P01 invalid length of startup packet")),
        (&[0; 64], Some("08P01 invalid length of startup packet")),
        (b"\x00\x00\x27\x11\x00\x03\x00\x00", Some("08P01 invalid length of startup packet")),
        (
            &packet(131_072, b"\0"),
            Some("0A000 unsupported frontend protocol 2.0: server supports 3.0 to 3.0"),
        ),
        (
            &startup(b"user\0bob"),
            Some("08P01 invalid startup packet layout: expected terminator as last byte"),
        ),
        (&startup(b"\0"), Some("28000 no PostgreSQL user name specified in startup packet")),
        (&startup(b"user\0\xff\xfe\0\0"), Some("08P01 startup packet is not valid UTF-8")),
        (&packet(CANCEL_REQUEST, b"\0\0\0\x01"), Some("08P01 invalid length of startup packet")),
        (&packet(CANCEL_REQUEST, &[0xff; 8]), None),
        (&long, Some("28000")),
        (b"\x00\x00", Some("08P01 incomplete startup packet")),
    ];
    for (bytes, expect) in table {
        let mut client = RawClient::connect(server.port);
        client.send_bytes(bytes);
        client.finish();
        let error = last_error(&client.until_closed());
        let fits = match (&error, expect) {
            (Some(error), Some(expect)) => error.starts_with(expect),
            (None, None) => true,
            _ => false,
        };
        assert!(fits, "{:?} gave {error:?}, not {expect:?}", String::from_utf8_lossy(bytes));
    }
    let mut random = Random(0x5eed_0001);
    for _ in 0..200 {
        let length = random.next() as usize % 300;
        let bytes = random.bytes(length);
        let mut client = RawClient::connect(server.port);
        client.send_bytes(&bytes);
        client.finish();
        client.until_closed();
    }
    check_serves(&server);
}

#[test]
fn plaintext_behind_a_request_for_encryption_is_refused() {
    let server = start("plaintext", &[]);
    for (request, name) in [(SSL_REQUEST, "SSL"), (GSS_REQUEST, "GSSAPI encryption")] {
        let mut client = RawClient::connect(server.port);
        // In one write, so that it arrives together.
        client.send_bytes(&[packet(request, b""), startup(b"user\0postgres\0\0")].concat());
        let error = last_error(&client.until_closed());
        assert_eq!(error, Some(format!("08P01 received unencrypted data after {name} request")));
    }
    // Asked for on its own it is declined, and the session begins in the clear.
    let mut client = RawClient::connect(server.port);
    client.send_bytes(&packet(SSL_REQUEST, b""));
    assert_eq!(client.receive_byte(), Some(b'N'));
    client.send_bytes(&startup(b"user\0postgres\0\0"));
    assert_eq!(client.until_ready().last().map(|message| message.kind), Some(b'Z'));
}

#[test]
fn a_flood_of_silent_connections_keeps_nobody_out() {
    let server = start("flood", &["-c", "max_connections=20", "-c", "authentication_timeout=1"]);
    let before = peak_bytes(&server);
    let mut flood: Vec<RawClient> = (0..400).map(|_| RawClient::connect(server.port)).collect();
    // Half of them stop in the middle of a packet.
    for client in flood.iter_mut().step_by(2) {
        client.send_bytes(b"\x00\x00\x27\x10\x00\x03");
    }
    check_serves(&server);
    for client in &mut flood {
        let messages = client.until_closed();
        assert!(messages.is_empty(), "a client that never spoke is told nothing: {messages:?}");
    }
    let grown = peak_bytes(&server) - before;
    assert!(grown < 64 * MIB, "the flood took {grown} bytes");
    check_all_gone(&server);
}

#[test]
fn sessions_are_limited_and_the_limit_is_told() {
    let server = start("sessions", &["-c", "max_connections=5"]);
    let held: Vec<RawClient> = (0..5).map(|_| RawClient::session(server.port)).collect();
    let mut late = RawClient::connect(server.port);
    late.send_bytes(&startup(b"user\0postgres\0\0"));
    assert_eq!(last_error(&late.until_closed()), Some("53300 sorry, too many clients already".into()));
    drop(held);
    check_all_gone(&server);
}

#[test]
fn garbage_inside_a_session_ends_only_that_session() {
    let server = start("garbage-inside", &[]);
    let before = peak_bytes(&server);
    let table: &[(&[u8], &str)] = &[
        (b"?\0\0\0\x04", "08P01 invalid frontend message type 63"),
        (b"Q\0\0\0\x03", "08P01 invalid message length"),
        // Lengths of 4 GiB, 2 GiB and 1 GiB.
        (b"Q\xff\xff\xff\xff", "08P01 invalid message length"),
        (b"Q\x7f\xff\xff\xff", "08P01 invalid message length"),
        (b"B\x3f\xff\xff\xff", "08P01 invalid message length"),
        (b"E\x7f\xff\xff\xff", "08P01 invalid message length"),
        (b"Q\0\0\0\x06ab", "08P01 invalid string in message"),
        (b"Q\0\0\0\x07\xe2\x28\0", "22021 invalid byte sequence for encoding \"UTF8\": 0xe2 0x28"),
        (b"B\0\0\0\x10\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0", "08P01 insufficient data left in message"),
        (b"P\0\0\0\x08\0\0\xff\xff", "08P01 insufficient data left in message"),
        (b"D\0\0\0\x06Z\0", "08P01 invalid message subtype 90"),
        (b"p\0\0\0\x04", "08P01"),
    ];
    for (bytes, expect) in table {
        let mut client = RawClient::session(server.port);
        client.send_bytes(bytes);
        let error = last_error(&client.until_closed()).unwrap_or_default();
        assert!(error.starts_with(expect), "{bytes:?} gave {error:?}, not {expect:?}");
    }
    // A length that is allowed is believed only as far as bytes arrive.
    for _ in 0..8 {
        let mut client = RawClient::session(server.port);
        client.send_bytes(b"Q\x3f\xff\xff\xf0select");
        client.finish();
        client.until_closed();
    }
    let mut random = Random(0x5eed_0002);
    for _ in 0..200 {
        let length = random.next() as usize % 200;
        let bytes = random.bytes(length);
        let mut client = RawClient::session(server.port);
        client.send_bytes(&bytes);
        client.finish();
        client.until_closed();
    }
    let grown = peak_bytes(&server) - before;
    assert!(grown < 64 * MIB, "garbage took {grown} bytes");
    check_all_gone(&server);
}

#[test]
fn truncated_messages_leave_nothing_behind() {
    let server = start("truncated", &[]);
    let query = message(b'Q', b"SELECT 1\0");
    let extended = [
        message(b'P', b"s\0SELECT $1::int\0\0\x01\0\0\0\x17"),
        message(b'B', b"\0s\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x05\0\x01\0\x01"),
        message(b'D', b"P\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ]
    .concat();
    let copy = message(b'Q', b"COPY t FROM stdin\0");
    server.psql("CREATE TABLE t (a int)");
    for bytes in [query, extended, [copy, message(b'd', b"1\n2\n")].concat()] {
        for cut in 0..bytes.len() {
            let mut client = RawClient::session(server.port);
            client.send_bytes(&bytes[..cut]);
            client.finish();
            client.until_closed();
        }
    }
    check_all_gone(&server);
    assert_eq!(server.psql("SELECT count(*) FROM t"), "0");
}

/// Runs a statement that may be too much; the connection lives on in any case.
fn attempt(client: &mut RawClient, text: &str) -> Result<Vec<Message>, String> {
    let answer = client.query(text);
    assert_eq!(answer.last().map(|message| message.kind), Some(b'Z'), "the session goes on");
    match last_error(&answer) {
        Some(error) => Err(error),
        None => Ok(answer),
    }
}

#[test]
fn statements_that_nest_too_deeply_are_refused() {
    let server = start("nesting", &[]);
    let mut client = RawClient::session(server.port);
    let nested = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("SELECT {}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let chain = |first: &str, next: &str, count: usize| format!("SELECT {first}{}", next.repeat(count));
    let statements = [
        ("flat sum", chain("1", " + 1", 10_000)),
        ("flat comparison of texts", chain("'a'", " || 'a'", 10_000)),
        ("flat casts", chain("1", "::int", 10_000)),
        ("flat unions", chain("1", " UNION ALL SELECT 1", 10_000)),
        ("parentheses", nested("(", "1", ")", 5000)),
        ("negations", nested("- ", "1", "", 5000)),
        ("denials", nested("NOT ", "true", "", 5000)),
        ("calls", nested("abs(", "1", ")", 5000)),
        ("cases", nested("CASE WHEN true THEN ", "1", " END", 5000)),
        ("arrays", nested("ARRAY[", "1", "]", 5000)),
        ("subqueries", nested("(SELECT ", "1", ")", 5000)),
        ("derived tables", format!("{}SELECT 1{}", "SELECT * FROM (".repeat(5000), ") AS t".repeat(5000))),
        (
            "joins",
            format!(
                "SELECT 1 FROM {}pg_class a{}",
                "(".repeat(5000),
                " JOIN pg_class b ON true)".repeat(5000)
            ),
        ),
        ("open parentheses only", "(".repeat(5000)),
        ("explained", format!("EXPLAIN {}", chain("1", " + 1", 10_000))),
    ];
    for (what, statement) in statements {
        let started = std::time::Instant::now();
        let outcome = attempt(&mut client, &statement);
        eprintln!("{what}: {:?} after {:?}", outcome.as_ref().map(Vec::len), started.elapsed());
        if let Err(error) = outcome {
            let known = ["54001", "54000", "54011", "54P01", "42601", "0A000"];
            assert!(known.iter().any(|code| error.starts_with(code)), "{what}: {error}");
        }
        check_serves(&server);
    }
    assert!(peak_bytes(&server) < 2048 * MIB, "{} bytes", peak_bytes(&server));
}

fn only_value(answer: &[Message]) -> Vec<u8> {
    let row = answer.iter().find(|message| message.kind == b'D').unwrap_or_else(|| panic!("{answer:?}"));
    row.values()[0].expect("not NULL").to_vec()
}

#[test]
fn what_mappers_send_is_answered() {
    let server = start("mappers", &[]);
    server.psql("CREATE TABLE t (a int PRIMARY KEY, b int); INSERT INTO t SELECT g, g FROM generate_series(1, 1000) g");
    let mut client = RawClient::session(server.port);
    let list = |count: usize| (1..=count).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let check = |client: &mut RawClient, text: &str, expect: &str| {
        let answer = attempt(client, text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(String::from_utf8_lossy(&only_value(&answer)), expect);
    };
    check(&mut client, &format!("SELECT count(*) FROM t WHERE a IN ({})", list(30_000)), "1000");
    check(&mut client, &format!("SELECT count(*) FROM t WHERE a NOT IN ({})", list(30_000)), "0");
    check(&mut client, &format!("SELECT count(*) FROM t WHERE a = ANY (ARRAY[{}])", list(30_000)), "1000");
    let or: Vec<String> = (1..=5000).map(|n| format!("a = {n}")).collect();
    check(&mut client, &format!("SELECT count(*) FROM t WHERE {}", or.join(" OR ")), "1000");
    let and: Vec<String> = (1..=5000).map(|n| format!("a <> {n}")).collect();
    check(&mut client, &format!("SELECT count(*) FROM t WHERE {}", and.join(" AND ")), "0");
    let rows: Vec<String> = (1..=10_000).map(|n| format!("({n}, {n})")).collect();
    let insert = format!("INSERT INTO t (a, b) VALUES {} ON CONFLICT DO NOTHING", rows.join(","));
    let answer = attempt(&mut client, &insert).unwrap_or_else(|error| panic!("{error}"));
    assert!(answer.iter().any(|message| message.body == b"INSERT 0 9000\0"), "{answer:?}");

    let places: Vec<String> = (1..=65_535).map(|n| format!("${n}")).collect();
    let text = format!("SELECT count(*) FROM t WHERE a IN ({})", places.join(","));
    let mut bind = b"\0\0\0\x01\0\x01\xff\xff".to_vec();
    for n in 1..=65_535 {
        bind.extend(4i32.to_be_bytes());
        bind.extend(i32::to_be_bytes(n));
    }
    bind.extend(b"\0\0");
    client.send(b'P', &[b"\0", text.as_bytes(), b"\0\0\0"].concat());
    client.send(b'B', &bind);
    client.send(b'E', b"\0\0\0\0\0");
    client.send(b'S', b"");
    let answer = client.until_ready();
    assert_eq!(last_error(&answer), None);
    assert_eq!(only_value(&answer), b"10000");
}

/// 100 MB, by every way there is.
#[test]
fn a_value_of_100_mb_goes_both_ways() {
    const BYTES: usize = 100_000_000;
    let server = start("large", &[]);
    server.psql("CREATE TABLE t (id int, x text, y bytea)");
    let before = peak_bytes(&server);
    let mut client = RawClient::session(server.port);
    let value: Vec<u8> = (0..BYTES).map(|at| b'a' + (at % 23) as u8).collect();
    let text = std::str::from_utf8(&value).expect("letters");

    let answer = client.query(&format!("SELECT '{text}'"));
    assert!(only_value(&answer) == value, "a literal comes back as it was");
    drop(answer);
    // Format 0 is text, 1 is binary; type 25 is text, 17 is bytea, whose text form is twice as long.
    for (type_oid, format) in [(25i32, 0u8), (25, 1), (17, 1)] {
        let parse = [&b"\0SELECT $1\0\0\x01"[..], &type_oid.to_be_bytes()].concat();
        let length = (BYTES as i32).to_be_bytes();
        let formats = [0, format];
        let bind = [&b"\0\0\0\x01"[..], &formats, b"\0\x01", &length, &value, b"\0\x01", &formats].concat();
        client.send(b'P', &parse);
        client.send(b'B', &bind);
        client.send(b'E', b"\0\0\0\0\0");
        client.send(b'S', b"");
        drop(bind);
        let answer = client.until_ready();
        assert_eq!(last_error(&answer), None, "type {type_oid}, format {format}");
        assert!(only_value(&answer) == value, "type {type_oid}, format {format}");
    }
    check_serves(&server);
    let grown = peak_bytes(&server) - before;
    eprintln!("a value of {BYTES} bytes took {grown} bytes of memory");
    assert!(grown < 12 * BYTES as u64, "{grown} bytes");
}
