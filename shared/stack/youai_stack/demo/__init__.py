"""The demonstration: a city's monthly catalogue opens, everybody books at once, and every decision is checked."""
