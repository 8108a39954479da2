"""Networks to compare DiffIR with, trained on the same data by the same rules."""
