"""README, plots and Croissant of a release; cards of a benchmark and a model."""
