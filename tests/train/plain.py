"""The same training in a dozen lines of plain PyTorch: one process, one batch a step, no DeepSpeed."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from loc3r.model.config import Loc3RConfig
from loc3r.model.losses import joint_loss
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor
from loc3r.model.tokenizer import train_tokenizer
from loc3r.recipe import Recipe
from loc3r.scenes.shards import PreparedData
from loc3r.train.schedule import learning_rate_share
from loc3r.train.start import tokenizer_texts


def train_plainly(recipe: Recipe, data: Path) -> tuple[list[float], dict[str, Tensor]]:
    """Loss of every step, and the final weights."""
    from loc3r.train.sampler import StepSampler

    prepared, train = PreparedData(data), recipe.train
    tokenizer = train_tokenizer(tokenizer_texts(prepared), recipe.model.language.vocabulary)
    config = Loc3RConfig.from_recipe(recipe, prepared.class_names, tokenizer)
    processor = Processor(config, tokenizer)
    torch.manual_seed(recipe.seed)
    model = Loc3R(config).train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    decay = [{"params": [w for w in trained if w.ndim > 1], "weight_decay": recipe.optimiser.weight_decay},
             {"params": [w for w in trained if w.ndim < 2], "weight_decay": 0.0}]  # fmt: skip
    optimiser = torch.optim.AdamW(decay, betas=recipe.optimiser.betas)
    sampler = StepSampler(
        {scene: len(prepared.samples_of(scene)) for scene in prepared.scene_ids},
        questions_per_scene=train.questions_per_scene, scenes_per_step=train.scenes_per_step, seed=recipe.seed,
    )  # fmt: skip
    losses = []
    for step in range(train.steps):
        packed = [
            processor.pack(prepared.scene(u.scene_id), [prepared.samples_of(u.scene_id)[i] for i in u.questions])
            for u in sampler.step(step)
        ]
        batch = processor.collate(packed)
        loss = joint_loss(model(batch), batch, config).total()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, recipe.optimiser.clip_norm)
        for group in optimiser.param_groups:
            group["lr"] = recipe.optimiser.learning_rate * learning_rate_share(step, train.steps, recipe.optimiser)
        optimiser.step()
        losses.append(loss.item())
    return losses, {name: value.detach() for name, value in model.state_dict().items()}
