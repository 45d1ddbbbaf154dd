//! Clients that work at the same time.

use std::sync::Arc;
use std::time::Instant;

use futures::future::join_all;

use crate::api::Api;
use crate::history::Invocation;
use crate::model::Verb;
use crate::random::Dice;

/// What random clients do.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// How many clients, each with one request at a time.
    pub clients: u64,
    /// How many commands each sends.
    pub commands: u64,
    /// Over how many products.
    pub products: u64,
    /// One in so many has a key that others use as well; 0 for none.
    pub keys: u64,
    /// One in so many names a version; 0 for none.
    pub versions: u64,
}

/// Lets clients send random commands, each client to one service after the other, and returns
/// everything with its answer.
///
/// # Panics
/// When a connection is lost.
pub async fn run(apis: &[Api], mix: Mix, seed: u64) -> Vec<Invocation> {
    let apis: Arc<[Api]> = apis.into();
    let clients = (0..mix.clients).map(|client| {
        let apis = apis.clone();
        tokio::spawn(async move {
            let mut dice = Dice::new(seed ^ client.wrapping_mul(0x51_7c_c1_b7_27_22_0a_95));
            let mut done: Vec<Invocation> = Vec::new();
            for turn in 0..mix.commands {
                let api = &apis[usize::try_from(client + turn).expect("a small number") % apis.len()];
                let last = done
                    .last()
                    .map_or(0, |last| last.answer.body["version"].as_u64().unwrap_or(0));
                done.push(invoke(api, mix, &mut dice, last).await);
            }
            done
        })
    });
    let done = join_all(clients).await;
    done.into_iter()
        .flat_map(|client| client.expect("a client does not panic"))
        .collect()
}

async fn invoke(api: &Api, mix: Mix, dice: &mut Dice, last_version: u64) -> Invocation {
    let product = dice.below(mix.products);
    let (mut sku, mut quantity) = (format!("product-{product}"), 1 + dice.below(10).cast_signed());
    let mut verb = if dice.below(5) < 2 { Verb::Increase } else { Verb::Ship };
    let if_version = (mix.versions > 0 && dice.below(mix.versions) == 0).then_some(last_version);
    let key = (mix.keys > 0 && dice.below(mix.keys) == 0).then(|| {
        // The same key is always for the same command, of whichever client.
        let number = dice.below(40);
        (sku, verb, quantity) = (
            format!("product-{}", number % mix.products),
            Verb::Ship,
            1 + (number % 7).cast_signed(),
        );
        format!("shared-{number}")
    });
    let ask = match verb {
        Verb::Increase => api.increase(&sku, quantity),
        Verb::Ship => api.ship(&sku, quantity),
    };
    let ask = match &key {
        Some(key) => ask.key(key),
        None => ask,
    };
    let ask = match if_version {
        Some(version) => ask.if_version(version),
        None => ask,
    };
    let began = Instant::now();
    let answer = ask.send().await;
    Invocation {
        began,
        ended: Instant::now(),
        verb,
        sku,
        quantity,
        if_version,
        key,
        answer,
    }
}
