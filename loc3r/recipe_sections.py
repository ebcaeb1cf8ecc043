"""The sections of a recipe, one class each: what a field means stands below it.

Rules between sections, files and error messages are in ``loc3r.recipe``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from loc3r.model.backbones import BACKBONES

LATER = "later"
"""Marks a field that came after models were made: at its default, a recipe's hash leaves it out and theirs hold."""
Weight = Annotated[float, Field(ge=0)]
"""Of a term of the loss; 0 leaves it out."""
Share = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A frozen part of a recipe; a docstring under each field says what it does."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class DataRecipe(Section):
    """Frames, patch targets and camera tokens: everything ``loc3r prepare`` needs."""

    frames: int = Field(32, ge=1)
    """Frames taken from a video."""
    frame_sampling: Annotated[Literal["linspace", "coverage"], LATER] = "linspace"
    """linspace: evenly spread, truncated. coverage: those that show the most of the room together (needs depth)."""
    frame_size_px: int = Field(384, ge=32)
    """Side of the square frame that the vision tower sees."""
    frame_fit: Literal["crop", "squash"] = "crop"
    """How a frame becomes square: resize and centre-crop, or squash. Patch targets follow it."""
    patch_px: int = Field(14, ge=4)
    """Side of a vision patch."""
    pool: int = Field(2, ge=1)
    """Stride of the pooling after the projector: tokens a side = ceil(patches a side / pool)."""
    answer_format: Annotated[Literal["none", "siblings"], LATER] = "none"
    """siblings: a question ends with the sentence that says how its benchmark wants it answered; a typed one too."""
    picture_placeholders: Annotated[Literal["noun", "keep"], LATER] = "noun"
    """What stands for MSQA's pictures of objects (<chair-1-IMG>): their noun, or the placeholder as it is."""
    min_valid_depth_share: float = Field(0.25, gt=0, le=1)
    """A patch target counts when at least this share of its pixels has depth."""
    max_depth_m: float = Field(10.0, gt=0)
    """Depth beyond this is unknown."""
    bird_eye_yaw: Annotated[Literal["first_camera", "scan"], LATER] = "first_camera"
    """Where the map's axes point. first_camera: +y is where the first camera looks. scan: the axes of the scan's own
    poses; the origin stays below the first camera. Never served: nothing in a new video tells a scan's axes."""
    prior: str = "rooms-vo"
    """Frozen pose prior: rooms-vo (ours), cut3r (the paper's), depth-anything-3-small or -base, vggt, vggt-commercial,
    none, oracle (true poses; an upper bound, never served), or one that an installed package offers."""
    prior_size_px: Annotated[int | None, LATER] = Field(None, ge=14)
    """Side of the square frame that a large prior sees, if not its own: 432 for CUT3R, as VLM-3R chose."""
    prior_oversampling: int = Field(1, ge=1)
    """The prior walks frames x this many frames; the model sees every such-th frame and its token."""

    @model_validator(mode="after")
    def _walk_is_even(self) -> DataRecipe:
        if self.frame_sampling == "coverage" and self.prior_oversampling > 1:
            raise ValueError("data.prior_oversampling must be 1 with data.frame_sampling=coverage")
        return self

    @property
    def tokens_a_side(self) -> int:
        """Vision tokens on one side of a frame, after pooling."""
        patches = self.frame_size_px // self.patch_px
        return -(-patches // self.pool)


class VisionRecipe(Section):
    """The vision tower."""

    kind: Annotated[Literal["siglip", "lite0", "qwen2.5-vl"], LATER] = "siglip"
    """lite0: EfficientNet-Lite0 with the ImageNet weights that ship with the package, or those of the checkpoint that
    training starts from (loc3r tower train); the sizes below are SigLIP's. qwen2.5-vl: that backbone's own tower."""
    hidden: int = Field(1152, ge=1)
    layers: int = Field(26, ge=1)
    heads: int = Field(16, ge=1)
    intermediate: int = Field(4304, ge=1)
    frozen: bool = True
    """The paper freezes the tower; a tower trained from scratch can't be."""
    dropout: Annotated[float, LATER] = Field(0.0, ge=0, lt=1)
    """Share of a frozen tower's features that training hides: few furniture models teach many details by heart."""

    @model_validator(mode="after")
    def _heads_divide(self) -> VisionRecipe:
        if self.hidden % self.heads:
            raise ValueError(f"model.vision.hidden={self.hidden} must be a multiple of model.vision.heads={self.heads}")
        return self


class LanguageRecipe(Section):
    """The language model."""

    kind: Literal["qwen2", "qwen3"] = "qwen2"
    """qwen3 adds query/key norm, which tiny models from scratch need."""
    hidden: int = Field(3584, ge=1)
    layers: int = Field(28, ge=1)
    heads: int = Field(28, ge=1)
    kv_heads: int = Field(4, ge=1)
    intermediate: int = Field(18944, ge=1)
    vocabulary: int = Field(152064, ge=1)
    """Embedding rows; a tiny model trains a byte-level BPE tokenizer up to this size."""
    tied: Annotated[bool | None, LATER] = None
    """Answers are read out through the word embeddings. Absent: only from scratch; backbones below 7B often do."""
    rope_theta: float = Field(1_000_000.0, gt=0)
    max_tokens: int = Field(32768, ge=1)

    @model_validator(mode="after")
    def _heads_divide(self) -> LanguageRecipe:
        if self.hidden % (2 * self.heads) or self.heads % self.kv_heads:
            raise ValueError(
                f"model.language.hidden={self.hidden} must be a multiple of twice model.language.heads={self.heads}, "
                f"and that of model.language.kv_heads={self.kv_heads}"
            )
        return self


class ModelRecipe(Section):
    """The vision-language model, its camera tokens and its heads."""

    backbone: str = Field("scratch", json_schema_extra={"enum": list(BACKBONES)})
    """Whose architecture and published weights: llava-video-7b (the paper's), llava-onevision, qwen2.5-vl; loc3r fetch
    brings them. scratch: random weights. The sizes below are those of the weights."""
    vision: VisionRecipe = VisionRecipe()
    language: LanguageRecipe = LanguageRecipe()
    projector_frozen: Annotated[bool, LATER] = False
    """Leave the vision projector as the backbone has it; camera tokens' way in and heads are trained all the same."""
    prior_dim: int = Field(768, ge=1)
    """Width of one camera token of the prior."""
    head_hidden: int | None = Field(None, ge=1)
    """Width of the two-layer heads; the language model's width when absent."""
    head_activation: Annotated[Literal["gelu", "relu", "silu"], LATER] = "gelu"
    """Between the two layers of the heads and of the camera tokens' way in."""
    heading_bins: int = Field(36, ge=2)
    heading_bin_offset: Annotated[float, LATER] = Field(0.5, ge=0, lt=1)
    """Bins from -180 degrees to the first bin's centre. 0: centres at multiples of a bin's width."""
    naming_layer: int | None = Field(None, ge=1)
    """Dense grounding: vision tokens name their object after this language layer."""
    mention_layer: int | None = Field(None, ge=1)
    """Dense grounding: object mentions regress their place after this language layer."""
    look_at: bool = False
    """Dense grounding: <Ori> regresses the point looked at; the heading head reads both places."""
    fronts: Annotated[bool, LATER] = False
    """Dense grounding: object mentions and vision tokens tell which way their object faces, in rooms of loc3r synth."""
    egocentric_layer: Annotated[int | None, LATER] = None
    """Ours: after this language layer the pose is read, and each word of the question is told where the thing that it
    names is from there. Absent: the pose is read after the last layer, as in the paper."""
    video: Annotated[bool, LATER] = True
    """Ablation: off, the model reads the words alone."""
    camera_tokens: Annotated[bool, LATER] = True
    """Ablation: off, zeros stand in for the pose prior's tokens."""
    share_camera: Annotated[bool, LATER] = False
    """Ours: add a frame's embedded camera token to its vision tokens too. A small model from scratch needs several
    thousand videos before its attention finds that token by itself; a pretrained one does not need it."""
    system_sentence: Annotated[bool, LATER] = False
    """Begin with Qwen's system turn, "You are a helpful assistant."."""
    video_sentence: Annotated[Literal["none", "time", "space"], LATER] = "none"
    """Said behind the video. time: LLaVA-Video's "The video lasts for ...". space: Video-3D-LLM's."""
    frame_interval_s: Annotated[float, LATER] = Field(1.0, gt=0)
    """Seconds between frames that video_sentence=time tells: one figure for all, since posed scans have no clock."""
    pose: Annotated[Literal["heads", "text"], LATER] = "heads"
    """heads: read from <Pos><Ori> (the paper). text: no such tokens, the model writes "x 1.2 y -0.4 heading 90"."""
    pose_token_spacing: Annotated[Literal["none", "space", "newline"], LATER] = "none"
    """What is between the situation and <Pos>, and between <Ori> and the question."""
    pose_tokens_without_situation: Annotated[bool, LATER] = True
    """<Pos><Ori> are in the prompts of questions without a situation too, unsupervised. Off, such a question gets no
    place: the numbers that come with its answer mean nothing."""
    fan_in_init: bool = False
    """Initialise matrices by fan-in: tiny models from scratch need it."""


class LossRecipe(Section):
    """Weights of the joint loss (paper section 3.4) and of dense grounding (ours, off by default)."""

    answer: Weight = 1.0
    layout: Weight = 0.05
    layout_datasets: Annotated[tuple[Literal["scannet", "scannetpp", "arkitscenes", "synthetic"], ...], LATER] = ()
    """Only scenes of these teach where vision tokens are; empty: every scene that has depth and poses."""
    situation: Weight = 0.075
    heading: Weight = 3.5
    """Weight of the heading term inside the situation term."""
    heading_sigma_bins: float = Field(2.0, gt=0)
    """Width of the wrapped Gaussian target, in bins."""
    log_variance_limit: float = Field(7.0, gt=0)
    """Predicted log-variances are clamped to plus or minus this."""
    naming: Weight = 0.0
    mention: Weight = 0.0
    look_at: Weight = 0.0
    front: Annotated[Weight, LATER] = 0.0
    """Ours: squared error of the way (a unit vector) that an object faces, mentioned or shown by a vision token."""
    pointing: Annotated[Weight, LATER] = 0.0
    """Ours: before ``mention_layer``, one attention head looks from each mention at the tokens that show the object."""
    pose_pointing: Annotated[Weight, LATER] = 0.0
    """Ours: after ``mention_layer``, one head looks from <Pos> at the nearest mention, from <Ori> at what is faced."""


class OptimiserRecipe(Section):
    """AdamW with warm-up and cosine decay."""

    learning_rate: float = Field(1e-5, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    betas: tuple[Share, Share] = (0.9, 0.999)
    warmup_share: float = Field(0.03, ge=0, le=1)
    final_share: float = Field(0.0, ge=0, le=1)
    """Learning rate at the end, as a share of the peak."""
    clip_norm: float = Field(1.0, gt=0)


class LoraRecipe(Section):
    """Low-rank adapters (peft) on the language model, which then is frozen; the finished model has them merged in."""

    rank: int = Field(0, ge=0)
    """0: no adapters, the whole language model is trained. Projector, camera tokens' way in and heads always are."""
    alpha: float = Field(32.0, gt=0)
    """Adapters are scaled by alpha / rank."""
    dropout: float = Field(0.05, ge=0, lt=1)


class TrainRecipe(Section):
    """Steps, batches, precision and checkpoints."""

    steps: int = Field(4200, ge=1)
    stop_after: Annotated[int | None, LATER] = Field(None, ge=1)
    """End after this many steps of the learning rate's schedule, which ``steps`` sets; the end of it when absent."""
    scenes_per_step: int = Field(8, ge=1)
    """Videos in one optimiser step, over all ranks and accumulation steps."""
    scenes_per_micro_batch: int = Field(1, ge=1)
    """Videos that one rank puts through the model at once; accumulation follows from it."""
    questions_per_scene: int = Field(8, ge=1)
    """Situations and questions packed behind one video."""
    packed: bool = True
    """Shared-video training; off puts every question behind a video of its own."""
    tokens_per_micro_batch: Annotated[int | None, LATER] = Field(None, ge=1)
    """Token budget: a rank puts one row through the model at once, of as many videos and their questions as fit."""
    zero_stage: Literal[0, 1, 2, 3] = 2
    """What DeepSpeed spreads over the ranks: 1 optimiser state, 2 gradients too, 3 weights too (loc3r/train/zero)."""
    offload: Annotated[bool, LATER] = False
    """Keep the optimiser's state, and with ZeRO-3 the weights, in the machine's memory."""
    deepspeed: Annotated[dict[str, Any], LATER] = {}
    """More of DeepSpeed's own configuration, on top of that of zero_stage and offload."""
    lora: Annotated[LoraRecipe, LATER] = LoraRecipe()
    precision: Literal["fp32", "mixed", "bf16", "fp16"] = "bf16"
    """mixed: float32 weights, products in bfloat16; heads and losses stay in float32. fp16: with loss scaling, for
    GPUs without bfloat16 such as V100."""
    gradient_checkpointing: bool = False
    """Keep the states between layers only and compute the rest again: a third more work, a tenth of the memory."""
    checkpoint_every_steps: int = Field(500, ge=1)
    keep_checkpoints: int = Field(2, ge=1)
    keep_features: Annotated[bool, LATER] = False
    """Keep a frozen tower's features of every video in the cache folder: each is encoded once, and once in its
    mirror, for all trainings."""
    keep_heads: Annotated[bool, LATER] = True
    """Whether --init gives its heads too. If not, they begin anew, and what they read and are taught may differ."""
    mirror: Annotated[bool, LATER] = False
    """Show half of the videos, each by chance, as in a mirror, with their words: twice as many rooms."""
    move_map: Annotated[bool, LATER] = False
    """Put half of the videos, each by chance, on a map whose origin is under another of their cameras and whose axes
    are turned: else a small model learns its rooms' coordinates by heart."""
    situation_forms: tuple[str, ...] = ()
    """Curriculum: train only on these situation forms; empty means all."""

    @property
    def last_step(self) -> int:
        """How many steps are trained."""
        return min(self.steps, self.stop_after or self.steps)


class EvaluateRecipe(Section):
    """Decoding and intervals."""

    max_new_tokens: int = Field(16, ge=1)
    bootstrap_samples: int = Field(2000, ge=100)
    confidence: float = Field(0.95, gt=0, lt=1)


def hashed(section: Section) -> dict[str, Any]:
    """A section's plain values, without the ``LATER`` fields that are at their default."""
    values = section.model_dump(mode="json")
    for name, field in type(section).model_fields.items():
        part = getattr(section, name)
        if LATER in field.metadata and part == field.default:
            del values[name]
        elif isinstance(part, Section):
            values[name] = hashed(part)
    return values
