"""How well: the accuracy matrix, its scores, calibration, confusion, cost and plots; numbers only."""
