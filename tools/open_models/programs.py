"""Which models are run, with which sizes unknown, and at which sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.models.pytorch_models import HEADS, LAYERS, VOCABULARY, WIDTH, import_torchvision
from tools.models.types import SEED

Sizes = Mapping[str, int]
BATCHES: Sequence[Sizes] = tuple({"batch": size} for size in (1, 2, 3, 5, 8))
TOKENS: Sequence[Sizes] = tuple(
    {"batch": batch, "length": length} for batch, length in ((1, 16), (1, 64), (2, 7), (3, 33), (4, 64))
)
IMAGES: Sequence[Sizes] = tuple(
    {"batch": batch, "height": height, "width": width}
    for batch, height, width in ((1, 64, 64), (1, 96, 128), (2, 64, 96), (3, 128, 64), (4, 128, 96))
)
MAX_LENGTH = 256


@dataclass(frozen=True)
class Instance:
    """A model, ready to convert.

    Attributes
    ----------
    convert : callable
        ``convert(sizes, specialize)``: what the package makes of it, with these sizes as numbers, or None of them.
    arguments : callable
        ``arguments(sizes)``: arrays.
    reference : callable
        The framework: arrays to the list of its results.
    """

    convert: Callable[[Sizes | None, bool], Any]
    arguments: Callable[[Sizes], list[np.ndarray]]
    reference: Callable[..., list[np.ndarray]]


@dataclass(frozen=True)
class OpenModel:
    """A model with unknown sizes.

    Attributes
    ----------
    name, framework : str
    make : callable
        To an `Instance`.
    sizes : sequence of mapping of str to int
        At which it is run.
    one_build : bool
        Whether the framework's program can have unknown sizes, so that one build serves all.
    """

    name: str
    framework: str
    make: Callable[[], Instance]
    sizes: Sequence[Sizes]
    one_build: bool = True


# ---- torch


def torch_instance(module: Any, shape: Sequence[int | str], draw: Callable[[Sequence[int]], np.ndarray]) -> Instance:
    """A module of one input, whose shape has names of unknown sizes; of images multiples of 32."""
    import torch

    from tvm_hlo_frontend import from_pytorch

    module = module.eval()
    steps = {"height": 32, "width": 32}
    names = {name for name in shape if isinstance(name, str)}
    found = {name: torch.export.Dim(name, min=1, max=MAX_LENGTH - 1) for name in sorted(names)}
    open_axes = {
        axis: steps[name] * found[name] if name in steps else found[name]
        for axis, name in enumerate(shape)
        if isinstance(name, str)
    }

    def arguments(sizes: Sizes) -> list[np.ndarray]:
        return [draw([sizes[size] if isinstance(size, str) else size for size in shape])]

    def convert(sizes: Sizes | None, specialize: bool) -> Any:
        (example,) = arguments(dict.fromkeys(names, 64) | {"batch": 2} if sizes is None else sizes)
        dynamic = (open_axes,) if sizes is None else None
        program = torch.export.export(module, (torch.from_numpy(example),), dynamic_shapes=dynamic, strict=False)
        return from_pytorch(program, specialize=specialize)

    def reference(*arrays: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            return [module(*map(torch.from_numpy, arrays)).numpy()]

    return Instance(convert, arguments, reference)


def normal(shape: Sequence[int]) -> np.ndarray:
    """Normally distributed f32."""
    return np.random.default_rng([SEED, *shape]).normal(size=shape).astype(np.float32)


def token_ids(shape: Sequence[int]) -> np.ndarray:
    """Numbers of words."""
    return np.random.default_rng([SEED, *shape]).integers(0, VOCABULARY, shape)


def of_transformers(config: str, model: str, shape: Sequence[int | str], part: str = "", **options: Any) -> Instance:
    """A model of transformers with random weights: its first result."""
    import torch

    import_torchvision()
    import transformers

    class First(torch.nn.Module):
        """The model's first result alone."""

        def __init__(self, whole: Any) -> None:
            super().__init__()
            self.whole = whole

        def forward(self, x: Any) -> Any:
            return self.whole(x, return_dict=False)[0]

    torch.manual_seed(SEED)
    settings = getattr(transformers, config)(attn_implementation="eager", **options)
    whole = getattr(transformers, model)(settings)
    draw = token_ids if len(shape) == 2 else normal
    return torch_instance(First(getattr(whole, part) if part else whole), shape, draw)


def token_model(config: str, model: str, part: str = "", **options: Any) -> Instance:
    """A model of token ids of any batch and length."""
    return of_transformers(config, model, ("batch", "length"), part, vocab_size=VOCABULARY, use_cache=False, **options)


def bert() -> Instance:
    return token_model(
        "BertConfig", "BertModel", hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
    )  # fmt: skip


def gpt2() -> Instance:
    return token_model("GPT2Config", "GPT2LMHeadModel", n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS)


def llama() -> Instance:
    return token_model(
        "LlamaConfig", "LlamaForCausalLM", hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=HEADS // 2, intermediate_size=3 * WIDTH,
    )  # fmt: skip


def t5_encoder() -> Instance:
    return token_model(
        "T5Config", "T5EncoderModel", d_model=WIDTH, num_layers=LAYERS, num_heads=HEADS, d_kv=WIDTH // HEADS,
        d_ff=4 * WIDTH,
    )  # fmt: skip


def whisper_encoder() -> Instance:
    return of_transformers(
        "WhisperConfig", "WhisperModel", ("batch", 80, 200), "encoder", d_model=WIDTH, encoder_layers=LAYERS,
        encoder_attention_heads=HEADS, encoder_ffn_dim=4 * WIDTH, decoder_layers=1, decoder_attention_heads=HEADS,
        max_source_positions=100,
    )  # fmt: skip


def vit() -> Instance:
    return of_transformers(
        "ViTConfig", "ViTModel", ("batch", 3, 64, 64), hidden_size=WIDTH, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, intermediate_size=4 * WIDTH, image_size=64, patch_size=16,
    )  # fmt: skip


def lstm() -> Instance:
    import torch

    class Last(torch.nn.Module):
        """What two recurrent layers say after the last step."""

        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.LSTM(32, 48, num_layers=2, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.layers(x)[0][:, -1]

    torch.manual_seed(SEED)
    return torch_instance(Last(), ("batch", 12, 32), normal)


def detector() -> Instance:
    """Boxes of the best ten positions of an image, of a small fully convolutional detector."""
    import torch

    nn = torch.nn

    class Detector(nn.Module):
        """Every position of the last feature map says a class and a box around it."""

        stride, classes, kept = 16, 4, 10

        def __init__(self) -> None:
            super().__init__()
            layers: list[Any] = []
            for before, after in ((3, 16), (16, 32), (32, 64), (64, 64)):
                layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.SiLU()]
            self.features = nn.Sequential(*layers)
            self.scores = nn.Conv2d(64, self.classes, 3, padding=1)
            self.sides = nn.Conv2d(64, 4, 3, padding=1)

        def forward(self, images: Any) -> Any:
            x = self.features(images)
            rows, columns = torch.meshgrid(torch.arange(x.shape[2]), torch.arange(x.shape[3]), indexing="ij")
            centres = torch.stack([columns, rows], -1).reshape(1, -1, 2) * self.stride + self.stride // 2
            best = self.scores(x).flatten(2).sigmoid().amax(1)
            sides = self.sides(x).flatten(2).transpose(1, 2).exp() * self.stride
            boxes = torch.cat([centres - sides[..., :2], centres + sides[..., 2:]], -1)
            found, places = best.topk(self.kept, 1)
            chosen = boxes.gather(1, places[..., None].expand(-1, -1, 4))
            return torch.cat([chosen / self.stride, found[..., None]], -1)

    torch.manual_seed(SEED)
    return torch_instance(Detector(), ("batch", 3, "height", "width"), normal)


def resnet18(*sizes: int | str) -> Instance:
    import torch

    import_torchvision()
    from torchvision import models

    torch.manual_seed(SEED)
    return torch_instance(models.resnet18(weights=None), ("batch", 3, *sizes), normal)


# ---- Keras


def keras_cnn() -> Instance:
    import keras

    from tvm_hlo_frontend import from_tensorflow

    layers = keras.layers
    keras.utils.set_random_seed(SEED)
    model = keras.Sequential(
        [
            layers.Input((32, 32, 3)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )

    def convert(sizes: Sizes | None, specialize: bool) -> Any:
        return from_tensorflow(model, shape=[((sizes or {}).get("batch", "batch"), 32, 32, 3)], specialize=specialize)

    return Instance(convert, lambda sizes: [normal((sizes["batch"], 32, 32, 3))], lambda x: [np.asarray(model(x))])


MODELS = (
    OpenModel("ResNet-18", "torchvision", lambda: resnet18(64, 64), BATCHES),
    OpenModel("ResNet-18, any image", "torchvision", lambda: resnet18("height", "width"), IMAGES),
    OpenModel("detector, any image", "torch", detector, IMAGES),
    OpenModel("ViT, 2 layers", "transformers", vit, BATCHES),
    OpenModel("BERT, 2 layers", "transformers", bert, TOKENS),
    OpenModel("GPT-2, 2 layers", "transformers", gpt2, TOKENS),
    OpenModel("Llama, 2 layers", "transformers", llama, TOKENS),
    OpenModel("T5 encoder, 2 layers", "transformers", t5_encoder, TOKENS),
    OpenModel("Whisper encoder, 2 layers", "transformers", whisper_encoder, BATCHES),
    OpenModel("LSTM", "torch", lstm, BATCHES),
    OpenModel("CNN", "Keras", keras_cnn, BATCHES, one_build=False),
)
