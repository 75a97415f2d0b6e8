"""Benchmarks: each prints every competitor, also those that win, in one run on the same work."""
