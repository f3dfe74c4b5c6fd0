"""The way to Kafka: client settings, topics, partitions and a broker of our own."""
