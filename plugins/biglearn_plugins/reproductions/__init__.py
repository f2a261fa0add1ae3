"""The simulations of the papers, made again."""
