"""A simulated lender, and the demo that trains on its books."""
