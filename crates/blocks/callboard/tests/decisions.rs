//! The given / when / then kit, on commands over several streams and a live model.

#[allow(clippy::duplicate_mod, reason = "every test program has its own")]
mod bank;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bank::events::{credited, debited, deposited, made, noted, opened};
use bank::{Account, Audit, Balance, Balances, Bank, BankEvent, Deposit, Meddle, Note, OpenAccount, Transfer, Welcome};
use callboard::spec::{Spec, reactions, recorded, rows};
use callboard::{
    Actor, Command, CommandError, Decision, EventType, Moment, Reads, Refusal, Route, StreamName, World, panic_text,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

fn two_accounts() -> Spec<Bank> {
    Spec::new()
        .given("account-a", [opened("a", "Ann"), deposited("a", 100)])
        .given("account-b", [opened("b", "Bob")])
}

fn transfer(amount: i64) -> Transfer {
    Transfer {
        number: 1,
        from: "a".into(),
        to: "b".into(),
        amount,
    }
}

fn panic_of<T>(work: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(_) => panic!("it should have failed the test"),
        Err(panic) => panic_text(&*panic),
    }
}

#[test]
fn a_transfer_writes_on_its_own_stream_and_on_both_accounts() {
    two_accounts().when(transfer(60)).then_on([
        ("transfer-1", made("a", "b", 60)),
        ("account-a", debited("a", 60)),
        ("account-b", credited("b", 60)),
    ]);
}

#[test]
fn the_receipt_is_about_the_commands_own_stream_and_lists_every_event() {
    let receipt = two_accounts().when(transfer(60)).result().expect("it is accepted");
    assert_eq!(
        (receipt.stream.as_str(), receipt.version.get(), receipt.position.get()),
        ("transfer-1", 1, 6)
    );
    let places: Vec<_> = receipt
        .events
        .iter()
        .map(|event| {
            (
                event.position.get(),
                event.stream.as_str(),
                event.version.get(),
                &*event.event_type,
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            (4, "transfer-1", 1, "TransferMade"),
            (5, "account-a", 3, "Debited"),
            (6, "account-b", 2, "Credited")
        ]
    );
}

#[test]
fn a_rule_sees_all_the_streams_that_it_reads() {
    two_accounts().when(transfer(101)).then_refused("insufficient-funds");
    two_accounts()
        .given("transfer-1", [made("a", "b", 1)])
        .when(transfer(1))
        .then_refused("transfer-made");
    let missing = Transfer {
        to: "nobody".into(),
        ..transfer(1)
    };
    two_accounts().when(missing).then_refused("no-account");
}

#[test]
fn a_rule_over_a_live_model_sees_the_whole_log() {
    let open = |account: &str| OpenAccount {
        account: account.into(),
        owner: "Ann".into(),
    };
    let spec = Spec::<Bank>::new()
        .given("account-a", [opened("a", "Ann")])
        .given("account-b", [opened("b", "Ann")]);
    spec.when(open("c")).then([opened("c", "Ann")]);
    let spec = spec.given("account-c", [opened("c", "Ann")]);
    spec.when(open("d")).then_refused("too-many-accounts");
    spec.when(OpenAccount {
        account: "d".into(),
        owner: "Bob".into(),
    })
    .then([opened("d", "Bob")]);
}

#[test]
fn one_stream_can_be_read_as_two_aggregates() {
    match two_accounts().when(Audit { account: "a".into() }).result() {
        Err(CommandError::Refused(refusal)) => {
            assert_eq!(refusal.detail, "balance 100 events 2 version 2 deposited 100");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_that_changes_nothing_records_nothing_at_the_present_head() {
    let nothing = Deposit {
        account: "a".into(),
        amount: 0,
    };
    two_accounts().when(nothing.clone()).then_nothing();
    let receipt = two_accounts().when(nothing).result().expect("it is accepted");
    assert_eq!(
        (receipt.position.get(), receipt.version.get(), receipt.events.len()),
        (3, 2, 0)
    );
}

#[test]
fn authorization_comes_before_the_rules() {
    let guest = Actor {
        roles: vec!["guest".into()],
        ..Actor::default()
    };
    let spec = Spec::<Bank>::new().by(guest);
    spec.when(Deposit {
        account: "nobody".into(),
        amount: 1,
    })
    .then_forbidden();
}

#[test]
fn touching_what_is_not_declared_fails_the_test() {
    let meddle = |how: &str| Meddle {
        account: "a".into(),
        other: "b".into(),
        how: how.into(),
    };
    let reported = |how: &str| panic_of(|| two_accounts().when(meddle(how)).result());
    assert!(reported("touch").contains("doesn't declare that it reads account-b as "));
    assert!(reported("version").contains("doesn't declare that it reads account-b"));
    assert!(reported("model").contains("doesn't declare that it reads "));
    assert!(reported("type").contains("doesn't declare that it reads account-a as "));
    assert!(reported("write").contains("it writes account-b, which it doesn't declare to read"));
}

/// Does what its route doesn't list.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stray {
    how: String,
}

impl Command for Stray {
    type Log = Bank;
    const NAME: &'static str = "Stray";
    const ROUTE: Route = Route {
        aggregate: "Account",
        stream: "account-{account}",
        events: &[EventType::new("Deposited", 1)],
        refusals: &["known"],
    };

    fn stream(&self) -> StreamName {
        StreamName::of(if self.how == "stream" { "other" } else { "account" }, "a")
    }

    fn reads(&self) -> Reads<Bank> {
        Reads::of::<Account>(self.stream())
    }

    fn decide(&self, _: &World<'_, Bank>, _: &Moment) -> Result<Decision<BankEvent>, Refusal> {
        match &*self.how {
            "event" => Ok(Decision::event(debited("a", 1))),
            "refusal" => Err(Refusal::rule("new", "A rule that nobody listed.")),
            "known refusal" => Err(Refusal::rule("known", "A rule.")),
            _ => Ok(Decision::event(deposited("a", 1))),
        }
    }
}

#[test]
fn what_a_route_does_not_list_fails_the_test() {
    let on = |how: &str| Spec::<Bank>::new().when(Stray { how: how.into() });
    on("listed").then([deposited("a", 1)]);
    on("known refusal").then_refused("known");
    assert!(panic_of(|| on("event")).contains("Stray records a Debited v1, which its route doesn't list"));
    assert!(panic_of(|| on("refusal")).contains("Stray is refused by new, which its route doesn't list"));
    assert!(panic_of(|| on("stream")).contains("other-a is no stream of the form account-{account}"));
}

#[test]
fn every_kind_of_panic_fails_the_test() {
    for text in ["reads panics", "decide panics", "encode panics", "evolve panics"] {
        let reason = panic_of(|| two_accounts().when(Note::once("a", text)).result());
        assert!(reason.contains(text), "{reason}");
    }
}

#[test]
fn expectations_that_are_not_met_fail_the_test() {
    panic_of(|| two_accounts().when(transfer(1)).then_nothing());
    panic_of(|| two_accounts().when(transfer(1)).then([made("a", "b", 2)]));
    panic_of(|| two_accounts().when(transfer(1)).then_types(&["TransferMade"]));
    panic_of(|| two_accounts().when(transfer(1)).then_refused("insufficient-funds"));
    panic_of(|| two_accounts().when(transfer(1)).then_forbidden());
    panic_of(|| two_accounts().when(transfer(101)).then_nothing());
    panic_of(|| two_accounts().when(transfer(101)).then_refused("no-account"));
}

#[test]
fn a_projection_folds_every_row_by_itself() {
    let made = rows::<Balances>(&[
        ("account-a", opened("a", "Ann")),
        ("account-b", opened("b", "Bob")),
        ("account-a", deposited("a", 5)),
        ("account-b", noted("b", "delete")),
    ]);
    let row = Balance {
        account: "a".into(),
        owner: "Ann".into(),
        balance: 5,
        path: vec![1, 3],
    };
    assert_eq!(made, BTreeMap::from([("a".to_owned(), row)]));
}

#[test]
fn a_process_manager_reacts_on_the_state_as_of_the_event() {
    let issued = reactions::<Welcome>(&[
        ("account-a", opened("a", "Ann")),
        ("account-a", deposited("a", 5)),
        ("account-b", opened("b", "Bob")),
    ]);
    let gift = |account: &str, amount: i64| vec![("Deposit", json!({"account": account, "amount": amount}))];
    assert_eq!(issued, [gift("a", 10), Vec::new(), gift("b", 20)]);
}

#[test]
fn given_events_stand_in_the_log_in_the_order_given() {
    let events = recorded::<Bank>(&[("account-a", opened("a", "Ann")), ("account-b", opened("b", "Bob"))]);
    assert_eq!(events[1].previous_id, events[0].id);
    assert_eq!((events[1].position.get(), events[1].version.get()), (2, 1));
}
