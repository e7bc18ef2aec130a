"""A bench as it is published, verdicts on what models made of it, and reports from verdicts alone."""
