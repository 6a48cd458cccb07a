"""The command line of Youai, and the embedded Kafka and PostgreSQL for one machine."""
