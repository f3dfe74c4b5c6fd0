"""What makes a document unacceptable, and what is worth a warning."""
