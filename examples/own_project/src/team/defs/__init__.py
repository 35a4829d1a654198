"""The team's assets, and two deployments of pulse_assets."""
