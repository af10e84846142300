"""What a team writes about a model, and what is wrong with it."""
