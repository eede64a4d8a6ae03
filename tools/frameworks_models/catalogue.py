"""Which models are measured."""

from __future__ import annotations

import functools

from tools.models import detection as detection_model
from tools.models import flax_models, jax_programs, pytorch_models, quantized_models
from tools.models.library import keras_model, model_named
from tools.models.types import Model, built_once

# most of these take minutes to build
_model = functools.partial(built_once, small=False)


def _torchvision(title: str, name: str, segmentation: bool = False) -> Model:
    make = functools.partial(pytorch_models.torchvision_model, name, segmentation=segmentation)
    return _model(title, "torchvision", make)


def _timm(title: str, name: str, size: int = 224) -> Model:
    return _model(title, "timm", functools.partial(pytorch_models.timm_model, name, size))


# also what the tests build: small, and of frameworks that the test environment has
SMALL = (
    _model("LSTM", "torch", pytorch_models.lstm, small=True),
    _model("State space scan", "jax", jax_programs.state_space_scan, small=True, loops=True),
    _model("Associative scan", "jax", jax_programs.associative_scan, small=True),
    _model("Metropolis", "jax", jax_programs.metropolis, small=True, loops=True),
    _model("CNN gradient", "jax", jax_programs.cnn_gradient, small=True),
    _model("Attention", "flax", flax_models.attention, small=True),
    _model("nnx LSTM", "flax", flax_models.nnx_lstm, small=True, loops=True),
)

CATALOGUE = (
    _torchvision("ResNet-18", "resnet18"),
    _torchvision("ResNet-50", "resnet50"),
    _torchvision("MobileNetV3", "mobilenet_v3_small"),
    _torchvision("DenseNet-121", "densenet121"),
    _torchvision("LR-ASPP", "lraspp_mobilenet_v3_large", segmentation=True),
    _timm("ViT tiny", "vit_tiny_patch16_224"),
    _timm("Swin tiny", "swin_tiny_patch4_window7_224"),
    _timm("ConvNeXt atto", "convnext_atto"),
    _timm("MaxViT pico", "maxvit_rmlp_pico_rw_256", 256),
    _model("BERT, 2 layers", "transformers", pytorch_models.bert),
    _model("GPT-2, 2 layers", "transformers", pytorch_models.gpt2),
    _model("Llama, 2 layers", "transformers", pytorch_models.llama),
    _model("T5 encoder, 2 layers", "transformers", pytorch_models.t5_encoder),
    _model("Mamba, 2 layers", "transformers", pytorch_models.mamba),
    _model("Whisper encoder, 2 layers", "transformers", pytorch_models.whisper_encoder),
    _model("UNet2D", "diffusers", pytorch_models.diffusers_unet),
    *SMALL,
    *(model_named(name) for name in ("CNN", "GRU scan", "NMS", "GP", "GP opcodes")),
    _model("MLP", "equinox", flax_models.equinox_mlp),
    _model("GRU", "equinox", flax_models.equinox_gru, loops=True),
    _model("FlaxBert, 2 layers", "transformers", flax_models.flax_bert),
    _model("FlaxGPT2, 2 layers", "transformers", flax_models.flax_gpt2),
    _model("FlaxViT, 2 layers", "transformers", flax_models.flax_vit),
    *(model_named(name) for name in ("ResNet50", "MobileNetV2")),
    _model("EfficientNetB0", "keras", functools.partial(keras_model, "EfficientNetB0")),
    model_named("LSTM"),
    *(
        _model("int8 perceptron", tool, getattr(quantized_models, f"{tool}_perceptron"))
        for tool in ("aqt", "qwix", "keras", "torchao")
    ),
    _model("int8 perceptron, pt2e", "torchao", quantized_models.pt2e_perceptron),
    _model("MobileNetV2 detector", "tensorflow", detection_model.detector, loops=True),
)


def key(model: Model) -> str:
    """What a model is called here; names alone are not unique."""
    return f"{model.framework}: {model.name}"


def models_by_key() -> dict[str, Model]:
    """All models in order; ValueError if two have one key."""
    found = {key(model): model for model in CATALOGUE}
    if len(found) < len(CATALOGUE):
        raise ValueError("two models of the catalogue have the same framework and name")
    return found
