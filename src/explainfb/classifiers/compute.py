"""What an arm costs: how many images go forward through a classifier to make it, and how many backward.

A gradient that comes to the logits is one pass backward, also where it is wanted for the pixels alone. Where that
gradient is itself differentiated (double backprop), the way back through it is another pass: a penalty on the input
gradient costs one pass forward and three backward.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from explainfb.classifiers.classifier import Classifier
from explainfb.core.errors import InputError
from explainfb.core.files import check_file, read_json, write_json
from explainfb.results.records import Compute


@dataclass
class _Counter:
    """Images through a network so far."""

    forward: int = 0
    backward: int = 0


@contextmanager
def counted(product: Path) -> Iterator[None]:
    """Count the passes through any classifier made inside, and keep the numbers beside the file `product`.

    The file itself is to be written afterwards, so that what is there has its numbers.
    """
    counter, lock = _Counter(), Lock()

    def backward(gradient: Tensor) -> None:
        counter.backward += len(gradient)
        if gradient.requires_grad:  # double backprop: the gradient is itself differentiated
            gradient.register_hook(backward)

    def forward(module: nn.Module, _: object, logits: Tensor) -> None:
        if isinstance(module, Classifier):
            with lock:  # explanations are made in several threads
                counter.forward += len(logits)
            if logits.requires_grad:
                logits.register_hook(backward)

    # for all modules, because classifiers are copied on the way and a hook of one would not see its copies
    hook = register_module_forward_hook(forward)
    try:
        yield
    finally:
        hook.remove()
    write_json(asdict(counter), _counts_path(product))


def compute_of(products: Iterable[Path]) -> Compute | None:
    """What was counted for all of `products` together; None where one of them was made without being counted.

    Raises `InputError` naming a file of numbers that is damaged.
    """
    total = Compute(0, 0)
    for path in map(_counts_path, products):
        if not path.is_file():
            return None
        check_file(path)
        try:
            found = Compute(**read_json(path))
            total = Compute(total.forward + found.forward, total.backward + found.backward)
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} is damaged; delete it to leave this arm's compute out of the results.") from error
    return total


def _counts_path(product: Path) -> Path:
    return product.with_suffix(".budget.json")  # as compute was first called, in studies that still are read
