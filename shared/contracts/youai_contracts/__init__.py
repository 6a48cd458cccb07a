"""What goes over the wire between services and departments: topics, events, schemas, examples, codec."""
