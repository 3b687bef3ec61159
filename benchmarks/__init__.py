"""Scripts that measure, each printing a table."""
