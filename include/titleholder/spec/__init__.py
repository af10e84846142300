"""The specification of a model: its types, files and errors."""
