"""type: http: one HTTP request for each action."""
