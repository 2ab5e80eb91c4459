"""Building one dataset: the plan, its chunks, the finish; what runs under Luigi."""
