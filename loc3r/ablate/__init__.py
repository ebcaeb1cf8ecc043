"""The paper's ablation and ours: the same training with one part taken away at a time, and what each part is worth."""
