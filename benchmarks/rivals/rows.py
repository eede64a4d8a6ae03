"""What is measured: shapes of products and convolutions that models have, and models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .operations import Convolution, Dot, Operation


@dataclass(frozen=True)
class Row:
    """A row of the tables: a product or convolution, or a model of PyTorch.

    Attributes
    ----------
    name : str
    operation : Dot or Convolution, optional
    model : callable, optional
        To a ModelInstance of tools/models.
    """

    name: str
    operation: Operation | None = None
    model: Callable[[], Any] | None = None

    @property
    def folder(self) -> str:
        """Name of the folder of its files."""
        return "".join(letter if letter.isalnum() else "_" for letter in self.name)


def square(name: str, size: int, channels: int, features: int, extent: int, **options: Any) -> Row:
    """A convolution of a square image."""
    return Row(name, Convolution((size, size), channels, features, (extent, extent), **options))


SHAPES = (
    Row("dot 512x512x512", Dot(512, 512, 512)),
    Row("dot 1024x1024x1024", Dot(1024, 1024, 1024)),
    Row("dot 197x768x192", Dot(197, 768, 192)),
    Row("dot 49x2048x512", Dot(49, 2048, 512)),
    Row("dot 128x768x3072", Dot(128, 768, 3072)),
    Row("dot 3136x64x256", Dot(3136, 64, 256)),
    Row("dot 1x1024x1024", Dot(1, 1024, 1024)),
    Row("dot 8x768x768", Dot(8, 768, 768)),
    Row("dot 127x333x65", Dot(127, 333, 65)),
    Row("dot 1x2048x1000", Dot(1, 2048, 1000)),
    Row("dot 512x512x512, bf16", Dot(512, 512, 512, dtype="bfloat16")),
    Row("dot 512x512x512, int8", Dot(512, 512, 512, dtype="int8")),
    Row("attention scores 12x128x64x128", Dot(128, 64, 128, batch=12, transposed=True)),
    Row("attention values 12x128x128x64", Dot(128, 128, 64, batch=12)),
    square("conv 3x3, 56^2, 64 to 64", 56, 64, 64, 3),
    square("conv 3x3, 28^2, 128 to 128", 28, 128, 128, 3),
    square("conv 3x3, 14^2, 256 to 256", 14, 256, 256, 3),
    square("conv 3x3, 7^2, 512 to 512", 7, 512, 512, 3),
    square("conv 1x1, 56^2, 256 to 64", 56, 256, 64, 1),
    square("conv 1x1, 14^2, 1024 to 256", 14, 1024, 256, 1),
    square("conv 7x7/2, 224^2, 3 to 64", 224, 3, 64, 7, stride=2),
    square("conv 3x3/2, 56^2, 128 to 128", 56, 128, 128, 3, stride=2),
    square("conv 1x1/2, 56^2, 256 to 512", 56, 256, 512, 1, stride=2),
    square("conv 1x1, 7^2, 320 to 1280", 7, 320, 1280, 1),
    square("conv 3x3/2, 224^2, 3 to 32", 224, 3, 32, 3, stride=2),
    square("conv 16x16/16, 224^2, 3 to 192", 224, 3, 192, 16, stride=16, padded=False),
    square("depthwise 3x3, 112^2, 32", 112, 32, 32, 3, groups=32),
    square("depthwise 3x3, 56^2, 128", 56, 128, 128, 3, groups=128),
    square("depthwise 3x3, 14^2, 384", 14, 384, 384, 3, groups=384),
    square("depthwise 7x7, 56^2, 96", 56, 96, 96, 7, groups=96),
    square("conv 3x3, 28^2, 256 to 256, 32 groups", 28, 256, 256, 3, groups=32),
    square("conv 3x3, 28^2, 256 to 256, dilated by 2", 28, 256, 256, 3, dilation=2),
    square("transposed conv 4x4/2, 28^2, 128 to 64", 28, 128, 64, 4, stride=2, transposed=True),
    Row("conv 1d 3, 1500, 384 to 384", Convolution((1500,), 384, 384, (3,))),
    Row("conv 3d 3x3x3, 8x28^2, 32 to 64", Convolution((8, 28, 28), 32, 64, (3, 3, 3))),
)


def torchvision(name: str) -> Any:
    from tools.models.pytorch_models import torchvision_model

    return torchvision_model(name)


def timm(name: str) -> Any:
    from tools.models.pytorch_models import timm_model

    return timm_model(name)


def listed(name: str) -> Any:
    """A model of `tools.models.pytorch_models`, at its size there."""
    from tools.models import pytorch_models

    return getattr(pytorch_models, name)()


def transformer(config: str, model: str, **options: Any) -> Any:
    """A model of transformers on 128 tokens."""
    from tools.models.pytorch_models import token_model

    return token_model(config, model, tokens=128, **options)


# base and small are the sizes that transformers' configurations have by default: 12 layers of 768
MODELS = (
    Row("ResNet-50", model=partial(torchvision, "resnet50")),
    Row("MobileNetV2", model=partial(torchvision, "mobilenet_v2")),
    Row("EfficientNet-B0", model=partial(torchvision, "efficientnet_b0")),
    Row("ViT tiny", model=partial(timm, "vit_tiny_patch16_224")),
    Row("Swin tiny", model=partial(timm, "swin_tiny_patch4_window7_224")),
    Row("ConvNeXt tiny", model=partial(timm, "convnext_tiny")),
    Row("UNet2D, 32x32", model=partial(listed, "diffusers_unet")),
    Row("BERT base, 128 tokens", model=partial(transformer, "BertConfig", "BertModel")),
    Row("GPT-2 small, 128 tokens", model=partial(transformer, "GPT2Config", "GPT2LMHeadModel")),
    Row("LSTM, 2 layers of 48", model=partial(listed, "lstm")),
)

ROWS = (*SHAPES, *MODELS)


def chosen(parts: Sequence[str]) -> list[Row]:
    """Rows whose name has one of these parts, all without; `shapes` and `models` are all of these."""
    groups = {"shapes": SHAPES, "models": MODELS}
    if not parts:
        return list(ROWS)
    return [
        row for row in ROWS if any(row in groups.get(part, ()) or part.lower() in row.name.lower() for part in parts)
    ]


def named(name: str) -> Row:
    """The row of that name."""
    return next(row for row in ROWS if row.name == name)
