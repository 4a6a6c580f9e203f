//! The simple query protocol: one message, any number of statements.

use crate::block::State;
use crate::client::Client;
use crate::run::Planned;
use crate::session::Session;
use redoubt_analyze::Params;
use redoubt_analyze::query::CommandType;
use redoubt_error::{PgError, PgResult, Severity};
use redoubt_functions::{Datum, timestamp};
use redoubt_sql::tree::{Statement, StatementKind, UtilityStatement};
use redoubt_txn::Interrupt;

impl Session {
    /// Carries out the statements of a query message. Errors of statements are told to the client; what
    /// comes back ends the connection.
    ///
    /// # Errors
    /// Fatal ones only.
    pub fn simple_query(&mut self, text: &str, client: &mut dyn Client) -> PgResult<()> {
        self.begin_message();
        self.report_running(text);
        let result = self.run_statements(text, client);
        self.stop_statement_timer();
        let settled = self.settle(result, text, client);
        self.report_waiting();
        settled
    }

    /// A message has arrived: the clock is read, and a cancel that came too late is forgotten.
    pub(crate) fn begin_message(&mut self) {
        self.facts.statement_timestamp_us = timestamp::now_us();
        self.facts.backend.interrupts().clear(Interrupt::Cancel);
        self.adopt_reloaded_settings();
    }

    /// Tells an error to the client and undoes what it undoes; fatal errors pass on.
    pub(crate) fn settle(
        &mut self,
        result: PgResult<()>,
        text: &str,
        client: &mut dyn Client,
    ) -> PgResult<()> {
        self.send_notices(client, text);
        let Err(error) = result else { return Ok(()) };
        self.fail();
        if error.fields().severity >= Severity::Fatal {
            return Err(error);
        }
        client.report(&error, text);
        Ok(())
    }

    fn run_statements(&mut self, text: &str, client: &mut dyn Client) -> PgResult<()> {
        self.start_statement_timer()?;
        if let Some(tag) = self.run_from_cache(text, client)? {
            self.finish_implicit(client)?;
            self.send_notices(client, text);
            self.complete(&tag, client);
            return Ok(());
        }
        self.facts.instance.measures.parsing();
        let statements = redoubt_sql::parse(text)?;
        if statements.is_empty() {
            // An empty query does nothing, but in a failed block it is accepted all the same.
            client.empty_query();
            return Ok(());
        }
        let several = statements.len() > 1;
        let last = statements.len() - 1;
        for (index, statement) in statements.iter().enumerate() {
            self.notices.borrow_mut().extend(statement.notices.iter().cloned());
            if several {
                self.block.begin_implicit();
            }
            self.start_statement_timer()?;
            let tag = self.run_statement(statement, text, client)?;
            // Outside a block the last statement's success is the transaction's.
            if index == last || !several {
                self.finish_implicit(client)?;
            }
            self.send_notices(client, text);
            self.complete(&tag, client);
            // Each statement has its own time.
            self.stop_statement_timer();
        }
        Ok(())
    }

    /// Ends the transaction of a statement or message outside a block.
    pub(crate) fn finish_implicit(&mut self, client: &mut dyn Client) -> PgResult<()> {
        match self.block.state() {
            State::Idle | State::Implicit => {
                self.block.end_implicit();
                self.commit(client)
            }
            State::Block | State::Failed => Ok(()),
        }
    }

    /// Runs a single statement by a plan that was made for one like it, if there is one.
    fn run_from_cache(&mut self, text: &str, client: &mut dyn Client) -> PgResult<Option<String>> {
        if self.block.state() == State::Failed {
            return Ok(None);
        }
        let Some(normalised) = redoubt_sql::normalise(text) else { return Ok(None) };
        self.ensure_transaction()?;
        let Some((planned, params)) = self.plan_of_text(normalised)? else { return Ok(None) };
        self.run_planned(&planned, &params, client).map(Some)
    }

    /// Runs a plan, its columns told first.
    fn run_planned(
        &mut self,
        planned: &Planned,
        params: &[Datum],
        client: &mut dyn Client,
    ) -> PgResult<String> {
        let columns = planned.columns.clone();
        if !columns.is_empty() || planned.plan.command == CommandType::Select {
            client.row_description(&columns);
        }
        let tag = self.run_plan(planned, params, &columns, client)?;
        self.adopt_changed_settings();
        self.txn().advance_command()?;
        Ok(tag)
    }

    /// Runs one statement and gives its command tag.
    fn run_statement(
        &mut self,
        statement: &Statement,
        text: &str,
        client: &mut dyn Client,
    ) -> PgResult<String> {
        if let StatementKind::Utility(utility) = &statement.kind {
            if let UtilityStatement::Show { name } = &**utility {
                // The columns are told before the rows, but not before it is known that there are any.
                self.block.check_not_failed()?;
                self.check_show(name.as_deref())?;
                crate::utility::describe(utility, client);
            }
            if let UtilityStatement::Explain(explain) = &**utility {
                self.block.check_not_failed()?;
                client.row_description(&crate::explain::columns(explain));
            }
            return self.run_utility(utility, text, client);
        }
        self.block.check_not_failed()?;
        let dml = statement
            .kind
            .as_dml()
            .ok_or_else(|| PgError::internal("a statement is either planned or a utility"))?;
        self.ensure_transaction()?;
        let planned = self.plan(&dml, &Params::fixed(Vec::new()))?;
        self.run_planned(&planned, &[], client)
    }
}
