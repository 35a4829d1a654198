"""Asset checks: what must hold of the stored tables, and the step that runs them."""
