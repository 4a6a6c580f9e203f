//! Basic regular expressions, as in `sed`: operators are escaped, and there is no alternation.

use crate::regex_parse::{BAD_ESCAPE, BAD_PARENS, BAD_QUANTIFIER, BAD_REFERENCE, Parser, invalid};
use crate::regex_syntax_tree::{Node, NodeId, Preference};
use redoubt_error::PgResult;
use regex_syntax::hir::Look;

impl Parser {
    /// A sequence up to the end, or to the `\)` that closes a group.
    pub(crate) fn basic_branch(&mut self, in_group: bool) -> PgResult<NodeId> {
        let mut parts = Vec::new();
        // A star at the beginning, or after an anchor there, is an ordinary character.
        let mut may_repeat = false;
        let mut is_start = true;
        let mut is_closed = false;
        loop {
            self.skip_blanks();
            let Some(c) = self.peek() else { break };
            self.at += 1;
            if c == '\\' && self.eat(')') {
                is_closed = true;
                break;
            }
            let (atom, is_constraint) = self.basic_atom(c, is_start, may_repeat)?;
            is_start = false;
            may_repeat = c != '^' || !is_constraint;
            parts.push(atom);
            if is_constraint {
                continue;
            }
            if let Some(repeated) = self.basic_quantifier(atom)? {
                let at = parts.len() - 1;
                parts[at] = repeated;
            } else {
                parts.pop();
            }
        }
        if is_closed != in_group {
            return Err(invalid(BAD_PARENS));
        }
        Ok(match parts[..] {
            [] => self.tree.push(Node::Empty),
            [part] => part,
            _ => self.tree.push(Node::Concat(parts)),
        })
    }

    /// One atom, and whether it is a constraint, which cannot be repeated.
    fn basic_atom(&mut self, c: char, is_start: bool, may_repeat: bool) -> PgResult<(NodeId, bool)> {
        let look = |parser: &mut Self, look| Ok((parser.tree.push(Node::Look(look)), true));
        let id = match c {
            '*' if may_repeat => return Err(invalid(BAD_QUANTIFIER)),
            '[' if self.eat_all("[:<:]]") => return look(self, Look::WordStartAscii),
            '[' if self.eat_all("[:>:]]") => return look(self, Look::WordEndAscii),
            '[' => {
                let class = self.bracket()?;
                self.tree.push(Node::Class(class))
            }
            '.' => {
                let class = self.any_char();
                self.tree.push(Node::Class(class))
            }
            '^' if is_start => {
                let kind = self.line_start();
                return look(self, kind);
            }
            '$' => {
                self.skip_blanks();
                if self.peek().is_none() || self.chars[self.at..].starts_with(&['\\', ')']) {
                    let kind = self.line_end();
                    return look(self, kind);
                }
                self.char_node('$')
            }
            '\\' => {
                let Some(c) = self.peek() else { return Err(invalid(BAD_ESCAPE)) };
                self.at += 1;
                match c {
                    '{' => return Err(invalid(BAD_QUANTIFIER)),
                    '(' => self.capturing(|parser| parser.basic_branch(true))?,
                    '<' => return look(self, Look::WordStartAscii),
                    '>' => return look(self, Look::WordEndAscii),
                    '1'..='9' => {
                        let group = c as usize - '0' as usize;
                        if !self.is_closed(group) {
                            return Err(invalid(BAD_REFERENCE));
                        }
                        self.tree.push(Node::BackReference(group))
                    }
                    c => self.char_node(c),
                }
            }
            c => self.char_node(c),
        };
        Ok((id, false))
    }

    /// `*` or `\{m,n\}` after an atom; none when it repeats no times at all.
    fn basic_quantifier(&mut self, atom: NodeId) -> PgResult<Option<NodeId>> {
        self.skip_blanks();
        let (min, max, preference) = if self.eat('*') {
            (0, None, Preference::Long)
        } else if self.eat_all("\\{") {
            let (min, max, may_prefer) = self.bound()?;
            (min, max, if may_prefer { Preference::Long } else { Preference::None })
        } else {
            return Ok(Some(atom));
        };
        Ok(self.repeated(atom, min, max, preference))
    }
}
