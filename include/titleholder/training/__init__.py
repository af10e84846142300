"""From training rows to a fitted candidate."""
