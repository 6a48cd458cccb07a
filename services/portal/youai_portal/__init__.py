"""Portal: pages of the city's two-way market, from projections of its topics."""
