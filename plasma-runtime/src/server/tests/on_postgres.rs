//! The tests of the engine that are not about SQLite's own ways, once more on Postgres.

use super::fixture::on_postgres;

/// Each of these tests, run on Postgres.
macro_rules! on_postgres {
    ($($file:ident { $($test:ident)* })*) => {
        $(mod $file {
            $(
                #[test]
                fn $test() {
                    super::on_postgres(crate::server::tests::$file::$test);
                }
            )*
        })*
    };
}

on_postgres! {
    ledger {
        mutations_run_once_in_order_and_their_retries_are_duplicates
        a_gap_ends_the_push_and_keeps_what_ran_before_it
        a_key_known_in_the_group_is_not_run_again
        a_fork_is_found_before_anything_runs
        a_client_belongs_to_the_group_whose_push_first_advanced_it
        settled_outcomes_forget_their_words_and_keep_their_code
        one_malformed_mutation_is_rejected_alone
        panics_foreign_awaits_and_internal_errors_are_final_and_say_nothing
        budgets_end_runaway_mutators_even_those_that_hide_it
        ids_and_time_come_from_the_envelope
        a_passing_fault_is_503_and_is_tried_again_until_it_is_hopeless
        a_job_runs_once_per_key
        clients_that_were_not_heard_of_for_long_expire
    }
    group {
        nasty_case_group_commit
        a_mutation_that_can_never_be_committed_blocks_its_client_only_until_it_is_hopeless
        a_database_that_is_down_is_nobodys_fault
        savepoints_are_taken_where_one_was_needed
    }
    policy {
        inserts_are_checked_with_their_image_at_the_end
        a_row_that_may_not_be_read_is_treated_as_absent
        old_images_are_checked_when_the_statement_runs
        updates_are_checked_after_too
        an_update_cannot_make_a_row_deletable
        frozen_columns_never_change
        trusted_writes_pass_and_cascades_are_not_checked_again
        mutators_read_everything
        tables_without_rules_are_open
        constraints_say_nothing_of_rows_that_may_not_be_read
    }
    handle {
        a_push_and_a_pull_are_answered
        paths_methods_and_credentials
        malformed_pushes_change_nothing
        malformed_pulls_are_refused
        other_versions_schemas_and_groups
        checks_come_in_order
        refusals_are_told_with_their_kind
    }
    upkeep {
        old_keys_beyond_the_newest_are_forgotten_and_are_forks_then
        outcomes_above_the_bound_stay
        the_newest_outcome_of_a_cut_is_found_however_far_its_client_has_gone_on
        of_an_expired_client_only_its_name_stays
        many_clients_are_gone_through_in_steps
        readers_from_below_the_bound_hold_what_they_would_hold
    }
    effects {
        a_client_that_read_the_same_is_told_what_was_written
        whoever_guesses_or_does_not_ask_is_told_nothing
        a_duplicate_and_a_rejection_carry_no_digest
    }
}
