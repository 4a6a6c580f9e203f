//! What happened, a line per event.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;

use redoubt_protocol::Message;

/// Where the lines go.
#[derive(Debug, Default)]
pub enum Trace {
    /// Nowhere.
    #[default]
    Off,
    /// To standard output, as they come.
    Print,
    /// Into memory, this many at most, the newest ones.
    Keep(usize, RefCell<VecDeque<String>>),
}

impl Trace {
    /// A trace that keeps the newest lines.
    pub fn keep(lines: usize) -> Trace {
        Trace::Keep(lines, RefCell::default())
    }

    /// Whether anything is done with lines.
    pub fn is_on(&self) -> bool {
        !matches!(self, Trace::Off)
    }

    /// One event: when, who, what.
    pub fn line(&self, now_us: u64, who: &dyn fmt::Display, what: fmt::Arguments<'_>) {
        let line = || format!("{:>10.3} ms  {who:<10} {what}", now_us as f64 / 1000.0);
        match self {
            Trace::Off => {}
            Trace::Print => println!("{}", line()),
            Trace::Keep(most, kept) => {
                let mut kept = kept.borrow_mut();
                if kept.len() == *most {
                    kept.pop_front();
                }
                kept.push_back(line());
            }
        }
    }

    /// The lines kept.
    pub fn kept(&self) -> Vec<String> {
        match self {
            Trace::Keep(_, kept) => kept.borrow().iter().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

/// A message in a few words.
pub struct Brief<'a>(pub &'a Message);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.0.address();
        write!(f, "g{}/s{} ", address.pg.get(), address.segment.get())?;
        match self.0 {
            Message::Append(m) => {
                write!(f, "Append e{} vdl {} tail {}", m.epochs.volume, m.vdl, m.pg_tail)?;
                match &m.batch {
                    Some(b) => write!(f, " records {}..{}", b.summary().first(), b.summary().last()),
                    None => f.write_str(" positions alone"),
                }
            }
            Message::AppendAck(m) => write!(f, "AppendAck e{} scl {}", m.volume_epoch, m.scl),
            Message::Refused(m) => write!(f, "Refused {:?}", m.reason),
            Message::ReadPage(m) => write!(f, "ReadPage {} at {} tail {}", m.page, m.read_point, m.pg_tail),
            Message::PageReply(_) => f.write_str("PageReply"),
            Message::Seal(m) => write!(f, "Seal e{}", m.volume_epoch),
            Message::SealReport(m) => write!(
                f,
                "SealReport e{} scl {} vdl {} history e{}{}{}",
                m.volume_epoch,
                m.scl,
                m.persisted_vdl,
                m.history.epoch(),
                if m.clean { "" } else { " damaged" },
                if m.joined { "" } else { " joining" }
            ),
            Message::WriteHistory(m) => {
                write!(f, "WriteHistory e{} of e{}", m.history.epoch(), m.volume_epoch)
            }
            Message::HistoryWritten(m) => {
                write!(f, "HistoryWritten e{} of e{} scl {}", m.history_epoch, m.volume_epoch, m.scl)
            }
            Message::WriteMembership(m) => write!(f, "WriteMembership m{}", m.membership.epoch()),
            Message::MembershipWritten(m) => write!(f, "MembershipWritten m{}", m.membership_epoch),
            Message::CreateSegment(m) => write!(f, "CreateSegment e{}", m.volume_epoch),
            Message::FetchRecords(m) => write!(f, "FetchRecords {}..{}", m.after, m.upto),
            Message::Records(m) => match &m.batch {
                Some(b) => write!(f, "Records {}..{}", b.summary().first(), b.summary().last()),
                None => f.write_str("Records none"),
            },
            Message::Fill(m) => {
                let b = m.batch.summary();
                write!(f, "Fill e{} {:?} records {}..{}", m.epochs.volume, m.source, b.first(), b.last())
            }
            Message::AskGaps(m) => write!(f, "AskGaps e{} from s{} above {}", m.epochs.volume, m.from, m.scl),
            Message::AskStatus(_) => f.write_str("AskStatus"),
            Message::Status(m) => write!(f, "Status e{} h{} scl {}", m.volume_epoch, m.history_epoch, m.scl),
            Message::AskImages(m) => write!(f, "AskImages at {} from page {}", m.at, m.first_page),
            Message::Images(m) => {
                write!(f, "Images at {} tail {} from page {}", m.at, m.pg_tail, m.first_page)
            }
        }
    }
}
