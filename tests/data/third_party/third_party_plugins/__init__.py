"""Parts for skedema from another package, one a file."""
