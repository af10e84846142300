"""What of a model can be tested without training it: `titleholder check`."""
