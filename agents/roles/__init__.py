"""The roles of workers: each file builds one role of its parts."""
