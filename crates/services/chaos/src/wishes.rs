//! What clients want: mostly something of the warehouse, now and then of tickets and of finance. What a
//! client wants depends on the seed alone.

use conformance::random::Dice;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ledger::Command;
use crate::world::LOG;

/// So few that quantities are low again and again, and commands wait for each other's products.
const PRODUCTS: u64 = 40;
/// So few tickets at once that clients meet on them; each client goes on to new ones after a while.
const TICKETS: u64 = 10;
const TICKETS_FOR: u64 = 100;
/// So many companies, each with an asset, an account and a product that is late from the first date on.
const COMPANIES: u64 = 4;
/// The client that makes them.
const FOUNDER: u64 = 0;

/// A client's next command.
pub fn command(client: u64, number: u64, dice: &mut Dice) -> Command {
    let wish = match dice.below(8) {
        _ if client == FOUNDER && number < FOUNDATION => foundation(number),
        0 => ticket(number, dice),
        1 => finance(client, number, dice),
        _ => product(dice),
    };
    wish.of(format!("client-{client}-{number}"), client, number)
}

/// A command of the warehouse of which each projector must show the outcome.
pub fn marker(client: u64, number: u64, replica: u64) -> Command {
    let wish = increase(&format!("marker-{number}"), 1);
    wish.of(format!("marker-{number}-{replica}"), client, 0)
}

/// A command that nobody sends yet.
struct Wish {
    log: &'static str,
    path: String,
    body: Value,
    about: String,
    makes: &'static str,
}

impl Wish {
    fn of(self, key: String, client: u64, number: u64) -> Command {
        Command {
            key,
            client,
            number,
            log: self.log,
            path: self.path,
            body: self.body,
            about: self.about,
            makes: self.makes,
        }
    }
}

fn product(dice: &mut Dice) -> Wish {
    let (more, sku) = (dice.below(5) < 2, format!("product-{}", dice.below(PRODUCTS)));
    let quantity = 1 + dice.below(9);
    if more {
        increase(&sku, quantity)
    } else {
        ship(&sku, quantity)
    }
}

fn increase(sku: &str, quantity: u64) -> Wish {
    moved(sku, "increase_quantity", quantity, "ProductQuantityIncreased")
}

fn ship(sku: &str, quantity: u64) -> Wish {
    moved(sku, "ship_quantity", quantity, "ProductQuantityShipped")
}

fn moved(sku: &str, verb: &str, quantity: u64, makes: &'static str) -> Wish {
    Wish {
        log: LOG,
        path: format!("/warehouse/products/{sku}/{verb}"),
        body: json!({ "quantity": quantity }),
        about: sku.to_owned(),
        makes,
    }
}

fn ticket(number: u64, dice: &mut Dice) -> Wish {
    let id = id(1, number / TICKETS_FOR * TICKETS + dice.below(TICKETS));
    let text = format!("No light in hall {}", dice.below(1_000));
    let (verb, body, makes) = match dice.below(10) {
        0..3 => {
            let body = json!({ "id": id, "title": text, "description": "Since this morning." });
            return made("tickets", "tickets", body, "TicketAdded");
        }
        3 => ("retitle_ticket", json!({ "title": text }), "TicketRetitled"),
        4..7 => (
            "assign_ticket",
            json!({ "assignee": format!("agent-{}", dice.below(5)) }),
            "TicketAssigned",
        ),
        7 | 8 => ("close_ticket", json!({ "resolution": text }), "TicketClosed"),
        _ => ("reopen_ticket", json!({}), "TicketReopened"),
    };
    done("tickets", "tickets", &id, verb, body, makes)
}

/// The founder's commands: each company with what it needs to be granted something, and to be late.
const FOUNDATION: u64 = 5 * COMPANIES;

fn foundation(number: u64) -> Wish {
    let of = number % COMPANIES;
    let company = company(of);
    match number / COMPANIES {
        0 => made(
            "finance",
            "companies",
            json!({ "id": company, "name": "Acme" }),
            "CompanyRegistered",
        ),
        1 => {
            let body = json!({
                "id": asset(of), "sender": company, "receiver": company, "value": "100.00", "opening_balance": "50.00",
            });
            made("finance", "assets", body, "AssetRegistered")
        }
        2 => {
            let body = json!({
                "id": id(5, of), "amount": "1000.00", "due_date": "2026-01-31", "daily_late_fee_rate": "0.001",
                "payer_role": "seller", "companies": [{ "company": company, "role": "seller" }], "asset": asset(of),
            });
            made("finance", "products", body, "ProductIssued")
        }
        3 => made(
            "finance",
            "accounts",
            json!({ "id": account(of), "company": company }),
            "FundingAccountOpened",
        ),
        _ => deposit(of, "500.00".into()),
    }
}

fn finance(client: u64, number: u64, dice: &mut Dice) -> Wish {
    let (of, amount) = (dice.below(COMPANIES), format!("{}.00", 1 + dice.below(20)));
    match dice.below(10) {
        0..3 => deposit(of, amount),
        3..5 => {
            let grant = id(6, (client << 32) | number);
            let to = dice.below(COMPANIES);
            let body = json!({
                "id": grant, "sources": [{ "asset": asset(of) }, { "company": company(of) }],
                "destinations": [{ "company": company(to), "account": account(to), "amount": amount }],
            });
            made("finance", "grants", body, "BalancesGranted")
        }
        5 => {
            let body = json!({ "value": format!("{}.00", 100 + dice.below(100)) });
            done("finance", "assets", &asset(of), "revalue_asset", body, "AssetRevalued")
        }
        6 => {
            let body = json!({ "amount": amount });
            done(
                "finance",
                "products",
                &id(5, of),
                "record_payment",
                body,
                "PaymentRecorded",
            )
        }
        verb => deal(verb, client, number, dice),
    }
}

/// Deals of which one at the most may be a company's membership.
fn deal(verb: u64, client: u64, number: u64, dice: &mut Dice) -> Wish {
    if verb == 7 {
        let body = json!({
            "id": id(7, (client << 32) | number), "product_line": 4 + dice.below(2),
            "companies": [company(dice.below(COMPANIES))], "rating_tier": "A",
        });
        return made("finance", "deals", body, "DealCreated");
    }
    // One that this client has perhaps created.
    let deal = id(7, (client << 32) | number.saturating_sub(1 + dice.below(40)));
    if verb == 8 {
        return done("finance", "deals", &deal, "activate_deal", json!({}), "DealActivated");
    }
    done("finance", "deals", &deal, "delete_deal", json!({}), "DealDeleted")
}

fn deposit(of: u64, amount: String) -> Wish {
    let body = json!({ "amount": amount });
    done(
        "finance",
        "companies",
        &company(of),
        "deposit_to_company",
        body,
        "DepositedToCompany",
    )
}

fn company(number: u64) -> String {
    id(2, number)
}

fn asset(number: u64) -> String {
    id(3, number)
}

fn account(number: u64) -> String {
    id(4, number)
}

fn id(kind: u64, number: u64) -> String {
    Uuid::from_u64_pair(kind, number).to_string()
}

/// A creation, whose body has the id.
fn made(log: &'static str, things: &str, body: Value, makes: &'static str) -> Wish {
    Wish {
        log,
        path: format!("/{log}/{things}"),
        about: body["id"].as_str().unwrap_or_default().to_owned(),
        body,
        makes,
    }
}

fn done(log: &'static str, things: &str, id: &str, verb: &str, body: Value, makes: &'static str) -> Wish {
    Wish {
        log,
        path: format!("/{log}/{things}/{id}/{verb}"),
        body,
        about: id.to_owned(),
        makes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wished(seed: u64) -> Vec<Command> {
        let commands = (0..8).flat_map(|client| (0..200).map(move |number| (client, number)));
        let command = |(client, number)| command(client, number, &mut Dice::new(seed ^ (client << 40) ^ number));
        commands.map(command).collect()
    }

    #[test]
    fn most_of_the_load_is_on_the_warehouse_and_there_is_some_on_every_log() {
        let wished = wished(1);
        let of = |log: &str| wished.iter().filter(|command| command.log == log).count();
        assert_eq!(wished.len(), of("warehouse") + of("tickets") + of("finance"));
        assert!(of("warehouse") * 10 > wished.len() * 7, "{}", of("warehouse"));
        assert!(of("tickets") * 12 > wished.len() && of("finance") * 12 > wished.len());
    }

    #[test]
    fn the_same_seed_wishes_for_the_same() {
        assert_eq!(wished(7), wished(7));
        assert_ne!(wished(7), wished(8));
    }
}
