//! What is run: loads, protocols and numbers of clients, and how long.

use std::fmt;

/// Idle sessions of the cells that have some.
const IDLE: u32 = 2000;

/// sysbench's loads, its own names for them.
const SYSBENCH: [&str; 9] = [
    "oltp_point_select",
    "oltp_read_only",
    "oltp_read_write",
    "oltp_write_only",
    "oltp_update_index",
    "oltp_update_non_index",
    "oltp_insert",
    "oltp_delete",
    "bulk_insert",
];

/// One of pgbench's built-in loads, or one of sysbench's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// `tpcb-like`: five statements in a transaction.
    Tpcb,
    /// `simple-update` (`-N`): the same without the tables everybody meets at.
    SimpleUpdate,
    /// `select-only` (`-S`).
    Select,
    /// One of sysbench's scripts.
    Sysbench(&'static str),
}

impl Load {
    /// Its name in results and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Load::Tpcb => "tpcb",
            Load::SimpleUpdate => "simple-update",
            Load::Select => "select",
            Load::Sysbench(script) => script,
        }
    }

    /// The program's own name of the script.
    pub fn script(self) -> &'static str {
        match self {
            Load::Tpcb => "tpcb-like",
            Load::SimpleUpdate => "simple-update",
            Load::Select => "select-only",
            Load::Sysbench(script) => script,
        }
    }
}

/// pgbench's `--protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// One message a statement, text.
    Simple,
    /// Parse, Bind, Execute for each statement.
    Extended,
    /// Parsed once, then Bind, Execute.
    Prepared,
}

impl Protocol {
    /// pgbench's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Simple => "simple",
            Protocol::Extended => "extended",
            Protocol::Prepared => "prepared",
        }
    }
}

/// One load in one protocol with so many clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// What the clients do.
    pub load: Load,
    /// How they say it.
    pub protocol: Protocol,
    /// How many they are.
    pub clients: u32,
    /// Sessions that are open besides, and idle.
    pub idle: u32,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.load.as_str(), self.protocol.as_str(), self.clients)?;
        if self.idle > 0 { write!(f, "+{}idle", self.idle) } else { Ok(()) }
    }
}

/// How much is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seconds of a round of a cell on a peer.
    pub seconds: u32,
    /// Rounds.
    pub rounds: u32,
    /// pgbench's scale.
    pub scale: u32,
    /// Seconds of load before each kill -9.
    pub kill_after_seconds: Vec<u32>,
    /// Clients under which servers are killed.
    pub clients_of_kill: u32,
    quick: bool,
}

impl Plan {
    /// The full plan or the quick one, with what was said otherwise.
    pub fn new(
        quick: bool,
        seconds: Option<u32>,
        rounds: Option<u32>,
        scale: Option<u32>,
        kill_after_seconds: &[u32],
    ) -> Plan {
        let (default_seconds, default_rounds, default_scale) = if quick { (2, 2, 5) } else { (10, 5, 20) };
        Plan {
            seconds: seconds.unwrap_or(default_seconds),
            rounds: rounds.unwrap_or(default_rounds),
            scale: scale.unwrap_or(default_scale),
            kill_after_seconds: kill_after_seconds.to_vec(),
            clients_of_kill: 8,
            quick,
        }
    }

    /// The cells to run: all of the plan, or those whose names have one of the words in them. Words that name peers
    /// choose no cells.
    pub fn cells(&self, only: &[String]) -> Vec<Cell> {
        let (loads, protocols, clients): (&[Load], &[Protocol], &[u32]) = if self.quick {
            (&[Load::Tpcb, Load::Select], &[Protocol::Simple, Protocol::Prepared], &[8, 32])
        } else {
            (
                &[Load::Tpcb, Load::SimpleUpdate, Load::Select],
                &[Protocol::Simple, Protocol::Extended, Protocol::Prepared],
                &[1, 8, 32, 128],
            )
        };
        let words: Vec<&String> =
            only.iter().filter(|word| crate::peer::PeerName::by_name(word).is_none()).collect();
        let mut cells = Vec::new();
        for load in loads {
            for protocol in protocols {
                for clients in clients {
                    cells.push(Cell { load: *load, protocol: *protocol, clients: *clients, idle: 0 });
                }
            }
        }
        if !self.quick {
            for load in [Load::Tpcb, Load::Select] {
                cells.push(Cell { load, protocol: Protocol::Prepared, clients: 8, idle: IDLE });
            }
        }
        let scripts: &[&'static str] = if self.quick { &["oltp_read_write"] } else { &SYSBENCH };
        for script in scripts {
            // Its driver prepares each statement once.
            let load = Load::Sysbench(script);
            cells.push(Cell { load, protocol: Protocol::Prepared, clients: 8, idle: 0 });
        }
        let named = |cell: &Cell| {
            let name = format!("{cell}/");
            words.is_empty() || words.iter().any(|word| name.contains(&format!("{word}/")))
        };
        cells.retain(named);
        cells
    }

    /// What tells this plan from others in the name of a results file.
    pub fn label(&self) -> String {
        format!("scale{}-{}s", self.scale, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_by_name() {
        let check = |quick: bool, only: &[&str], expect: &str| {
            let only: Vec<String> = only.iter().map(|word| word.to_string()).collect();
            let plan = Plan::new(quick, None, None, None, &[]);
            let cells: Vec<String> = plan.cells(&only).iter().map(Cell::to_string).collect();
            assert_eq!(cells.join(" "), expect, "{only:?}");
        };
        check(true, &["tpcb/simple"], "tpcb/simple/8 tpcb/simple/32");
        check(true, &["select/prepared/8", "tpcb/simple/32"], "tpcb/simple/32 select/prepared/8");
        check(false, &["simple-update/extended/1"], "simple-update/extended/1");
        check(true, &["pg-single", "select/simple/8"], "select/simple/8");
        check(false, &["select/prepared/8+2000idle"], "select/prepared/8+2000idle");
        check(false, &["oltp_delete", "bulk_insert"], "oltp_delete/prepared/8 bulk_insert/prepared/8");
        check(true, &["nothing"], "");
        assert_eq!(Plan::new(false, None, None, None, &[]).cells(&[]).len(), 47);
        assert_eq!(Plan::new(true, None, None, None, &[]).cells(&["pg-single".into()]).len(), 9);
    }
}
