"""`youai bench latency`: how long a request waits for its decision, and what the door costs."""
