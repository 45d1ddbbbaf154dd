//! A product that can't bear a late fee is skipped, and whoever reads the log learns which one and why.

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use callboard::memory::MemoryProcessManagerStore;
use callboard::process_manager::{Dispatcher, ProcessManagerSubscriber};
use callboard::subscription::{Lock, Runner};
use callboard::writer::AnyCommand;
use callboard::{CommandContext, Context, ProcessManager, Recorded};
use finance::cycle_system::CycleSystem;
use finance::factory::Factory;
use finance::late_fees::LateFees;
use finance::{Finance, FinanceEvent};
use jiff::civil::date;
use support::{Books, block_on};
use tokio::sync::Notify;

/// What is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn with(&self, text: &str) -> Vec<String> {
        let bytes = self.0.lock().expect("no panic").clone();
        let all = String::from_utf8(bytes).expect("text");
        all.lines()
            .filter(|line| line.contains(text))
            .map(str::to_owned)
            .collect()
    }
}

/// A product without an asset, and one with an asset that nobody has registered; late from 2027 on.
async fn issue(books: &Books) -> [String; 2] {
    let mut factory = Factory::new(1);
    let company = factory.register_company();
    let (without, unknown) = (None, Some(factory.id()));
    let products = [without, unknown].map(|asset| factory.issue_product(&[company.company], asset, None));
    let ids = products.each_ref().map(|product| product.product.to_string());
    let mut commands: Vec<Box<dyn AnyCommand<Finance>>> = vec![Box::new(company)];
    commands.extend(products.map(|product| Box::new(product) as Box<dyn AnyCommand<Finance>>));
    let mut commands = commands.into_iter();
    let (done, _) = books.execute(3, || commands.next().expect("three")).await;
    assert_eq!(done, 3);
    ids
}

#[test]
fn a_product_that_bears_no_late_fee_is_named_in_a_warning() {
    block_on(skipped());
}

async fn skipped() {
    let lines = Lines::default();
    let writer = lines.clone();
    let logging = tracing_subscriber::fmt().with_ansi(false);
    let logging = logging.with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(logging);
    let (books, store, wake) = (Books::new(), MemoryProcessManagerStore::new(), Arc::new(Notify::new()));
    let manager = ProcessManagerSubscriber::<LateFees, _, _>::new(store.clone(), books.log.clone(), wake.clone());
    let mut manager = Runner::new(manager, books.log.clone());
    manager.start().await.expect("it starts");
    let products = issue(&books).await;
    let cycle = CycleSystem {
        new_date: date(2027, 1, 1),
    };
    let cycled = books.commands.execute(cycle, CommandContext::default()).await;
    cycled.expect("a new date");
    manager.catch_up(Lock::Wait).await.expect("it goes on");
    let dispatcher = Dispatcher::new(
        LateFees::NAME,
        store,
        Arc::new(Finance::router()),
        books.commands.clone(),
        wake,
    );
    assert_eq!(dispatcher.run_once().await.expect("answered"), 2);
    let events = books.events().await;
    let borne = |event: &Recorded<FinanceEvent>| matches!(event.event, FinanceEvent::LateFeeIncurred(_));
    assert!(!events.iter().any(borne));
    for (product, why) in products.iter().zip(["it has no asset", "there is no asset"]) {
        let named = lines.with(product);
        let [line] = &named[..] else {
            panic!("one line names {product}: {named:?}")
        };
        assert!(line.contains("WARN") && line.contains(why), "{line}");
    }
}
