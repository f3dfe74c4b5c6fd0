"""What a person, a page or a command asks of a running engine."""
