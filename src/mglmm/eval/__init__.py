"""Scoring: metrics as pure functions over masks and text, the benchmarks that use them, and the runner."""
