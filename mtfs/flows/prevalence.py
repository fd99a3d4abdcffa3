"""Prevalence learnt from history."""
