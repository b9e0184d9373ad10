"""Suites and peers for tests: what a store or a bus must do, shipped for plugin authors."""
