"""Makes the real torchvision importable beside a build of torch for CPUs: import this before a trainer.

Package indexes have torchvision with operators for CUDA, which do not load without it, and then its package
fails where it describes two of them. They are declared here; what trainers use of it is Python.
"""

import torch

if not hasattr(torch.ops.torchvision, "nms"):
    library = torch.library.Library("torchvision", "FRAGMENT")
    for _name in ("nms", "qnms"):
        library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import torchvision  # noqa: F401
