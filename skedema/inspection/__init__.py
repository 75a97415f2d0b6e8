"""Looks into a fitted model: where it looked, what moved it, and pictures of both."""
