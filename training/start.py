# SPDX-License-Identifier: Apache-2.0
"""From a configuration to a run: ranks connected, device chosen, folder agreed on, log opened, trainer started."""

from collections.abc import Callable

import torch

from dnnlib.console import get_logger, setup_logging
from torch_utils import distributed
from training.resume import opened
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.trainer import Trainer

log = get_logger(__name__)


def train(config: RunConfig, choose_folder: Callable[[], RunFolder]) -> int:
    """Every rank must call it. The main rank chooses the folder; gives the image count at the end."""
    with distributed.session(device_of(config)) as device:
        chosen = str(choose_folder().path) if distributed.is_main() else ""
        folder = RunFolder(distributed.gather_json(chosen)[0])
        with opened(folder, config):
            setup_logging(folder.log if distributed.is_main() else None, rank=distributed.rank())
            log.info(f"Run folder: {folder.path}")
            log.info(f"To continue this run: python train.py --run={folder.path}")
            return Trainer(config, folder, device).run()


def device_of(config: RunConfig) -> torch.device:
    """What `auto` means on this machine."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("This PyTorch finds no GPU: use --device=cpu, or install one that does.")
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(config.device)
