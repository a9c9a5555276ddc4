"""Training and evaluation: corpus, pairs, losses, trainer, tables. For the command line only."""
