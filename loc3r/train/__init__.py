"""DeepSpeed training: shared-video batches, exact resume, launch."""
