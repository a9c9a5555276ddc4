"""Training and evaluation: corpus, pairs, losses, trainer, tables. Imported by the command line only."""
