"""Metrics, checks and the verdict on a challenger."""
