//! The table that comes of it, to be pasted.

use std::fmt;

/// A figure, taken several times.
#[derive(Debug, Clone, Default)]
pub struct Figure(pub Vec<f64>);

impl Figure {
    /// One more.
    pub fn take(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The one in the middle, or the mean of the two; 0 of none.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match (sorted.len(), sorted.len() / 2) {
            (0, _) => 0.0,
            (count, middle) if count % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            (_, middle) => sorted[middle],
        }
    }

    /// Each divided by the one taken beside it.
    #[must_use]
    pub fn against(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(0.0, f64::max);
        write!(f, "{} ({} to {})", Short(self.median()), Short(least), Short(most))
    }
}

/// A number in three digits or as many as it has.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = match self.0.abs() {
            value if value >= 100.0 => 0,
            value if value >= 10.0 => 1,
            _ => 2,
        };
        write!(f, "{:.decimals$}", self.0)
    }
}

/// A row: a figure, what it is compared with, and how the two compare.
#[derive(Debug, Clone)]
pub struct Row {
    what: String,
    ours: Figure,
    beside: Option<(String, Figure)>,
}

/// All rows.
#[derive(Debug, Clone, Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// A figure beside another one.
    pub fn row(&mut self, what: impl Into<String>, ours: &Figure, beside: impl Into<String>, other: &Figure) {
        self.0.push(Row {
            what: what.into(),
            ours: ours.clone(),
            beside: Some((beside.into(), other.clone())),
        });
    }

    /// A figure by itself.
    pub fn alone(&mut self, what: impl Into<String>, ours: &Figure) {
        self.0.push(Row {
            what: what.into(),
            ours: ours.clone(),
            beside: None,
        });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| figure | Callboard | beside it | | ratio |")?;
        writeln!(f, "|---|---|---|---|---|")?;
        for Row { what, ours, beside } in &self.0 {
            match beside {
                Some((name, other)) => {
                    let ratio = ours.against(other);
                    writeln!(f, "| {what} | {ours} | {name} | {other} | {ratio} |")?;
                }
                None => writeln!(f, "| {what} | {ours} | | | |")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_gives_medians_with_their_spread_and_the_ratio_of_what_was_taken_together() {
        let mut table = Table::default();
        let (ours, other) = (Figure(vec![300.0, 100.0, 200.0]), Figure(vec![100.0, 50.0, 100.0]));
        table.row("commands/s", &ours, "simplest", &other);
        table.alone("memory, MB", &Figure(vec![12.34, 5.6]));
        let rows = table.to_string();
        assert!(
            rows.contains("| commands/s | 200 (100 to 300) | simplest | 100 (50.0 to 100) | 2.00 (2.00 to 3.00) |")
        );
        assert!(rows.contains("| memory, MB | 8.97 (5.60 to 12.3) | | | |"), "{rows}");
    }
}
