//! A configuration file that has been read again, while sessions run.

use super::{Context, Settings, Source, Target, table};

/// Whether a value came from no weightier place than the file.
fn in_file(source: Source) -> bool {
    matches!(source, Source::Default | Source::ConfigurationFile)
}

impl Settings {
    /// Takes over what a configuration file read again says, wherever nothing weightier has been said since. Gives
    /// the names of parameters that would have changed and cannot while the server runs.
    pub fn adopt(&mut self, new: &Settings) -> Vec<&'static str> {
        let mut refused = Vec::new();
        for parameter in table::ALL {
            let index = *parameter as usize;
            let ((old, old_source), (value, source)) = (&self.reset[index], &new.reset[index]);
            // What no file has named is as it was; facts about the session are of that kind.
            if [*old_source, *source].iter().all(|source| *source != Source::ConfigurationFile) {
                continue;
            }
            if matches!(parameter.definition().context, Context::Internal | Context::Postmaster) {
                if old != value {
                    refused.push(parameter.definition().name);
                }
                continue;
            }
            if !in_file(*old_source) {
                continue;
            }
            self.reset[index] = new.reset[index].clone();
            for entry in &mut self.undo {
                if let (Target::Known(target), Some(previous)) = (&entry.target, &mut entry.previous)
                    && target == parameter
                    && in_file(previous.1)
                {
                    *previous = new.reset[index].clone();
                }
            }
            if in_file(self.values[index].1) && self.values[index] != new.reset[index] {
                self.values[index] = new.reset[index].clone();
                self.note_report(*parameter);
            }
        }
        self.refresh();
        refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Parameter;

    fn with(values: &[(&str, &str, Source)]) -> Settings {
        let mut settings = Settings::default();
        for (name, value, source) in values {
            settings.set_base(name, value, *source).expect("a valid value");
        }
        settings
    }

    #[test]
    fn the_file_counts_where_nothing_weightier_was_said() {
        use Source::{Client, CommandLine, ConfigurationFile};
        let mut settings = with(&[
            ("work_mem", "1MB", ConfigurationFile),
            ("lock_timeout", "5s", CommandLine),
            ("statement_timeout", "7s", Client),
        ]);
        settings.set_fact(Parameter::SessionAuthorization, "bob");
        settings.set("deadlock_timeout", Some("3s"), false, 1, true).expect("set");
        let refused = settings.adopt(&with(&[
            ("port", "1234", ConfigurationFile),
            ("lock_timeout", "6s", ConfigurationFile),
            ("statement_timeout", "6s", ConfigurationFile),
            ("deadlock_timeout", "4s", ConfigurationFile),
            ("idle_session_timeout", "9s", ConfigurationFile),
        ]));
        assert_eq!(refused, ["port"]);
        let shown = |settings: &Settings, name: &str| settings.show(name).expect(name);
        for (name, value) in [
            ("work_mem", "4MB"),
            ("lock_timeout", "5s"),
            ("statement_timeout", "7s"),
            ("deadlock_timeout", "3s"),
            ("idle_session_timeout", "9s"),
            ("port", "5432"),
            ("session_authorization", "bob"),
        ] {
            assert_eq!(shown(&settings, name), value, "{name}");
        }
        // The SET is undone: what the file says now shows.
        settings.end_level(1, false);
        assert_eq!(shown(&settings, "deadlock_timeout"), "4s");
    }
}
