"""Formats of volumes in files: each module reads one kind."""
