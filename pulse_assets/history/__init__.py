"""Historical observations: where they come from, whether they are sound, how often they come."""
