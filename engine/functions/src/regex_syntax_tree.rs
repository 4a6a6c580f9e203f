//! The syntax tree of PostgreSQL's regular expressions, and how much its nodes like to match.

use regex_syntax::hir::{ClassUnicode, Look};

/// Index of a node in its tree.
pub(crate) type NodeId = usize;

/// Whether a node prefers long or short matches; `None` when it has no say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preference {
    None,
    Long,
    Short,
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// The empty string.
    Empty,
    /// One character out of a set.
    Class(ClassUnicode),
    /// A zero-width condition that a DFA can check.
    Look(Look),
    /// Lookahead or lookbehind for another expression.
    Around {
        node: NodeId,
        behind: bool,
        negated: bool,
    },
    /// The text that a group has matched.
    BackReference(usize),
    /// A capturing group; groups count from 1.
    Group {
        node: NodeId,
        index: usize,
    },
    Concat(Vec<NodeId>),
    Alternation(Vec<NodeId>),
    /// `max` is `None` for no limit.
    Repeat {
        node: NodeId,
        min: u32,
        max: Option<u32>,
        preference: Preference,
    },
}

/// A parsed expression.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: NodeId,
    /// Node of each group, from group 1.
    pub(crate) groups: Vec<NodeId>,
}

impl Tree {
    /// Adds a node.
    pub(crate) fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Long or short: the first part of a sequence that has a preference decides, several
    /// branches always prefer long matches.
    pub(crate) fn preference(&self, id: NodeId) -> Preference {
        match &self.nodes[id] {
            Node::Group { node, .. } => self.preference(*node),
            Node::Concat(parts) => parts
                .iter()
                .map(|part| self.preference(*part))
                .find(|preference| *preference != Preference::None)
                .unwrap_or(Preference::None),
            Node::Alternation(branches) if branches.len() > 1 => Preference::Long,
            Node::Alternation(branches) => branches.first().map_or(Preference::None, |b| self.preference(*b)),
            Node::Repeat { node, preference: Preference::None, .. } => self.preference(*node),
            Node::Repeat { preference, .. } => *preference,
            _ => Preference::None,
        }
    }

    /// True when a DFA decides exactly what the node matches: no lookaround, no back references.
    pub(crate) fn is_regular(&self, id: NodeId) -> bool {
        match &self.nodes[id] {
            Node::Around { .. } | Node::BackReference(_) => false,
            Node::Group { node, .. } | Node::Repeat { node, .. } => self.is_regular(*node),
            Node::Concat(parts) | Node::Alternation(parts) => parts.iter().all(|part| self.is_regular(*part)),
            _ => true,
        }
    }

    /// Calls back for every group in a node.
    pub(crate) fn groups_in(&self, id: NodeId, found: &mut impl FnMut(usize)) {
        match &self.nodes[id] {
            Node::Group { node, index } => {
                found(*index);
                self.groups_in(*node, found);
            }
            Node::Repeat { node, .. } => self.groups_in(*node, found),
            Node::Concat(parts) | Node::Alternation(parts) => {
                for part in parts {
                    self.groups_in(*part, found);
                }
            }
            _ => {}
        }
    }

    /// True when the node refers back to groups.
    pub(crate) fn has_references(&self, id: NodeId) -> bool {
        match &self.nodes[id] {
            Node::BackReference(_) => true,
            Node::Group { node, .. } | Node::Repeat { node, .. } => self.has_references(*node),
            Node::Concat(parts) | Node::Alternation(parts) => {
                parts.iter().any(|part| self.has_references(*part))
            }
            _ => false,
        }
    }

    /// A copy of a node whose parentheses do not capture.
    pub(crate) fn without_groups(&mut self, id: NodeId) -> NodeId {
        let copy = match self.nodes[id].clone() {
            Node::Group { node, .. } => return self.without_groups(node),
            Node::Repeat { node, min, max, preference } => {
                Node::Repeat { node: self.without_groups(node), min, max, preference }
            }
            Node::Concat(parts) => {
                Node::Concat(parts.into_iter().map(|part| self.without_groups(part)).collect())
            }
            Node::Alternation(parts) => {
                Node::Alternation(parts.into_iter().map(|part| self.without_groups(part)).collect())
            }
            other => other,
        };
        self.push(copy)
    }

    /// Repeats a node. Where only the last round's groups count, the rounds before it become a
    /// part of their own, which takes what it can and leaves the rest to the last one.
    pub(crate) fn repeat(
        &mut self,
        node: NodeId,
        min: u32,
        max: Option<u32>,
        preference: Preference,
    ) -> NodeId {
        if !self.has_groups(node) || min == 0 || self.has_references(node) {
            return self.push(Node::Repeat { node, min, max, preference });
        }
        let own = self.preference(node);
        let combined = if preference == Preference::None { own } else { preference };
        if (min, max) == (1, Some(1)) && (own == Preference::None || own == combined) {
            return node;
        }
        let earlier = self.without_groups(node);
        let earlier = self.push(Node::Repeat {
            node: earlier,
            min: min - 1,
            max: max.map(|max| max - 1),
            preference: combined,
        });
        self.push(Node::Concat(vec![earlier, node]))
    }

    /// True when the node holds capturing groups.
    pub(crate) fn has_groups(&self, id: NodeId) -> bool {
        match &self.nodes[id] {
            Node::Group { .. } => true,
            Node::Repeat { node, .. } => self.has_groups(*node),
            Node::Concat(parts) | Node::Alternation(parts) => parts.iter().any(|part| self.has_groups(*part)),
            _ => false,
        }
    }
}
