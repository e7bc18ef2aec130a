"""The run folder, its sources, the driver that fills it, and what a run will cost."""
