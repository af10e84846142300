"""The six steps of a retrain, and what people do afterwards."""
