"""What all models share: trainer, settings and presets, command line, sampling, run folders."""
