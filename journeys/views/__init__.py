"""Views for people and editors: drawings, a user's timeline, lanes, JSON Schemas."""
