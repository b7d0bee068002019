"""`python train.py`: Linguistic Correlation Analysis once; every setting is a Hydra override (see --help)."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from neuronprobe.agent import overrides

WITH_TRACEBACK = os.environ.get("HYDRA_FULL_ERROR") == "1"
failures: list[BaseException] = []
folders: list[Path] = []


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def job(config: DictConfig) -> None:
    """One job; what it raises is kept, so that the other jobs of a multirun go on."""
    from neuronprobe.run import run

    folders.append(Path(hydra.core.hydra_config.HydraConfig.get().runtime.output_dir))
    try:
        run(config, folders[-1])
    except Exception as error:
        failures.append(error)
        say(error)


def say(error: BaseException) -> None:
    """One line for bad input, with the traceback on request; anything else is a defect and keeps its traceback."""
    import traceback

    from neuronprobe.errors import InputError, one_line

    raised_in = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)][-1:]
    modules = [type(error).__module__, *raised_in]
    is_input = isinstance(error, InputError) or any(m.startswith(("hydra.", "omegaconf.", "wandb.")) for m in modules)
    if WITH_TRACEBACK or not is_input:
        traceback.print_exception(error)
    print(f"error: {one_line(error)}", file=sys.stderr)


def main() -> int:
    """0 when all jobs went well, 1 for a failed job, 2 for an override that does not fit, 130 after Ctrl-C."""
    os.environ["NEURONPROBE_ID"] = secrets.token_hex(3)  # of this run or sweep; other processes of it inherit it
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors on instead of printing them
    sys.argv[1:] = overrides(sys.argv[1:])
    try:
        job()
    except KeyboardInterrupt:
        where = f" with hydra.run.dir={folders[-1]}" if folders else ""
        print(f"interrupted: activations and finished epochs are kept; repeat the command{where}.", file=sys.stderr)
        return 130
    except Exception as error:
        say(error)
        return 2
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
