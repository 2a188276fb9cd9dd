"""Benchmarks: figures and ratios, printed. They are no tests: run them by hand, on a machine that is not busy."""
