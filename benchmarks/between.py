"""Write the model that lies a share of the way from one model folder to another.

    python benchmarks/between.py BASE FINAL SHARE OUT

Each weight is (1 - SHARE) · BASE + SHARE · FINAL (Wortsman et al. 2022, Robust fine-tuning of
zero-shot models, arXiv 2109.01903). `selfplay eval OUT` then says whether a run that gained little
went in a wrong direction, or too far in a good one. OUT must not exist yet; BASE may be any model
that a run takes, FINAL is a folder, such as a run's checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from envs.errors import InputError
from selfplay.models.load import load_model, load_tokenizer


def main() -> None:
    """Parse the arguments, mix, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("base")
    parser.add_argument("final")
    parser.add_argument("share", type=float)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    if given.out.exists():
        parser.error(f"{given.out} exists; name another folder")
    try:
        base = load_model(given.base, dtype=torch.float32)
        final = load_model(given.final, dtype=torch.float32)
        tokenizer = load_tokenizer(given.final)
    except InputError as error:
        parser.error(str(error))
    start = dict(base.named_parameters())
    with torch.no_grad():
        for name, parameter in final.named_parameters():
            parameter.lerp_(start[name], 1 - given.share)
    final.to(torch.bfloat16).save_pretrained(given.out)
    tokenizer.save_pretrained(given.out)


if __name__ == "__main__":
    main()
