//! Ten thousand products that are past due on one date, and a service that is gone half-way.

use std::time::Duration;

use callboard::spec::record;
use callboard_postgres::PgLog;
use callboard_postgres::testing::TestDatabase;
use conformance::Api;
use conformance::support::within;
use conformance::system::Ground;
use finance::amount::Balance;
use finance::cycle_system::SystemCycled;
use finance::ids::{AssetId, CompanyId, ProductId};
use finance::issue_product::ProductIssued;
use finance::product::{Parties, Party, Terms};
use finance::register_asset::AssetRegistered;
use finance::register_company::CompanyRegistered;
use finance::revalue_asset::AssetRevalued;
use finance::{Finance, FinanceEvent};
use jiff::civil::{Date, date};
use uuid::Uuid;

const PRODUCTS: usize = 10_000;
/// The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

fn asset() -> AssetId {
    AssetId::from(Uuid::from_u128(2))
}

/// A company, its asset, and so many products that are due on this date.
fn products(due_date: Date, many: usize) -> Vec<(String, FinanceEvent)> {
    let company = CompanyId::from(Uuid::from_u128(1));
    let registered = CompanyRegistered {
        company,
        name: "Acme".parse().expect("a name"),
    };
    let valued = AssetRegistered {
        asset: asset(),
        sender: company,
        receiver: company,
        value: "500.00".parse().expect("an amount"),
        balance: Balance::ZERO,
    };
    let party = Party {
        company,
        role: "seller".parse().expect("a role"),
    };
    let terms = Terms {
        amount: "1000.00".parse().expect("an amount"),
        due_date,
        daily_late_fee_rate: "0.001".parse().expect("a rate"),
        payer_role: party.role.clone(),
        companies: Parties::try_from(vec![party]).expect("companies"),
        asset: Some(asset()),
        deal: None,
    };
    let issued = |_| {
        let product = ProductId::from(Uuid::new_v4());
        let terms = terms.clone();
        (format!("product-{product}"), ProductIssued { product, terms }.into())
    };
    let first = [
        (format!("company-{company}"), registered.into()),
        (format!("asset-{}", asset()), valued.into()),
    ];
    first.into_iter().chain((0..many).map(issued)).collect()
}

/// The asset is worth so much from now on.
fn revalued(value: &str) -> (String, FinanceEvent) {
    let event = AssetRevalued {
        asset: asset(),
        value: value.parse().expect("an amount"),
    };
    (format!("asset-{}", asset()), event.into())
}

async fn put(database: &TestDatabase, events: &[(String, FinanceEvent)]) {
    let log = PgLog::new::<Finance>(&database.connect());
    for part in events.chunks(5_000) {
        let part: Vec<_> = part
            .iter()
            .map(|(stream, event)| (stream.as_str(), event.clone()))
            .collect();
        record::<Finance>(&log, &part).await;
    }
}

async fn number(database: &TestDatabase, query: &str) -> usize {
    database.texts(query).await[0].parse().expect("a number")
}

const FEES: &str = "select count(*)::text from callboard.events where log = 'finance' and type = 'LateFeeIncurred'";
const PENDING: &str = "select count(*)::text from callboard.pending_commands";

#[tokio::test]
async fn each_of_ten_thousand_products_bears_one_fee_although_the_service_is_gone_half_way() {
    let ground = Ground::new().await;
    let database = &ground.database;
    let first = ground.inline().await;
    Api::new(first.http, first.http).until_ready(first.ops).await;
    first.stop().await;
    put(database, &products(date(2026, 3, 31), PRODUCTS)).await;
    ground.clock.set(date(2026, 4, 1));

    let killed = ground.inline().await;
    let fees = within(PATIENCE, "some fees are there", async || {
        let fees = number(database, FEES).await;
        (fees >= 1_000).then_some(fees)
    })
    .await;
    assert!(fees < PRODUCTS, "it is only half-way");
    drop(killed);
    assert!(number(database, PENDING).await > 0, "it was gone half-way");
    put(database, &[revalued("1.00")]).await;

    let (a, b) = tokio::join!(ground.inline(), ground.inline());
    within(PATIENCE, "every command is answered", async || {
        let (fees, pending) = (number(database, FEES).await, number(database, PENDING).await);
        (fees >= PRODUCTS && pending == 0).then_some(())
    })
    .await;
    assert_eq!(number(database, FEES).await, PRODUCTS);
    let once = "select count(distinct stream)::text from callboard.events \
        where log = 'finance' and type = 'LateFeeIncurred' and (metadata ->> 'causation_id')::uuid = ( \
            select id from callboard.events \
            where log = 'finance' and type = 'SystemCycled' and data ->> 'new_date' = '2026-04-01')";
    assert_eq!(number(database, once).await, PRODUCTS, "each is a child of that date");
    let shown = "select count(*)::text from finance.products where (fees, outstanding) = (0.5, 1000.5)";
    assert_eq!(
        number(database, shown).await,
        PRODUCTS,
        "as of that date, whatever it is worth since"
    );
    let dates = "select count(*)::text from callboard.events where log = 'finance' and type = 'SystemCycled'";
    assert_eq!(number(database, dates).await, 32, "March, and one day of April");
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_date_that_began_before_the_very_first_start_bears_no_fee() {
    let ground = Ground::new().await;
    let database = &ground.database;
    let today = date(2026, 3, 1);
    put(database, &products(date(2026, 2, 1), 3)).await;
    let cycled = SystemCycled {
        new_date: today,
        previous_date: None,
    };
    put(database, &[("calendar".into(), cycled.into())]).await;
    ground.clock.set(today);
    let service = ground.inline().await;
    Api::new(service.http, service.http).until_ready(service.ops).await;
    ground.clock.set(date(2026, 3, 2));
    // Those of the next date show that one for the date before would be there.
    let borne = "select count(*)::text from callboard.events \
        where log = 'finance' and type = 'LateFeeIncurred' and data ->> 'date' = '2026-03-02'";
    within(PATIENCE, "the next date bears fees", async || {
        (number(database, borne).await == 3).then_some(())
    })
    .await;
    assert_eq!(number(database, FEES).await, 3);
    service.stop().await;
}
