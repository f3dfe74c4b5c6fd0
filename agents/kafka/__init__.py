"""Access to Kafka: client settings, topics, partitions and an embedded broker."""
