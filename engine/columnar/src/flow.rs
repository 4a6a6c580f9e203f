//! Which rows of a batch are where in a program.

/// Which rows of a batch are meant.
#[derive(Clone, Debug)]
pub(crate) enum Rows {
    /// All of them.
    All,
    /// These, ascending.
    Some(Vec<u32>),
}

impl Rows {
    /// These of so many rows.
    pub(crate) fn of(rows: Vec<u32>, total: usize) -> Rows {
        if rows.len() == total { Rows::All } else { Rows::Some(rows) }
    }

    pub(crate) fn is_empty(&self, total: usize) -> bool {
        match self {
            Rows::All => total == 0,
            Rows::Some(rows) => rows.is_empty(),
        }
    }

    pub(crate) fn len(&self, total: usize) -> usize {
        match self {
            Rows::All => total,
            Rows::Some(rows) => rows.len(),
        }
    }

    pub(crate) fn iter(&self, total: usize) -> Box<dyn Iterator<Item = usize> + '_> {
        match self {
            Rows::All => Box::new(0..total),
            Rows::Some(rows) => Box::new(rows.iter().map(|row| *row as usize)),
        }
    }
}

/// Where the rows of a batch are in a program.
pub(crate) struct Flow {
    pub active: Rows,
    /// Rows of the batch.
    total: usize,
    /// Rows that have jumped, by the step that they go on at.
    waiting: Vec<(u32, Vec<u32>)>,
}

impl Flow {
    /// These rows at the first step.
    pub(crate) fn new(active: Rows, total: usize) -> Flow {
        Flow { active, total, waiting: Vec::new() }
    }

    /// The rows that have come to the end.
    pub(crate) fn finish(self) -> Rows {
        assert!(self.waiting.is_empty(), "jumps end within the program or right behind it");
        self.active
    }

    /// Sets rows aside until a step.
    pub(crate) fn wait(&mut self, to: u32, rows: Rows) {
        if !rows.is_empty(self.total) {
            self.waiting.push((to, rows.iter(self.total).map(|row| row as u32).collect()));
        }
    }

    /// Takes up the rows that go on here.
    pub(crate) fn arrive(&mut self, at: u32) {
        if self.waiting.iter().all(|(to, _)| *to != at) {
            return;
        }
        let mut here = match std::mem::replace(&mut self.active, Rows::Some(Vec::new())) {
            Rows::All => unreachable!("no row waits while all are active"),
            Rows::Some(rows) => rows,
        };
        self.waiting.retain_mut(|(to, rows)| {
            let stays = *to != at;
            if !stays {
                here.append(rows);
            }
            stays
        });
        here.sort_unstable();
        self.active = Rows::of(here, self.total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(flow: &Flow) -> Vec<usize> {
        flow.active.iter(flow.total).collect()
    }

    #[test]
    fn rows_wait_until_their_step() {
        let mut flow = Flow::new(Rows::All, 5);
        // Rows 1 and 3 jump to step 4, row 0 to step 2; 2 and 4 go on.
        flow.active = Rows::Some(vec![2, 4]);
        flow.wait(4, Rows::Some(vec![1, 3]));
        flow.wait(2, Rows::Some(vec![0]));
        flow.arrive(1);
        assert_eq!(rows(&flow), [2, 4]);
        flow.arrive(2);
        assert_eq!(rows(&flow), [0, 2, 4]);
        flow.arrive(4);
        assert!(matches!(flow.active, Rows::All), "all have come together");
        assert_eq!(rows(&flow), [0, 1, 2, 3, 4]);
        assert!(matches!(flow.finish(), Rows::All));
    }

    #[test]
    fn dropped_rows_do_not_come_back() {
        let mut flow = Flow::new(Rows::All, 3);
        flow.active = Rows::Some(vec![1]);
        flow.wait(3, Rows::Some(Vec::new()));
        flow.arrive(3);
        assert_eq!(rows(&flow), [1]);
        assert_eq!(flow.finish().len(3), 1);
    }

    #[test]
    #[should_panic(expected = "jumps end within the program")]
    fn nobody_is_left_behind() {
        let mut flow = Flow::new(Rows::Some(vec![0]), 2);
        flow.wait(7, Rows::Some(vec![1]));
        flow.finish();
    }
}
