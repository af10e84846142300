"""What tests share: factories, worlds, stacks."""
