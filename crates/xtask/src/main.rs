//! `cargo xtask`: the commands that a newcomer and the continuous integration share.
//!
//! ```text
//! cargo xtask up         the real pair, with PostgreSQL and RabbitMQ brought up if need be
//! cargo xtask down       end what `up`, `test` or `services` left running, and only that
//! cargo xtask test       all tests, with PostgreSQL and RabbitMQ brought up if need be
//! cargo xtask services   just the two servers, with empty data, until Ctrl-C
//! cargo xtask node       a server for tests that break it, which say on stdin how
//! cargo xtask chaos      faults into the real pair under load: is anything lost, doubled or out of order?
//! cargo xtask bench      how fast the real binaries are, beside what does the same without Callboard
//! cargo xtask check      formatting, lints and documentation
//! ```
//!
//! `up`, `test` and `services` find each of the two servers on its own, and take the first of:
//!
//! 1. the URL in the environment (`DATABASE_URL`, `AMQP_URL`, or the `_FILE` form of either);
//! 2. a server that listens on loopback at its default port and lets the default login in;
//! 3. a Docker engine with compose: the `postgres` and `rabbitmq` services of `docker-compose.yml`, in a project of their own;
//! 4. Debian packages: installed if need be (and said), started on free ports with data folders of their own.
//!
//! Data that was there before is never touched: tests make their own databases and prefixes, and servers that are started
//! here keep their data in `.callboard/` (`up`) or in a folder that is removed at the end (`test`, `services`, `chaos`).
//!
//! `chaos` prefers servers of its own, because it kills them, too; it takes them from Debian packages that are installed, and
//! finds others as above only where there are none, or where the environment names some.
//!
//! What this crate does not promise: it is for development machines with a Unix; a deployment uses `docker-compose.yml`
//! or the binaries themselves. It depends on few crates, so that it is built in seconds.

mod address;
mod bench;
mod chaos;
mod check;
mod cli;
mod compose;
mod debian;
mod env_file;
mod find;
mod machine;
mod node;
mod pair;
mod probe;
mod process;
mod run;
mod servers;
mod services;
mod signals;
mod test;
mod up;
mod workspace;

fn main() -> std::process::ExitCode {
    cli::main()
}
