"""Texts and their labels: how they are read, kept, split and written."""
