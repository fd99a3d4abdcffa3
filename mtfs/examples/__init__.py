"""The plans that ship: five published strategies; each figure has a source or is called assumed."""
