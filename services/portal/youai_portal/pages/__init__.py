"""The pages: each file reads projections, renders, and sends commands to the services."""
