use callboard::spec::rows;

use super::{AssetRow, Assets};
use crate::event::samples::{amount, asset, asset_registered, balance, company, grant, on};
use crate::grant_balances::AssetDrawn;
use crate::revalue_asset::AssetRevalued;

#[test]
fn every_asset_is_shown_with_its_value_and_what_it_has() {
    let revalued = AssetRevalued {
        asset: asset(7),
        value: amount("80"),
    };
    let drawn = AssetDrawn {
        asset: asset(7),
        grant: grant(3),
        amount: amount("3"),
        balance: balance("2.00"),
    };
    let rows = rows::<Assets>(&[
        (&on("asset", 7), asset_registered(7, "5.00")),
        (&on("asset", 7), revalued.into()),
        (&on("asset", 7), drawn.into()),
    ]);
    let row = AssetRow {
        asset: asset(7),
        sender: company(1),
        receiver: company(2),
        value: amount("80"),
        balance: balance("2"),
    };
    assert_eq!(rows.into_values().collect::<Vec<_>>(), [row]);
}
