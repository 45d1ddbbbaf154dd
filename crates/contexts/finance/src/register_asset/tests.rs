use callboard::spec::Spec;

use super::RegisterAsset;
use crate::Finance;
use crate::event::samples::{amount, asset, asset_registered, balance, company, on, registered};

fn register(opening_balance: &str) -> RegisterAsset {
    RegisterAsset {
        asset: asset(7),
        sender: company(1),
        receiver: company(2),
        value: amount("100.00"),
        opening_balance: balance(opening_balance),
    }
}

fn companies(numbers: &[u128]) -> Spec<Finance> {
    let spec = Spec::new();
    numbers.iter().fold(spec, |spec, number| {
        spec.given(&on("company", *number), [registered(*number)])
    })
}

#[test]
fn an_asset_starts_with_its_opening_balance() {
    companies(&[1, 2])
        .when(register("12.50"))
        .then([asset_registered(7, "12.50")]);
}

#[test]
fn an_asset_may_start_with_nothing() {
    companies(&[1, 2])
        .when(register("0"))
        .then([asset_registered(7, "0.00")]);
}

#[test]
fn both_companies_must_be_there() {
    companies(&[2]).when(register("1")).then_refused("company-not-found");
    companies(&[1]).when(register("1")).then_refused("company-not-found");
}

#[test]
fn an_id_is_registered_once() {
    companies(&[1, 2])
        .given(&on("asset", 7), [asset_registered(7, "12.50")])
        .when(register("12.50"))
        .then_refused("asset-already-registered");
}

#[test]
fn sender_and_receiver_may_be_the_same_company() {
    let command = RegisterAsset {
        receiver: company(1),
        ..register("1")
    };
    companies(&[1]).when(command).then_types(&["AssetRegistered"]);
}
