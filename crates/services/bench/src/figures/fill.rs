//! Logs that no service has written.

use anyhow::Result;

use crate::service::Deployment;

const FILL: &str = "
    insert into callboard.events (log, position, stream, version, id, type, schema_version, data, metadata, recorded_at)
    select 'warehouse', n, 'product-NAME-' || n % PRODUCTS, (n - 1) / PRODUCTS + 1, gen_random_uuid(),
           'ProductQuantityIncreased', 1,
           json_build_object('sku', 'NAME-' || n % PRODUCTS, 'quantity', 1, 'quantity_on_hand', (n - 1) / PRODUCTS + 1),
           '{}', now()
    from generate_series(1, COUNT) n";

/// A deployment with so many events over so many products, `<name>-0` and so on, in turns.
pub(super) async fn filled(events: u64, products: u64, name: &str) -> Result<Deployment> {
    eprintln!("filling a log with {events} events over {products} products");
    let deployment = Deployment::new().await?;
    let fill = FILL
        .replace("COUNT", &events.to_string())
        .replace("PRODUCTS", &products.to_string())
        .replace("NAME", name);
    deployment.database.execute(&fill).await;
    // All of it is published, or a relay would do so for minutes beside what is measured.
    let published = format!("insert into callboard.relays (log, published) values ('warehouse', {events})");
    deployment.database.execute(&published).await;
    // Not in a transaction, as several statements would be.
    deployment.database.execute("vacuum analyze callboard.events").await;
    Ok(deployment)
}
