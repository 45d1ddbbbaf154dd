//! Networks between services and servers, and what services call.

use std::time::Duration;

use callboard_rabbitmq::testing::Proxy;
use conformance::random::Dice;
use tickets::ticket_webhook::receiver::Behaviour;

use super::Fault;
use crate::patience;
use crate::world::World;

/// The network to the broker: of one process, or of all.
pub async fn broker(fault: Fault, world: &World, dice: &mut Dice) {
    let proxies = some(world, dice).into_iter().map(|(_, broker)| broker).collect();
    fail(fault, proxies, Duration::from_millis(500 + dice.below(3_500))).await;
}

/// The network to the database: of one process, or of all.
pub async fn database(fault: Fault, world: &World, dice: &mut Dice) {
    let proxies: Vec<_> = some(world, dice).into_iter().map(|(database, _)| database).collect();
    let times = if fault == Fault::LoseAnswers { 5 } else { 1 };
    for _ in 0..times {
        let longest = if fault == Fault::LoseAnswers { 60 } else { 1_500 };
        fail(fault, proxies.clone(), Duration::from_millis(5 + dice.below(longest))).await;
    }
}

/// Whoever tickets are posted to has trouble.
pub async fn receiver(world: &World, dice: &mut Dice) {
    let trouble = if dice.below(2) == 0 {
        Behaviour::Status(503)
    } else {
        Behaviour::Drop
    };
    world.receiver.always("", trouble);
    patience::pause(Duration::from_millis(200 + dice.below(1_800))).await;
    // All trouble is over, also what another one of these has begun meanwhile.
    world.receiver.recover();
}

fn some<'a>(world: &'a World, dice: &mut Dice) -> Vec<(&'a Proxy, &'a Proxy)> {
    let all = world.networks();
    match all.get(usize::try_from(dice.below(8)).unwrap_or(0)) {
        Some(one) => vec![*one],
        None => all,
    }
}

/// Ends what it began when it is dropped: a network that stays broken would be another fault.
struct Failing<'a>(Vec<&'a Proxy>);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        for proxy in &self.0 {
            proxy.thaw();
            proxy.accept();
        }
    }
}

async fn fail(fault: Fault, proxies: Vec<&Proxy>, how_long: Duration) {
    let failing = Failing(proxies);
    for proxy in &failing.0 {
        match fault {
            Fault::FreezeBroker | Fault::FreezeDatabase => proxy.freeze(),
            Fault::RefuseBroker | Fault::RefuseDatabase => proxy.refuse(),
            Fault::LoseAnswers => proxy.hold_down(),
            _ => proxy.cut(),
        }
    }
    if matches!(fault, Fault::CutBroker | Fault::CutDatabase) {
        return;
    }
    patience::pause(how_long).await;
    if fault == Fault::LoseAnswers {
        failing.0.iter().for_each(|proxy| proxy.cut());
    }
}
