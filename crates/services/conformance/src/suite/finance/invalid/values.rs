//! Values that are none, as JSON, and a word of the rule that refuses them.

pub(super) const AMOUNT: &str = "a positive decimal as a string";
pub(super) const BALANCE: &str = "0 or a positive decimal as a string";
pub(super) const RATE: &str = "more than 0 and at most 1";
pub(super) const ID: &str = "an id is a UUID";
pub(super) const LINE: &str = "a product line is an integer from 1 to 6";
pub(super) const TIER: &str = "a rating tier is A, B, C or D";
pub(super) const DATE: &str = "a date such as \"2026-03-31\"";
pub(super) const ROLE: &str = "a role is 1 to 40 of";
pub(super) const NAME: &str = "a name has 1 to 200 characters";

/// No amounts, although balances.
pub(super) const NO_AMOUNTS: [&str; 3] = ["\"0\"", "\"0.00\"", "\"0.0000\""];

/// Neither amounts nor balances.
pub(super) const NO_BALANCES: [&str; 23] = [
    "\"-1\"",
    "\"-0.01\"",
    "\"+1\"",
    "1",
    "12.50",
    "0",
    "-1",
    "1e2",
    "\"1e2\"",
    "\"\"",
    "\" 1\"",
    "\"1,50\"",
    "\"1.\"",
    "\".5\"",
    "\"01\"",
    "\"1.00001\"",
    "\"100000000000000\"",
    "\"1234567890123456789\"",
    "\"NaN\"",
    "null",
    "true",
    "[]",
    "{\"amount\":\"1\"}",
];

pub(super) const NO_RATES: [&str; 20] = [
    "\"0\"",
    "\"0.0\"",
    "\"1.00000001\"",
    "\"1.1\"",
    "\"2\"",
    "\"-0.1\"",
    "\"+0.1\"",
    "\".1\"",
    "\"1.\"",
    "\"00.1\"",
    "\"1e-3\"",
    "\"0.000000001\"",
    "\"5%\"",
    "\"0,1\"",
    "\"\"",
    "0.5",
    "1",
    "null",
    "true",
    "[\"0.1\"]",
];

/// Where none is needed, `null` is as good as nothing.
pub(super) const NO_IDS: [&str; 10] = [
    "1",
    "12.50",
    "true",
    "\"\"",
    "\"1\"",
    "\"00000000000000000000000000000001\"",
    "\"{00000000-0000-0000-0000-000000000001}\"",
    "\"00000000-0000-0000-0000-00000000000g\"",
    "[]",
    "\"00000000-0000-0000-0000-000000000001 \"",
];

pub(super) const NO_LINES: [&str; 10] = ["0", "7", "-1", "4.0", "4e0", "\"4\"", "null", "99", "256", "260"];

pub(super) const NO_TIERS: [&str; 7] = ["\"E\"", "\"a\"", "\"\"", "\"AA\"", "1", "null", "[\"A\"]"];

pub(super) const NO_DATES: [&str; 17] = [
    "\"\"",
    "\"2026-02-29\"",
    "\"2026-04-31\"",
    "\"2026-13-01\"",
    "\"2026-3-1\"",
    "\"20260331\"",
    "\"31.03.2026\"",
    "\"2026-03-31T00:00:00Z\"",
    "\" 2026-03-31\"",
    "\"2026-W14-2\"",
    "\"2026-090\"",
    "\"2026-03-31[u-ca=hebrew]\"",
    "\"5786-01-13\\n\"",
    "\"0000-01-01\"",
    "20260331",
    "null",
    "[2026, 3, 31]",
];

pub(super) const NO_ROLES: [&str; 9] = [
    "\"\"",
    "\"Seller\"",
    "\"a b\"",
    "\"ä\"",
    "\"a\\n\"",
    "1",
    "12.50",
    "null",
    "{}",
];

pub(super) const NO_NAMES: [&str; 7] = ["\"\"", "\" \"", "\"a\\nb\"", "1", "null", "true", "[\"Acme\"]"];
