"""Values that the engine reads and writes: events, user records, outcomes, actions and so on."""
