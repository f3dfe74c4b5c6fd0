"""The roles of workers: each file builds one role from its parts."""
