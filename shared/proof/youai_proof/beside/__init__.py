"""A stock Faust agent beside a lane of ours: the same body, the same faults, at the same record."""
