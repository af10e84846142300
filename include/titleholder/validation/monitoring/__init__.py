"""Is the champion in use still what it was? Drift, performance without outcomes, performance against the promise."""
