//! A set of dates, mostly in unbroken runs.

use jiff::civil::Date;

/// Dates, kept as the first and last of each run: a product that is late for years has one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Dates(Vec<(Date, Date)>);

impl Dates {
    /// Whether it holds this date.
    pub(crate) fn contains(&self, date: Date) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&date))
    }

    /// Puts in a date.
    pub(crate) fn insert(&mut self, date: Date) {
        if self.contains(date) {
            return;
        }
        let before = date.yesterday().ok();
        let after = date.tomorrow().ok();
        let ends = self.0.iter().position(|(_, last)| Some(*last) == before);
        let begins = self.0.iter().position(|(first, _)| Some(*first) == after);
        match (ends, begins) {
            (Some(ends), Some(begins)) => {
                self.0[ends].1 = self.0[begins].1;
                self.0.swap_remove(begins);
            }
            (Some(ends), None) => self.0[ends].1 = date,
            (None, Some(begins)) => self.0[begins].0 = date,
            (None, None) => self.0.push((date, date)),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::Dates;

    #[test]
    fn dates_in_any_order_are_held_and_make_one_run() {
        let mut dates = Dates::default();
        for day in [5, 7, 6, 1, 3, 4, 2, 6] {
            assert_eq!(
                dates.contains(date(2026, 3, day)),
                day == 6 && dates.contains(date(2026, 3, 2))
            );
            dates.insert(date(2026, 3, day));
        }
        assert_eq!(dates, Dates(vec![(date(2026, 3, 1), date(2026, 3, 7))]));
        assert!(!dates.contains(date(2026, 3, 8)) && !dates.contains(date(2026, 2, 28)));
        dates.insert(date(2026, 3, 9));
        assert!(dates.contains(date(2026, 3, 9)) && !dates.contains(date(2026, 3, 8)));
    }
}
