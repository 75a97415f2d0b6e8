"""The head in a scan: its brain, its box and its pose."""
