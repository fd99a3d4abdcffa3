"""People moving between kinds of care: returns read, rates learnt, every child simulated."""
