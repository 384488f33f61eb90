"""Vocabularies: what they do to a domain, how they are changed, and what proves it."""
