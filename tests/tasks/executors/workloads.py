"""Functions that the executor tests run in worker processes."""

import os
import re
import signal
import sys
from pathlib import Path

import numpy as np

from windrow.tasks.executors import worker_state


class UnpicklableError(Exception):
    """Pickles, but cannot be made again: its constructor wants two arguments and its args hold one."""

    def __init__(self, what, where):
        super().__init__(f"{what} at {where}")


class Counted:
    """Counts, in each process, how many times one was unpickled."""

    arrivals = 0

    def __init__(self, array):
        self.array = array

    def __setstate__(self, state):
        type(self).arrivals += 1
        self.__dict__.update(state)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_on_three(value):
    return die() if value == 3 else value


def hold_the_interpreter(path):
    """Let no other thread of this process run, for longer than anyone waits."""
    Path(path).touch()
    re.match(r"(a+)+b", "a" * 60)


def exit_with(code):
    os._exit(code)


def raise_unpicklable():
    raise UnpicklableError("tar", "byte 512")


def raise_value_error(value):
    raise ValueError(f"no such shard: {value}")


def raise_on_two(value):
    if value == 2:
        raise LookupError(value)
    return value


def interrupt_me():
    os.kill(os.getpid(), signal.SIGINT)
    return "still here"


def touch(path):
    Path(path).touch()


def pass_gate(pair):
    path, gate = pair
    touch(path)
    wait_for(gate)


def wait_for(path):
    """Spin until a file exists: how a test holds a worker busy without a clock."""
    while not Path(path).exists():
        pass
    return str(path)


def meet(path, paths, function=os.getpid):
    """Come to a meeting, then answer: only calls in different workers at the same time can get past it."""
    touch(path)
    for other in paths:
        wait_for(other)
    return function()


def square(value):
    return value * value


def table_row(row, table):
    return table["values"][row].tolist(), table["values"].flags.writeable


def pid_and_arrivals(_item, counted):
    return os.getpid(), Counted.arrivals, float(counted.array.sum())


def mapped_files():
    return Path("/proc/self/maps").read_text()


def held_values():
    from windrow.tasks.executors import calls

    return len(calls._broadcasts)


class Backbone:
    made = 0

    def __init__(self, name):
        type(self).made += 1
        self.name = name


def backbone_of(name):
    backbone = worker_state(Backbone, name)
    return os.getpid(), id(backbone), Backbone.made


def visible_gpus():
    return os.environ["CUDA_VISIBLE_DEVICES"]


def environment_at_start():
    """The environment the process was started with, which later changes of os.environ do not touch."""
    pairs = Path("/proc/self/environ").read_text().rstrip("\0").split("\0")
    return dict(pair.split("=", 1) for pair in pairs)


def loaded_modules():
    return set(sys.modules)


def scatter_matrix(seed):
    vectors = np.random.default_rng(seed).standard_normal((20000, 64), dtype=np.float32)
    return (vectors.T @ vectors).tobytes()


def shard_sum(seed):
    return np.random.default_rng(seed).standard_normal(1000, dtype=np.float32).sum(dtype=np.float32)
