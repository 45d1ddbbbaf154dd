//! Which source is taken, and what is said if none is.

use std::cell::RefCell;

use anyhow::Result;

use super::{Machine, Need, Packages, Source, find};
use crate::address::Address;
use crate::cli::Finding;
use crate::probe::Fault;

const MAY_INSTALL: Finding = Finding { no_install: false };

/// A machine of paper, which notes what it was asked.
struct Paper {
    variable: Option<&'static str>,
    answers: bool,
    compose: bool,
    packages: Packages,
    asked: RefCell<Vec<&'static str>>,
}

impl Default for Paper {
    fn default() -> Self {
        let packages = Packages::Unusable("this is no Debian".to_owned());
        Self {
            variable: None,
            answers: false,
            compose: false,
            packages,
            asked: RefCell::default(),
        }
    }
}

impl Machine for Paper {
    fn variable(&self, _: &str) -> Result<Option<String>> {
        Ok(self.variable.map(str::to_owned))
    }

    fn probe(&self, _: Need, _: &Address) -> Result<(), Fault> {
        self.asked.borrow_mut().push("probe");
        if self.answers {
            Ok(())
        } else {
            Err(Fault::Refused("go away".to_owned()))
        }
    }

    fn compose(&self) -> Result<(), String> {
        self.asked.borrow_mut().push("compose");
        if self.compose {
            Ok(())
        } else {
            Err("no engine".to_owned())
        }
    }

    fn packages(&self, _: Need) -> Packages {
        self.asked.borrow_mut().push("packages");
        self.packages.clone()
    }
}

fn error(need: Need, finding: Finding, machine: &Paper) -> String {
    match find(need, finding, machine) {
        Ok(_) => panic!("a server was found"),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn a_given_url_comes_first() {
    let url = "postgres://me:secret@db.example/mine";
    let machine = Paper {
        variable: Some(url),
        answers: true,
        compose: true,
        packages: Packages::Installed,
        ..Paper::default()
    };
    let source = find(Need::Postgres, MAY_INSTALL, &machine).unwrap();
    assert!(source == Source::Given(Address::parse(url).unwrap()));
    assert_eq!(*machine.asked.borrow(), ["probe"]);
}

#[test]
fn a_given_url_that_does_not_work_is_an_error_and_nothing_else_is_tried() {
    let machine = Paper {
        variable: Some("postgres://me:secret@db.example/mine"),
        compose: true,
        packages: Packages::Installed,
        ..Paper::default()
    };
    let error = error(Need::Postgres, MAY_INSTALL, &machine);
    for part in [
        "DATABASE_URL",
        "postgres://me:***@db.example/mine",
        "go away",
        "unset it",
    ] {
        assert!(error.contains(part), "{part:?} is missing in {error}");
    }
    assert!(!error.contains("secret"), "{error}");
    assert_eq!(*machine.asked.borrow(), ["probe"]);
}

#[test]
fn a_url_of_the_wrong_kind_is_named() {
    let machine = Paper {
        variable: Some("postgres://me@h/x"),
        answers: true,
        ..Paper::default()
    };
    let said = error(Need::RabbitMq, MAY_INSTALL, &machine);
    assert!(said.contains("AMQP_URL") && said.contains("amqp://"), "{said}");
    let machine = Paper {
        variable: Some("secret-nonsense"),
        ..Paper::default()
    };
    let said = error(Need::RabbitMq, MAY_INSTALL, &machine);
    assert!(said.contains("AMQP_URL") && !said.contains("secret-nonsense"), "{said}");
}

#[test]
fn a_listening_server_comes_before_docker() {
    let machine = Paper {
        answers: true,
        compose: true,
        ..Paper::default()
    };
    let source = find(Need::RabbitMq, MAY_INSTALL, &machine).unwrap();
    assert!(source == Source::Listening(Address::parse("amqp://guest:guest@127.0.0.1:5672/%2f").unwrap()));
    assert_eq!(*machine.asked.borrow(), ["probe"]);
}

#[test]
fn docker_comes_before_packages() {
    let machine = Paper {
        compose: true,
        packages: Packages::Installed,
        ..Paper::default()
    };
    assert!(find(Need::Postgres, MAY_INSTALL, &machine).unwrap() == Source::Compose);
    assert_eq!(*machine.asked.borrow(), ["probe", "compose"]);
}

#[test]
fn packages_come_last_and_are_installed_only_if_that_is_allowed() {
    let installed = Paper {
        packages: Packages::Installed,
        ..Paper::default()
    };
    let never = Finding { no_install: true };
    assert!(find(Need::Postgres, never, &installed).unwrap() == Source::Packages { install: false });
    let installable = Paper {
        packages: Packages::Installable,
        ..Paper::default()
    };
    assert!(find(Need::Postgres, MAY_INSTALL, &installable).unwrap() == Source::Packages { install: true });
    assert!(error(Need::Postgres, never, &installable).contains("--no-install"));
}

#[test]
fn when_nothing_fits_everything_that_was_tried_is_told_with_the_line_that_fixes_it() {
    let machine = Paper {
        packages: Packages::NeedRoot,
        ..Paper::default()
    };
    let said = error(Need::RabbitMq, MAY_INSTALL, &machine);
    let fix = "sudo apt-get update && sudo apt-get install --yes --no-install-recommends rabbitmq-server";
    for part in [
        "AMQP_URL is not set",
        "127.0.0.1:5672",
        "go away",
        "no engine",
        "sudo -n",
        fix,
    ] {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
    let said = error(Need::Postgres, MAY_INSTALL, &Paper::default());
    assert!(said.contains("this is no Debian"), "{said}");
    assert!(said.contains("export DATABASE_URL=postgres://"), "{said}");
}
