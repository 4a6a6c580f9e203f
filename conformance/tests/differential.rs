//! Random queries to Redoubt and to PostgreSQL, which have to give the same answers. `make differential` runs more of
//! them. Without a network, and with no suite fetched before, the test says SKIPPED and why.

use redoubt_conformance::{
    SideBySide, Suite, Tally, Target, readable_copy, redoubt_binary, say_skipped, scratch_dir, unused_port,
};

const SEED: u64 = 7;
const QUERIES: usize = 400;

#[test]
fn random_queries_have_postgresqls_answers() {
    let suite = match Suite::fetch() {
        Ok(suite) => suite,
        Err(reason) => return say_skipped("random queries beside PostgreSQL", &reason),
    };
    let home = scratch_dir("differential");
    let copy = readable_copy(&suite, &home).expect("a copy of the suite");
    let mut theirs = Target::postgres(&copy, &[], home.join("postgresql"), unused_port());
    let mut ours = Target::redoubt(&suite, redoubt_binary(), home.join("redoubt"), unused_port());
    theirs.start_fresh().expect("PostgreSQL starts");
    ours.start_fresh().expect("Redoubt starts");
    let mut both = SideBySide::new(ours.port, theirs.port).expect("the tables");
    let Tally { same, refused, unsupported, timed_out, different } =
        both.run(SEED, QUERIES).unwrap_or_else(|error| panic!("{error}\n{}", ours.log_tail(40)));
    assert!(different.is_empty(), "{different:#?}");
    assert_eq!(same + refused + unsupported + timed_out, QUERIES);
    // Queries that nobody answers would prove nothing.
    assert!(same > QUERIES * 3 / 4, "{same} answered, {refused} refused, {unsupported} unsupported");
}
