"""Kafka Streams in Java: the source, what compiles and runs it, and the system (`system.KafkaStreams`)."""
