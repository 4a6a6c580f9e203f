//! Matching PostgreSQL's regular expressions: the leftmost match, of the length that the whole
//! expression prefers, with groups dissected from the left.
//!
//! An expression is compiled to automata (crate `regex-automata`), one for the whole and, as far
//! as they are needed, one for each part. The search finds where the leftmost match starts; an
//! automaton that runs from there tells all its possible ends; and groups are found by dividing
//! the matched text among the parts, each of which takes as much (or as little) as it prefers and
//! the others leave it, earlier parts first. Lookaround and back references are no matter for
//! automata: those treat them as always satisfied, and the division of the text checks them.

use crate::regex_parse::{Flags, invalid, parse};
use crate::regex_syntax_tree::{Node, NodeId, Preference, Tree};
use redoubt_error::PgResult;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::prefilter::Prefilter;
use regex_automata::{Anchored, Input, MatchKind, meta};
use regex_syntax::hir::{Class, Hir, Repetition};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

/// Automata larger than this are refused.
const MAX_AUTOMATON_BYTES: usize = 20 << 20;

/// Compiled expressions kept per thread.
const MAX_CACHED: usize = 64;

/// Attempts at dividing one text before giving up.
const MAX_ATTEMPTS: usize = 5_000_000;

/// A match: the whole, and each group that took part.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) whole: Range<usize>,
    pub(crate) groups: Vec<Option<Range<usize>>>,
}

/// A compiled expression. It belongs to one thread.
pub(crate) struct Regex {
    tree: Tree,
    /// Finds whether and where a match starts; treats lookaround as satisfied.
    search: meta::Regex,
    is_regular: bool,
    automata: RefCell<FxHashMap<(NodeId, usize), Rc<Automaton>>>,
}

/// An automaton that tells where matches from a given start may end.
struct Automaton {
    dfa: DFA,
    cache: RefCell<Cache>,
}

fn too_complex() -> redoubt_error::PgError {
    invalid("regular expression is too complex")
}

/// Compiles an expression, or takes it from this thread's cache.
///
/// # Errors
/// `2201B` for malformed or too large expressions, `0A000` for syntax that is not supported.
pub(crate) fn compile(pattern: &str, flags: Flags) -> PgResult<Rc<Regex>> {
    thread_local! {
        static CACHE: RefCell<Vec<(String, Flags, Rc<Regex>)>> = const { RefCell::new(Vec::new()) };
    }
    CACHE.with_borrow_mut(|cache| {
        if let Some(at) = cache.iter().position(|(known, with, _)| known == pattern && *with == flags) {
            // The most recently used comes first.
            cache[..=at].rotate_right(1);
            return Ok(cache[0].2.clone());
        }
        let regex = Rc::new(Regex::new(pattern, flags)?);
        cache.truncate(MAX_CACHED - 1);
        cache.insert(0, (pattern.to_owned(), flags, regex.clone()));
        Ok(regex)
    })
}

impl Regex {
    fn new(pattern: &str, flags: Flags) -> PgResult<Self> {
        let tree = parse(pattern, flags)?;
        let hir = to_hir(&tree, tree.root, false);
        let config = meta::Config::new().nfa_size_limit(Some(MAX_AUTOMATON_BYTES));
        let search =
            meta::Builder::new().configure(config).build_from_hir(&hir).map_err(|_| too_complex())?;
        let is_regular = tree.is_regular(tree.root);
        Ok(Regex { tree, search, is_regular, automata: RefCell::default() })
    }

    /// Number of capturing groups.
    pub(crate) fn group_count(&self) -> usize {
        self.tree.groups.len()
    }

    /// True when the expression matches anywhere in the text.
    ///
    /// # Errors
    /// `2201B` when the expression is too complex.
    pub(crate) fn is_match(&self, text: &str) -> PgResult<bool> {
        if self.is_regular {
            return Ok(self.search.is_match(text));
        }
        Ok(self.find(text, 0, false)?.is_some())
    }

    /// The leftmost match at or after a byte offset. Groups are only found when asked for.
    ///
    /// # Errors
    /// `2201B` when the expression is too complex.
    pub(crate) fn find(&self, text: &str, from: usize, with_groups: bool) -> PgResult<Option<Match>> {
        let mut from = from;
        while from <= text.len() {
            let Some(start) = self.search.search(&Input::new(text).span(from..text.len())).map(|m| m.start())
            else {
                return Ok(None);
            };
            let mut ends = self.automaton(self.tree.root, 0)?.ends(text, start, text.len())?;
            if self.tree.preference(self.tree.root) != Preference::Short {
                ends.reverse();
            }
            let groups = vec![None; self.group_count()];
            if self.is_regular {
                let Some(&end) = ends.first() else { return Err(too_complex()) };
                let mut found = Match { whole: start..end, groups };
                if with_groups && self.group_count() > 0 {
                    let mut division = Division { regex: self, text, groups: found.groups, attempts: 0 };
                    if !division.divide(self.tree.root, start, end)? {
                        return Err(too_complex());
                    }
                    found.groups = division.groups;
                }
                return Ok(Some(found));
            }
            for end in ends {
                let mut division = Division { regex: self, text, groups: groups.clone(), attempts: 0 };
                if division.divide(self.tree.root, start, end)? {
                    return Ok(Some(Match { whole: start..end, groups: division.groups }));
                }
            }
            from = start + text[start..].chars().next().map_or(1, char::len_utf8);
        }
        Ok(None)
    }

    /// The automaton of a node, or of the parts of a sequence from an index on.
    fn automaton(&self, id: NodeId, skip: usize) -> PgResult<Rc<Automaton>> {
        if let Some(known) = self.automata.borrow().get(&(id, skip)) {
            return Ok(known.clone());
        }
        let hir = match &self.tree.nodes[id] {
            Node::Concat(parts) if skip > 0 => {
                Hir::concat(parts[skip..].iter().map(|part| to_hir(&self.tree, *part, false)).collect())
            }
            _ => to_hir(&self.tree, id, false),
        };
        let automaton = Rc::new(Automaton::new(&hir)?);
        self.automata.borrow_mut().insert((id, skip), automaton.clone());
        Ok(automaton)
    }
}

impl Automaton {
    fn new(hir: &Hir) -> PgResult<Self> {
        let nfa = thompson::Compiler::new()
            .configure(thompson::Config::new().nfa_size_limit(Some(MAX_AUTOMATON_BYTES)))
            .build_from_hir(hir)
            .map_err(|_| too_complex())?;
        let config = DFA::config()
            .match_kind(MatchKind::All)
            .prefilter(None::<Prefilter>)
            .skip_cache_capacity_check(true);
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).map_err(|_| too_complex())?;
        let cache = RefCell::new(dfa.create_cache());
        Ok(Automaton { dfa, cache })
    }

    /// All places up to a limit where a match from `start` may end, ascending.
    fn ends(&self, text: &str, start: usize, limit: usize) -> PgResult<Vec<usize>> {
        let cache = &mut *self.cache.borrow_mut();
        let input = Input::new(text).span(start..text.len()).anchored(Anchored::Yes);
        let mut state = self.dfa.start_state_forward(cache, &input).map_err(|_| too_complex())?;
        let mut ends = Vec::new();
        for (at, &byte) in text.as_bytes().iter().enumerate().skip(start) {
            // A match shows one byte late, so that conditions on what follows can be checked.
            state = self.dfa.next_state(cache, state, byte).map_err(|_| too_complex())?;
            if state.is_match() {
                ends.push(at);
            }
            if state.is_dead() || at >= limit {
                return Ok(ends);
            }
            if state.is_quit() {
                return Err(too_complex());
            }
        }
        if limit == text.len() {
            state = self.dfa.next_eoi_state(cache, state).map_err(|_| too_complex())?;
            if state.is_match() {
                ends.push(limit);
            }
        }
        Ok(ends)
    }

    /// True when a match from `start` may end exactly at `end`.
    fn reaches(&self, text: &str, start: usize, end: usize) -> PgResult<bool> {
        Ok(self.ends(text, start, end)?.last() == Some(&end))
    }
}

/// Translates a node. Where an automaton cannot follow, the result accepts more: lookaround is
/// always satisfied, a back reference matches whatever its group could. Inside a reference
/// (`relaxed`) conditions on the surroundings do not count either, because they held elsewhere.
fn to_hir(tree: &Tree, id: NodeId, relaxed: bool) -> Hir {
    match &tree.nodes[id] {
        Node::Empty | Node::Around { .. } => Hir::empty(),
        Node::Class(class) => Hir::class(Class::Unicode(class.clone())),
        Node::Look(_) if relaxed => Hir::empty(),
        Node::Look(look) => Hir::look(*look),
        Node::BackReference(group) => {
            // A group that did not take part matches nothing, but may be referred to all the same.
            to_hir(tree, tree.groups[group - 1], true)
        }
        Node::Group { node, .. } => to_hir(tree, *node, relaxed),
        Node::Concat(parts) => Hir::concat(parts.iter().map(|part| to_hir(tree, *part, relaxed)).collect()),
        Node::Alternation(branches) => {
            Hir::alternation(branches.iter().map(|branch| to_hir(tree, *branch, relaxed)).collect())
        }
        Node::Repeat { node, min, max, .. } => Hir::repetition(Repetition {
            min: *min,
            max: *max,
            greedy: true,
            sub: Box::new(to_hir(tree, *node, relaxed)),
        }),
    }
}

/// The division of a matched text among the parts of an expression.
struct Division<'a> {
    regex: &'a Regex,
    text: &'a str,
    groups: Vec<Option<Range<usize>>>,
    attempts: usize,
}

impl Division<'_> {
    /// Divides a part's text; false when it cannot be matched so. Groups found on the way stay
    /// set only on success.
    fn divide(&mut self, id: NodeId, start: usize, end: usize) -> PgResult<bool> {
        self.attempts += 1;
        if self.attempts > MAX_ATTEMPTS {
            return Err(too_complex());
        }
        let tree = &self.regex.tree;
        if tree.is_regular(id) && !tree.has_groups(id) {
            return self.regex.automaton(id, 0)?.reaches(self.text, start, end);
        }
        match &tree.nodes[id] {
            Node::Group { node, index } => {
                let before = self.groups.clone();
                if self.divide(*node, start, end)? {
                    self.groups[index - 1] = Some(start..end);
                    return Ok(true);
                }
                self.groups = before;
                Ok(false)
            }
            Node::Concat(_) => self.divide_sequence(id, 0, start, end),
            Node::Alternation(branches) => {
                let before = self.groups.clone();
                for branch in branches {
                    if self.regex.automaton(*branch, 0)?.reaches(self.text, start, end)?
                        && self.divide(*branch, start, end)?
                    {
                        return Ok(true);
                    }
                    self.groups.clone_from(&before);
                }
                Ok(false)
            }
            Node::Repeat { node, .. } if start == end && self.refers_to_nothing(*node) => Ok(false),
            Node::Repeat { node, min, max, .. } => self.divide_repetition(*node, (*min, *max), start, end),
            Node::BackReference(group) => {
                let matched = self.groups[group - 1].clone();
                Ok(matched.is_some_and(|range| self.same_text(range, start..end)))
            }
            Node::Around { node, behind, negated } => {
                Ok(start == end && self.look_around(*node, *behind, start)? != *negated)
            }
            _ => self.regex.automaton(id, 0)?.reaches(self.text, start, end),
        }
    }

    /// A reference to a group that took no part matches nothing, even when repeated zero times.
    fn refers_to_nothing(&self, id: NodeId) -> bool {
        matches!(self.regex.tree.nodes[id], Node::BackReference(group) if self.groups[group - 1].is_none())
    }

    fn same_text(&self, a: Range<usize>, b: Range<usize>) -> bool {
        self.text[a] == self.text[b]
    }

    /// True when the expression matches at a place, ahead of it or behind it.
    fn look_around(&mut self, node: NodeId, behind: bool, at: usize) -> PgResult<bool> {
        let automaton = self.regex.automaton(node, 0)?;
        let regular = self.regex.tree.is_regular(node);
        if !behind {
            for end in automaton.ends(self.text, at, self.text.len())? {
                if regular || self.divide(node, at, end)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        for start in (0..=at).rev().filter(|start| self.text.is_char_boundary(*start)) {
            if automaton.reaches(self.text, start, at)? && (regular || self.divide(node, start, at)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A sequence from its part `first` on: that part takes what it prefers and the rest can
    /// leave it.
    fn divide_sequence(&mut self, id: NodeId, first: usize, start: usize, end: usize) -> PgResult<bool> {
        let regex = self.regex;
        let Node::Concat(parts) = &regex.tree.nodes[id] else { return Ok(false) };
        let part = parts[first];
        if first + 1 == parts.len() {
            return self.divide(part, start, end);
        }
        let mut middles = regex.automaton(part, 0)?.ends(self.text, start, end)?;
        if regex.tree.preference(part) != Preference::Short {
            middles.reverse();
        }
        let rest = regex.automaton(id, first + 1)?;
        let before = self.groups.clone();
        for middle in middles {
            if rest.reaches(self.text, middle, end)?
                && self.divide(part, start, middle)?
                && self.divide_sequence(id, first + 1, middle, end)?
            {
                return Ok(true);
            }
            self.groups.clone_from(&before);
        }
        Ok(false)
    }

    /// A repetition: each round takes what the repeated part prefers; groups keep what the last
    /// one matched. Rounds that match nothing are only made where the least number asks for them,
    /// but one is tried even if none is needed, so that groups are set.
    fn divide_repetition(
        &mut self,
        node: NodeId,
        (min, max): (u32, Option<u32>),
        start: usize,
        end: usize,
    ) -> PgResult<bool> {
        let least = min.max(1) as usize;
        let most = max.map_or(usize::MAX, |max| max as usize).min(end - start).max(least);
        let before = self.groups.clone();
        if max != Some(0) && self.rounds(node, (least, most), start, end, 1)? {
            return Ok(true);
        }
        self.groups = before;
        Ok(min == 0 && start == end)
    }

    fn rounds(
        &mut self,
        node: NodeId,
        (least, most): (usize, usize),
        start: usize,
        end: usize,
        round: usize,
    ) -> PgResult<bool> {
        let regex = self.regex;
        let mut ends = regex.automaton(node, 0)?.ends(self.text, start, end)?;
        if regex.tree.preference(node) != Preference::Short {
            ends.reverse();
        }
        let before = self.groups.clone();
        for round_end in ends {
            let is_last = round_end == end;
            let fits = if is_last { round >= least } else { round < most };
            let is_needless =
                !is_last && round_end == start && (round >= least || least - round < end - round_end);
            if !fits || is_needless {
                continue;
            }
            // Groups of earlier rounds do not show.
            regex.tree.groups_in(node, &mut |group| self.groups[group - 1] = None);
            if self.divide(node, start, round_end)?
                && (is_last || self.rounds(node, (least, most), round_end, end, round + 1)?)
            {
                return Ok(true);
            }
            self.groups.clone_from(&before);
        }
        Ok(false)
    }
}
