"""What one input does to the record of one user."""
