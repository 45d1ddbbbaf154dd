use callboard::spec::Spec;

use super::{AssetRevalued, RevalueAsset};
use crate::Finance;
use crate::event::samples::{amount, asset, asset_registered, on};

fn revalue(value: &str) -> RevalueAsset {
    RevalueAsset {
        asset: asset(7),
        value: amount(value),
    }
}

fn revalued(value: &str) -> AssetRevalued {
    AssetRevalued {
        asset: asset(7),
        value: amount(value),
    }
}

#[test]
fn an_asset_is_worth_something_else() {
    Spec::<Finance>::new()
        .given(&on("asset", 7), [asset_registered(7, "5.00")])
        .when(revalue("120"))
        .then([revalued("120.00")]);
}

#[test]
fn the_present_value_records_nothing() {
    let spec = Spec::<Finance>::new().given(&on("asset", 7), [asset_registered(7, "5.00")]);
    spec.when(revalue("100.0")).then_nothing();
    let spec = spec.given(&on("asset", 7), [revalued("120.00")]);
    spec.when(revalue("120")).then_nothing();
    spec.when(revalue("100")).then([revalued("100.00")]);
}

#[test]
fn an_unknown_asset_has_no_value() {
    Spec::<Finance>::new()
        .when(revalue("120"))
        .then_refused("asset-not-found");
}
