"""Training: one LightningModule, its losses, metrics and callbacks, and the command line."""
