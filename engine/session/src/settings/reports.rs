//! The parameters whose values a client is told: at the start, and whenever they change.

use super::{Parameter, Settings, table};

impl Settings {
    /// Reported parameters that changed since the last call, with their values.
    pub fn take_reports(&mut self) -> Vec<(&'static str, String)> {
        let reported = std::mem::take(&mut self.reported);
        reported
            .into_iter()
            .map(|parameter| (parameter.definition().name, self.show_parameter(parameter)))
            .collect()
    }

    /// All reported parameters, for the start of a session.
    pub fn all_reports(&self) -> Vec<(&'static str, String)> {
        table::ALL
            .iter()
            .filter(|parameter| parameter.definition().report)
            .map(|parameter| (parameter.definition().name, self.show_parameter(*parameter)))
            .collect()
    }

    pub(super) fn note_report(&mut self, parameter: Parameter) {
        if parameter.definition().report && !self.reported.contains(&parameter) {
            self.reported.push(parameter);
        }
    }
}
