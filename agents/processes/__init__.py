"""Child processes: supervised, and ended with their parent."""
