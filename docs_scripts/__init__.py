"""What makes parts of the site from the code and from real results, and checks its links."""
