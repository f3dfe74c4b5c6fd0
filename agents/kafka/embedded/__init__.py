"""A real Kafka as a child process, from Python packages alone."""
