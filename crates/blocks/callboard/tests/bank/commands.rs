//! What the bank is asked to do.

use callboard::{Command, Decision, Event, Forbidden, Moment, Reads, Refusal, Route, StreamName, World};
use serde::{Deserialize, Serialize};

use super::events::{credited, debited, deposited, made, noted, opened};
use super::{Account, Bank, BankEvent, History, Made, Owners, account, transfer};

/// How many accounts one owner may have: a rule over a live model.
pub const ACCOUNTS_MAX: u64 = 3;

type Decided = Result<Decision<BankEvent>, Refusal>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenAccount {
    pub account: String,
    pub owner: String,
}

impl Command for OpenAccount {
    type Log = Bank;
    const NAME: &'static str = "OpenAccount";
    const ROUTE: Route = Route {
        aggregate: "Account",
        stream: "account-{account}",
        events: BankEvent::TYPES,
        refusals: &["account-open", "too-many-accounts"],
    };

    fn stream(&self) -> StreamName {
        account(&self.account)
    }

    fn reads(&self) -> Reads<Bank> {
        Reads::of::<Account>(self.stream()).model::<Owners>()
    }

    fn decide(&self, world: &World<'_, Bank>, at: &Moment) -> Decided {
        if world.aggregate::<Account>(&self.stream()).owner.is_some() {
            return Err(Refusal::rule("account-open", "The account is open already."));
        }
        let accounts = world.model::<Owners>().accounts.get(&self.owner).copied().unwrap_or(0);
        if accounts >= ACCOUNTS_MAX {
            return Err(Refusal::rule(
                "too-many-accounts",
                format!("{} has {accounts} accounts.", self.owner),
            ));
        }
        Ok(Decision::event(opened(&self.account, &self.owner)).created(at.new_id()))
    }
}

/// A deposit of 0 records nothing. Guests may not deposit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deposit {
    pub account: String,
    pub amount: i64,
}

impl Command for Deposit {
    type Log = Bank;
    const NAME: &'static str = "Deposit";
    const ROUTE: Route = Route {
        aggregate: "Account",
        stream: "account-{account}",
        events: BankEvent::TYPES,
        refusals: &["no-account"],
    };

    fn stream(&self) -> StreamName {
        account(&self.account)
    }

    fn reads(&self) -> Reads<Bank> {
        Reads::of::<Account>(self.stream())
    }

    fn authorize(&self, _: &World<'_, Bank>, at: &Moment) -> Result<(), Forbidden> {
        if at.actor.roles.iter().any(|role| &**role == "guest") {
            return Err(Forbidden::because("guests may not deposit"));
        }
        Ok(())
    }

    fn decide(&self, world: &World<'_, Bank>, _: &Moment) -> Decided {
        if world.aggregate::<Account>(&self.stream()).owner.is_none() {
            return Err(Refusal::not_found(
                "no-account",
                format!("There is no account {}.", self.account),
            ));
        }
        if self.amount == 0 {
            return Ok(Decision::nothing());
        }
        Ok(Decision::event(deposited(&self.account, self.amount)))
    }
}

/// Three streams in one append.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    pub number: u32,
    pub from: String,
    pub to: String,
    pub amount: i64,
}

impl Command for Transfer {
    type Log = Bank;
    const NAME: &'static str = "Transfer";
    const ROUTE: Route = Route {
        aggregate: "Made",
        stream: "transfer-{number}",
        events: BankEvent::TYPES,
        refusals: &["transfer-made", "no-account", "insufficient-funds"],
    };

    fn stream(&self) -> StreamName {
        transfer(self.number)
    }

    fn reads(&self) -> Reads<Bank> {
        Reads::of::<Made>(self.stream()).and_all::<Account>([account(&self.from), account(&self.to)])
    }

    fn decide(&self, world: &World<'_, Bank>, _: &Moment) -> Decided {
        if world.aggregate::<Made>(&self.stream()).amount.is_some() {
            return Err(Refusal::rule("transfer-made", "The transfer was made already."));
        }
        let (from, to) = (account(&self.from), account(&self.to));
        if world.aggregate::<Account>(&from).owner.is_none() || world.aggregate::<Account>(&to).owner.is_none() {
            return Err(Refusal::not_found("no-account", "There is no such account."));
        }
        let available = world.aggregate::<Account>(&from).balance;
        if available < self.amount {
            return Err(Refusal::rule("insufficient-funds", format!("{available} available.")));
        }
        Ok(Decision::event(made(&self.from, &self.to, self.amount))
            .and_on(from, debited(&self.from, self.amount))
            .and_on(to, credited(&self.to, self.amount)))
    }
}

/// Writes a text on an account, as often as asked; some texts make trouble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub account: String,
    pub text: String,
    pub copies: usize,
}

impl Note {
    pub fn once(account: &str, text: impl Into<String>) -> Self {
        Self {
            account: account.into(),
            text: text.into(),
            copies: 1,
        }
    }
}

impl Command for Note {
    type Log = Bank;
    const NAME: &'static str = "Note";
    const ROUTE: Route = Route {
        aggregate: "Account",
        stream: "account-{account}",
        events: BankEvent::TYPES,
        refusals: &[],
    };

    fn stream(&self) -> StreamName {
        account(&self.account)
    }

    fn reads(&self) -> Reads<Bank> {
        assert_ne!(self.text, "reads panics", "reads panics");
        Reads::of::<Account>(self.stream())
    }

    fn decide(&self, _: &World<'_, Bank>, _: &Moment) -> Decided {
        assert_ne!(self.text, "decide panics", "decide panics");
        Ok((0..self.copies).fold(Decision::nothing(), |decision, _| {
            decision.and(noted(&self.account, &self.text))
        }))
    }
}

/// Says what it sees, as a refusal: the account as two aggregates, and the live model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    pub account: String,
}

impl Command for Audit {
    type Log = Bank;
    const NAME: &'static str = "Audit";
    const ROUTE: Route = Route {
        aggregate: "Account",
        stream: "account-{account}",
        events: BankEvent::TYPES,
        refusals: &["audit"],
    };

    fn stream(&self) -> StreamName {
        account(&self.account)
    }

    fn reads(&self) -> Reads<Bank> {
        Reads::of::<Account>(self.stream())
            .and::<History>(self.stream())
            .model::<Owners>()
    }

    fn decide(&self, world: &World<'_, Bank>, _: &Moment) -> Decided {
        let stream = self.stream();
        let detail = format!(
            "balance {} events {} version {} deposited {}",
            world.aggregate::<Account>(&stream).balance,
            world.aggregate::<History>(&stream).events,
            world.version(&stream),
            world.model::<Owners>().deposited,
        );
        Err(Refusal::rule("audit", detail))
    }
}

/// Does what it didn't declare: `touch` looks at another account, `version` at its version,
/// `model` at the live model, `type` at its own account as something else, `write` writes on another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meddle {
    pub account: String,
    pub other: String,
    pub how: String,
}

impl Command for Meddle {
    type Log = Bank;
    const NAME: &'static str = "Meddle";
    const ROUTE: Route = Route {
        aggregate: "Account",
        stream: "account-{account}",
        events: BankEvent::TYPES,
        refusals: &[],
    };

    fn stream(&self) -> StreamName {
        account(&self.account)
    }

    fn reads(&self) -> Reads<Bank> {
        Reads::of::<Account>(self.stream())
    }

    fn decide(&self, world: &World<'_, Bank>, _: &Moment) -> Decided {
        let other = account(&self.other);
        match &*self.how {
            "touch" => world.aggregate::<Account>(&other).balance,
            "version" => world.version(&other).get() as i64,
            "model" => world.model::<Owners>().deposited,
            "type" => world.aggregate::<History>(&self.stream()).events as i64,
            _ => 0,
        };
        Ok(Decision::event(noted(&self.account, "mine")).and_on(other, noted(&self.other, "not mine")))
    }
}
