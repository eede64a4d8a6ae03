"""Models of torch, torchvision, timm, transformers and diffusers: random but calibrated weights, nothing downloaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from tools.models.library import random_images, varied
from tools.models.types import SEED, ModelInstance
from tvm_hlo_frontend.frameworks.pytorch import lower_pytorch
from tvm_hlo_frontend.frameworks.torchax_bridge import import_torchax

TOKENS, VOCABULARY = 64, 1000
WIDTH, HEADS, LAYERS = 256, 4, 2


def instance(module: Any, inputs: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> ModelInstance:
    """A module with its inputs, in inference mode."""
    import torch
    from torch.utils import _pytree as pytree

    module = module.eval()

    def reference(*arrays: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            leaves = pytree.tree_leaves(module(*map(torch.from_numpy, arrays)))
        return [leaf.numpy() for leaf in leaves if isinstance(leaf, torch.Tensor)]

    lowered = lower_pytorch(module, *map(torch.from_numpy, inputs))
    return ModelInstance(lowered, list(inputs), list(others), reference, module)


def calibrate(module: Any, rng: np.random.Generator, images: np.ndarray | None = None) -> Any:
    """Random scales and biases, matrices that do not shrink their input, and running statistics of `images`, in place.

    Scales that start as 1e-6 and matrices of deviation 0.02 would leave most layers without a part in the result.
    """
    import torch

    with torch.no_grad():
        for parameter in module.parameters():
            values = varied(rng, parameter.numpy())
            if values.ndim > 1 and values.std() > 0:
                values = values * max(1.0, np.prod(values.shape[1:]) ** -0.5 / values.std())
            parameter.copy_(torch.from_numpy(np.asarray(values, np.float32)))
        norms = [layer for layer in module.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
        for layer in norms:
            layer.momentum = 1.0  # one pass sets the running statistics to those of the batch
            layer.train()
        if norms:
            module(torch.from_numpy(images))
    return module.eval()


def import_torchvision() -> None:
    """Import torchvision; its build for CUDA, which is what the index has, does without its operators here."""
    import torch

    import_torchax()
    (folder,) = find_spec("torchvision").submodule_search_locations
    try:
        torch.ops.load_library(f"{folder}/_C.so")
    except OSError:
        # its import asks for the schemas of these two; no model here calls them
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision  # noqa: F401


# ---- images ----------------------------------------------------------------------------------------------------------


def image_model(make: Callable[[], Any], size: int) -> ModelInstance:
    """A network of one image (1, 3, size, size)."""
    import torch

    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)

    def images(count: int) -> np.ndarray:
        return np.ascontiguousarray(random_images(rng, count, size).transpose(0, 3, 1, 2))

    module = calibrate(make().eval(), rng, images(4))
    return instance(module, [images(1)], [images(1)])


def torchvision_model(name: str, size: int = 224, segmentation: bool = False) -> ModelInstance:
    """A model of torchvision."""
    import_torchvision()
    from torchvision import models

    folder = models.segmentation if segmentation else models
    weights = {"weights": None, "weights_backbone": None} if segmentation else {"weights": None}
    return image_model(lambda: getattr(folder, name)(**weights), size)


def timm_model(name: str, size: int = 224) -> ModelInstance:
    """A model of timm."""
    import_torchvision()
    import timm

    return image_model(lambda: timm.create_model(name, pretrained=False), size)


def diffusers_unet() -> ModelInstance:
    """The denoiser of a small diffusion model: a noisy image and its time step."""
    import torch

    import_torchvision()
    from diffusers import UNet2DModel

    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    module = UNet2DModel(
        sample_size=32,
        layers_per_block=1,
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=8,
        norm_num_groups=8,
    )
    calibrate(module, rng)
    first, second = (rng.normal(size=(1, 3, 32, 32)).astype(np.float32) for _ in range(2))
    return instance(module, [first, np.array([10])], [second, np.array([500])])


# ---- sequences -------------------------------------------------------------------------------------------------------


def token_model(
    config: str, model: str, head: Callable[[Any], Any] | None = None, tokens: int = TOKENS, **options: Any
) -> ModelInstance:
    """A model of transformers on one sequence of token ids.

    Parameters
    ----------
    config, model : str
        Names of the classes.
    head : callable, optional
        From the model to the part of it to run.
    tokens : int
        Length of the sequence.
    **options
        Of the configuration.
    """
    import torch

    import_torchvision()
    import transformers

    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    settings = getattr(transformers, config)(vocab_size=VOCABULARY, use_cache=False, **options)
    module = calibrate(getattr(transformers, model)(settings), rng)
    ids, others = (rng.integers(0, VOCABULARY, (1, tokens)) for _ in range(2))
    return instance(head(module) if head else module, [ids], [others])


def bert() -> ModelInstance:
    return token_model(
        "BertConfig",
        "BertModel",
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
    )


def gpt2() -> ModelInstance:
    return token_model("GPT2Config", "GPT2LMHeadModel", n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS)


def llama() -> ModelInstance:
    return token_model(
        "LlamaConfig",
        "LlamaForCausalLM",
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS // 2,
        intermediate_size=3 * WIDTH,
    )


def t5_encoder() -> ModelInstance:
    return token_model(
        "T5Config",
        "T5EncoderModel",
        d_model=WIDTH,
        num_layers=LAYERS,
        num_heads=HEADS,
        d_kv=WIDTH // HEADS,
        d_ff=4 * WIDTH,
    )


def mamba() -> ModelInstance:
    return token_model("MambaConfig", "MambaForCausalLM", hidden_size=WIDTH, num_hidden_layers=LAYERS, state_size=8)


def whisper_encoder() -> ModelInstance:
    """The encoder of whisper-tiny, two layers of it: 30 seconds of sound as a spectrogram."""
    import torch

    import_torchvision()
    import transformers

    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    settings = transformers.WhisperConfig(
        d_model=384, encoder_layers=2, encoder_attention_heads=6, encoder_ffn_dim=1536
    )
    module = calibrate(transformers.WhisperModel(settings).encoder, rng)
    first, second = (rng.normal(size=(1, 80, 3000)).astype(np.float32) for _ in range(2))
    return instance(module, [first], [second])


def lstm() -> ModelInstance:
    """Two recurrent layers of torch."""
    import torch

    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    module = calibrate(torch.nn.LSTM(32, 48, num_layers=2, batch_first=True), rng)
    first, second = (rng.normal(size=(2, 12, 32)).astype(np.float32) for _ in range(2))
    return instance(module, [first], [second])
