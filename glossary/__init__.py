"""The terms of a domain: the ground floor, which imports no engine and no screen."""
