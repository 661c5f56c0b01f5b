"""Answers under review: turns that a person decides on, kept so that a reload or a restart comes back to them."""
