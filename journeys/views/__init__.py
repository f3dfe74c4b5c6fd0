"""What people look at: drawings, a user's timeline, lanes, JSON Schemas."""
