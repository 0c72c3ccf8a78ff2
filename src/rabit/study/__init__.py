"""User studies: which method's pictures people prefer (section 4.4 of the paper)."""
