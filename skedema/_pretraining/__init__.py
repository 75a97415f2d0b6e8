"""The training of `skedema.ViTAutoencoder`: sources of volumes, views, the loop, checkpoints."""
