"""Scripts that make parts of the site."""
