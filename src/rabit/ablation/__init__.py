"""The paper's ablations: many trainings that differ in one thing each, and their tables."""
