"""Lints: what a configuration may say and hardly can mean."""
