"""What no decision, open run or recent work references any more, and its deletion: `titleholder gc`."""
