//! Window definitions and frames.

use super::expr::Mode;
use super::operator::Level;
use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::{PgError, PgResult, code};
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    /// OVER name or OVER (...).
    pub(super) fn over(&mut self) -> PgResult<WindowSpec> {
        self.expect("over")?;
        if *self.peek() == Token::LParen {
            return self.window_specification(None);
        }
        let pos = self.pos();
        let name = Some(self.col_id()?);
        let none = (Vec::new(), Vec::new());
        Ok(WindowSpec { name, refname: None, partition_by: none.0, order_by: none.1, frame: None, pos })
    }

    /// `WINDOW name AS (...), ...`, behind the keyword.
    pub(super) fn window_definitions(&mut self) -> PgResult<Vec<WindowSpec>> {
        self.comma_list(|c| {
            let name = c.col_id()?;
            c.expect("as")?;
            c.window_specification(Some(name))
        })
    }

    fn window_specification(&mut self, name: Option<Ident>) -> PgResult<WindowSpec> {
        let pos = self.pos();
        self.expect_lparen()?;
        let is_clause = self.at_any(&["partition", "range", "rows", "groups"]);
        let refname = if !is_clause && self.at_col_id() { Some(self.col_id()?) } else { None };
        let partition_by = match self.eat("partition") {
            true => {
                self.expect("by")?;
                self.expr_list()?
            }
            false => Vec::new(),
        };
        let order_by = if self.at("order") { self.order_by()? } else { Vec::new() };
        let frame = self.frame()?;
        self.expect_rparen()?;
        Ok(WindowSpec { name, refname, partition_by, order_by, frame, pos })
    }

    fn frame(&mut self) -> PgResult<Option<Frame>> {
        let pos = self.pos();
        let mode = match self.word() {
            Some("rows") => FrameMode::Rows,
            Some("range") => FrameMode::Range,
            Some("groups") => FrameMode::Groups,
            _ => return Ok(None),
        };
        self.advance();
        let between = self.eat("between");
        let start_pos = self.pos();
        let start = self.frame_bound()?;
        let end = if between {
            self.expect("and")?;
            let end_pos = self.pos();
            let end = self.frame_bound()?;
            check_frame(&start, &end, start_pos, end_pos)?;
            Some(end)
        } else {
            check_lone_start(&start, start_pos)?;
            None
        };
        let exclude = self.frame_exclusion()?;
        Ok(Some(Frame { mode, start, end, exclude, pos }))
    }

    fn frame_bound(&mut self) -> PgResult<FrameBound> {
        if self.at("unbounded") && matches!(self.word_nth(1), Some("preceding" | "following")) {
            self.advance();
            return Ok(match self.expect_one(&["preceding", "following"])? {
                "preceding" => FrameBound::UnboundedPreceding,
                _ => FrameBound::UnboundedFollowing,
            });
        }
        if self.at_seq(&["current", "row"]) {
            self.advance();
            self.advance();
            return Ok(FrameBound::CurrentRow);
        }
        let offset = self.expr_at(Level::Or, Mode::Full)?;
        Ok(match self.expect_one(&["preceding", "following"])? {
            "preceding" => FrameBound::Preceding(offset),
            _ => FrameBound::Following(offset),
        })
    }

    fn frame_exclusion(&mut self) -> PgResult<FrameExclude> {
        if !self.eat("exclude") {
            return Ok(FrameExclude::NoOthers);
        }
        if self.eat("group") {
            return Ok(FrameExclude::Group);
        }
        if self.eat("ties") {
            return Ok(FrameExclude::Ties);
        }
        if self.eat("current") {
            self.expect("row")?;
            return Ok(FrameExclude::CurrentRow);
        }
        self.expect_seq(&["no", "others"])?;
        Ok(FrameExclude::NoOthers)
    }
}

fn windowing_error(message: &str, pos: usize) -> PgResult<()> {
    Err(PgError::new(code::WINDOWING_ERROR, message).at(Some(pos)))
}

/// A frame without BETWEEN ends at the current row.
fn check_lone_start(start: &FrameBound, pos: usize) -> PgResult<()> {
    match start {
        FrameBound::UnboundedFollowing => windowing_error("frame start cannot be UNBOUNDED FOLLOWING", pos),
        FrameBound::Following(_) => {
            windowing_error("frame starting from following row cannot end with current row", pos)
        }
        _ => Ok(()),
    }
}

fn check_frame(start: &FrameBound, end: &FrameBound, start_pos: usize, end_pos: usize) -> PgResult<()> {
    use FrameBound::*;
    match (start, end) {
        (UnboundedFollowing, _) => windowing_error("frame start cannot be UNBOUNDED FOLLOWING", start_pos),
        (_, UnboundedPreceding) => windowing_error("frame end cannot be UNBOUNDED PRECEDING", end_pos),
        (CurrentRow, Preceding(_)) => {
            windowing_error("frame starting from current row cannot have preceding rows", end_pos)
        }
        (Following(_), Preceding(_) | CurrentRow) => {
            windowing_error("frame starting from following row cannot have preceding rows", end_pos)
        }
        _ => Ok(()),
    }
}
