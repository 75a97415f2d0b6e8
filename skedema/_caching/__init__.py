"""What was computed once and is kept: in memory with a bound, and in files that are verified."""
