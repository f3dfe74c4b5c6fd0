"""Values that are read and written: events, records of the log, user records, outcomes, actions."""
