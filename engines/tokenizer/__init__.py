"""Vocabularies: what they do to a domain, how they are extended or made anew, and what proves it."""
