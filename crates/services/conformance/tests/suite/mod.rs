//! The suite, each part on a system of its own.

use conformance::{System, suite};

use super::TOPOLOGY;

async fn holds(part: suite::Part) {
    let system = System::start(TOPOLOGY).await;
    part(&system).await;
    system.stop().await;
}

#[tokio::test]
async fn nothing_is_there_yet_and_nothing_is_an_error() {
    holds(suite::EMPTY).await;
}

#[tokio::test]
async fn the_walk_shows_50_then_1_with_one_notification_and_a_refusal_changes_nothing() {
    holds(suite::WALK).await;
}

#[tokio::test]
async fn a_quantity_is_an_integer_from_1_on_and_the_only_field() {
    holds(suite::QUANTITIES).await;
}

#[tokio::test]
async fn the_quantity_on_hand_never_exceeds_63_bits() {
    holds(suite::OVERFLOW).await;
}

#[tokio::test]
async fn a_body_that_is_no_json_or_a_trap_is_refused() {
    holds(suite::TRAPS).await;
}

#[tokio::test]
async fn a_sku_is_1_to_64_of_the_allowed_characters() {
    holds(suite::SKUS).await;
}

#[tokio::test]
async fn unknown_routes_wrong_methods_other_types_and_large_bodies_are_refused() {
    holds(suite::REQUESTS).await;
}

#[tokio::test]
async fn a_request_that_two_servers_could_read_differently_is_refused_or_the_last_one() {
    holds(suite::SMUGGLED).await;
}

#[tokio::test]
async fn a_repeated_key_gets_the_same_receipt_and_never_serves_another_command() {
    holds(suite::KEYS).await;
}

#[tokio::test]
async fn headers_come_before_the_key_the_key_before_if_match_and_if_match_before_the_rules() {
    holds(suite::CHECKS).await;
}

#[tokio::test]
async fn if_match_holds_for_the_version_that_it_names_only() {
    holds(suite::PRECONDITIONS).await;
}

#[tokio::test]
async fn of_64_clients_at_once_one_counts_and_none_sells_what_is_not_there() {
    holds(suite::TOGETHER).await;
}

#[tokio::test]
async fn a_query_waits_for_its_position_and_says_when_it_does_not_come() {
    holds(suite::WAITING).await;
}

#[tokio::test]
async fn lists_are_ordered_byte_by_byte_and_walked_page_by_page() {
    holds(suite::PAGING).await;
}

#[tokio::test]
async fn each_shipment_that_leaves_5_or_fewer_is_listed_and_notified_once() {
    holds(suite::LOW_STOCK).await;
}

#[tokio::test]
async fn the_event_feed_has_every_event_in_order() {
    holds(suite::FEED).await;
}

#[tokio::test]
async fn the_live_feed_goes_on_and_is_resumed_where_it_was() {
    holds(suite::LIVE_FEED).await;
}

#[tokio::test]
async fn events_say_where_they_come_from_also_those_of_a_process_manager() {
    holds(suite::METADATA).await;
}

#[tokio::test]
async fn a_ticket_is_added_assigned_closed_and_reopened_and_shows_all_of_it() {
    holds(suite::TICKET_WALK).await;
}

#[tokio::test]
async fn who_may_not_is_told_why_and_other_organisations_tickets_are_not_there() {
    holds(suite::TICKET_ACTORS).await;
}

#[tokio::test]
async fn a_wrong_request_about_a_ticket_is_named_with_its_rule_and_records_nothing() {
    holds(suite::TICKET_REQUESTS).await;
}

#[tokio::test]
async fn a_repeated_creation_makes_one_ticket() {
    holds(suite::TICKET_CREATIONS).await;
}

#[tokio::test]
async fn a_walk_over_the_board_meets_each_ticket_once_while_tickets_change() {
    holds(suite::TICKET_BOARD).await;
}

#[tokio::test]
async fn every_command_can_be_validated_and_nothing_is_recorded() {
    holds(suite::VALIDATING).await;
}

#[tokio::test]
async fn health_and_metrics_are_on_the_ops_listeners_only() {
    holds(suite::OPS).await;
}

#[tokio::test]
async fn a_paused_projection_says_so_everywhere_and_goes_on_where_it_was() {
    holds(suite::PAUSE).await;
}
