//! House rules that only a look at the sources can hold.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

/// A longer file is hard to hold in mind; one that must be says why, in a comment that begins with `Long because`.
const LONGEST: usize = 400;

fn sources(extension: &str) -> Vec<(String, String)> {
    let files = support::files("crates")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|found| found == extension));
    let named = files.map(|path| path.to_str().expect("a path of ours is UTF-8").to_owned());
    let sources: Vec<_> = named
        .map(|path| (support::read(&path), path))
        .map(|(text, path)| (path, text))
        .collect();
    assert!(!sources.is_empty(), "no *.{extension} found");
    sources
}

/// Test files and what they share.
fn is_for_tests(path: &str) -> bool {
    let shared = |part: &str| {
        matches!(
            part,
            "tests" | "tests.rs" | "testing" | "testing.rs" | "benches" | "examples"
        )
    };
    path.split('/').any(shared)
}

/// Where helpers that poll with a deadline may live.
fn is_helper(path: &str) -> bool {
    let helper = |part: &str| {
        matches!(
            part,
            "support" | "common" | "testing" | "testing.rs" | "support.rs" | "common.rs"
        )
    };
    path.split('/').any(helper)
}

/// The file with the lines left empty that are not there for tests only.
fn tests_in(path: &str, text: &str) -> String {
    let mut inside = is_for_tests(path);
    let mut kept = String::new();
    for line in text.lines() {
        inside |= line == "#[cfg(test)]";
        if inside {
            kept.push_str(line);
        }
        kept.push('\n');
        // The item that the attribute stands on ends with its closing brace, or is a module in a file of its own.
        let ends = line == "}" || (line.starts_with("mod ") && line.ends_with(';'));
        inside &= !ends || is_for_tests(path);
    }
    kept
}

/// The numbered lines of code that hold one of the patterns; comments don't count.
fn hits<'a>(text: &'a str, patterns: &'a [&str]) -> impl Iterator<Item = (usize, &'a str)> {
    let code = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.filter(|(_, line)| patterns.iter().any(|pattern| line.contains(pattern)))
        .map(|(number, line)| (number + 1, line.trim()))
}

#[test]
fn only_services_read_the_environment() {
    const READS: [&str; 5] = ["env::var(", "env::var_os(", "env::vars", "dotenvy::", "option_env!("];
    let mut seen_in_services = false;
    for (path, text) in sources("rs") {
        let may = ["crates/services/", "crates/xtask/"]
            .iter()
            .any(|floor| path.starts_with(floor));
        for (number, line) in hits(&text, &READS) {
            seen_in_services |= may;
            assert!(
                may || is_for_tests(&path),
                "{path}:{number} reads the environment: {line}"
            );
        }
        for (number, line) in hits(&text, &["env!("]) {
            let of_cargo = line.contains("env!(\"CARGO_") || line.contains("option_env!(");
            assert!(of_cargo || may, "{path}:{number} builds in the environment: {line}");
        }
    }
    assert!(
        seen_in_services,
        "nobody reads the environment: this test looks for the wrong thing"
    );
}

#[test]
fn tests_never_sleep() {
    const SLEEPS: [&str; 3] = ["thread::sleep(", "time::sleep(", "sleep_until("];
    // Where the clock is paused, such a sleep moves the clock and takes no time.
    const REAL_SLEEPS: [&str; 1] = ["thread::sleep("];
    let mut slept = Vec::new();
    for (path, text) in sources("rs") {
        let tests = tests_in(&path, &text);
        let sleeps: &[&str] = if tests.contains("start_paused = true") {
            &REAL_SLEEPS
        } else {
            &SLEEPS
        };
        // This file names what it looks for.
        if !is_helper(&path) && !path.ends_with("xtask/tests/sources.rs") {
            slept.extend(hits(&tests, sleeps).map(|(number, line)| format!("{path}:{number}: {line}")));
        }
    }
    assert!(
        slept.is_empty(),
        "step it, await a signal, or poll with a deadline in a shared helper:\n{}",
        slept.join("\n")
    );
}

#[test]
fn files_are_short_or_say_why_not() {
    let mut long = Vec::new();
    for folder in ["crates", "migrations", "deploy"] {
        for path in support::files(folder) {
            let is_text = |extension: &str| ["rs", "sql", "sh", "toml", "yml"].contains(&extension);
            if path
                .extension()
                .and_then(|extension| extension.to_str())
                .is_some_and(is_text)
            {
                let path = path.to_str().expect("a path of ours is UTF-8");
                let text = support::read(path);
                let lines = text.lines().count();
                if lines >= LONGEST && !text.contains("Long because") {
                    long.push(format!("{path}: {lines} lines"));
                }
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_top_folder_holds_what_it_should_and_nothing_else() {
    let allowed = BTreeSet::from([
        "Cargo.lock",
        "Cargo.toml",
        "README.md",
        "clippy.toml",
        "crates",
        "deploy",
        "docker-compose.yml",
        "migrations",
        "rustfmt.toml",
        // Where cargo builds, unless told otherwise.
        "target",
    ]);
    let entries = std::fs::read_dir(support::root()).expect("the checkout");
    for entry in entries {
        let name = entry.expect("an entry of the checkout").file_name();
        let name = name.to_str().expect("a name of ours is UTF-8");
        assert!(
            name.starts_with('.') || allowed.contains(name),
            "{name} does not belong into the top folder"
        );
    }
}

#[test]
fn every_crate_says_what_it_is_for() {
    for manifest in support::files("crates")
        .iter()
        .filter(|path| path.ends_with("Cargo.toml"))
    {
        let folder = manifest.parent().expect("a manifest lies in a folder");
        let roots = ["src/lib.rs", "src/main.rs"].map(|file| folder.join(file));
        let root = roots
            .iter()
            .find(|file| support::root().join(file).exists())
            .expect("a crate has a root");
        let text = support::read(root.to_str().expect("a path of ours is UTF-8"));
        let says = text.starts_with("//!") || text.starts_with("#![doc = include_str!(");
        assert!(says, "{} has no crate doc", Path::new(root).display());
    }
}

#[test]
fn the_part_for_tests_is_found() {
    let inline = "fn a() {}\n#[cfg(test)]\nmod tests {\n    x();\n}\nfn b() {}";
    assert_eq!(
        tests_in("crates/a/src/lib.rs", inline),
        "\n#[cfg(test)]\nmod tests {\n    x();\n}\n\n"
    );
    let elsewhere = "#[cfg(test)]\nmod tests;\nfn b() {}";
    assert_eq!(
        tests_in("crates/a/src/lib.rs", elsewhere),
        "#[cfg(test)]\nmod tests;\n\n"
    );
    assert_eq!(tests_in("crates/a/tests/x.rs", "fn a() {\n}\nb"), "fn a() {\n}\nb\n");
    assert!(is_helper("crates/a/tests/support/mod.rs") && !is_helper("crates/a/tests/support_x.rs"));
    let text = "// thread::sleep(\nlet a = 1;\nthread::sleep(a);";
    assert_eq!(
        hits(text, &["thread::sleep("]).collect::<Vec<_>>(),
        [(3, "thread::sleep(a);")]
    );
}

/// Who may ask this host's clock, and for what. Order, leases and deadlines of the log never come from it: a host whose
/// clock is an hour wrong must change nothing but what it says.
const MAY_ASK_THE_CLOCK: [(&str, &str); 5] = [
    (
        "crates/blocks/callboard/src/writer/settle.rs",
        "the moment that a decision is given",
    ),
    (
        "crates/blocks/callboard/src/memory/log.rs",
        "stands for the database's clock",
    ),
    (
        "crates/blocks/callboard/src/memory/projection.rs",
        "stands for the database's clock",
    ),
    (
        "crates/blocks/callboard-postgres/src/inspect.rs",
        "compares it with the database's",
    ),
    ("crates/services/kit/src/embedded.rs", "stands for the database's clock"),
];

#[test]
fn nothing_but_a_decisions_moment_comes_from_this_hosts_clock() {
    let product = sources("rs").into_iter().filter(|(path, _)| {
        let ours = ["crates/blocks/", "crates/contexts/", "crates/services/kit/"];
        ours.iter().any(|folder| path.starts_with(folder)) && !is_for_tests(path)
    });
    let mut asking = BTreeSet::new();
    for (path, text) in product {
        let tests = tests_in(&path, &text);
        let asks = |(line, test): (&str, &str)| test.is_empty() && CLOCKS.iter().any(|clock| line.contains(clock));
        if text.lines().zip(tests.lines()).any(asks) {
            asking.insert(path);
        }
    }
    let may: BTreeSet<String> = MAY_ASK_THE_CLOCK.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(asking, may);
}

const CLOCKS: [&str; 4] = ["Timestamp::now", "SystemTime::now", "Zoned::now", "UNIX_EPOCH.elapsed"];
