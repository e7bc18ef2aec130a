"""EditScore: edits judged from 0 to 10, by its package over a model of ours."""
