//! Commands with plausible random data, for tests: the same ones for the same seed.
