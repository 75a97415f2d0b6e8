"""What is left of work that is disturbed: one kind of work a file, a row for each competitor."""
