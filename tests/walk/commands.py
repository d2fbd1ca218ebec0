"""The command line of a fit: flags, config files, and what does not go together."""

import socket
import subprocess
import sys

from vae_rd import FitConfig, fit, fit_model
from vae_rd.config.fields import WIDEST
from vae_rd.process.collectives import connected

from helpers.common import ROOT
from walk.steps import (
    BITS,
    LEVELS,
    OWN,
    SMALL,
    Call,
    Step,
    archive,
    changed_variable,
    each,
    fitted,
    flags,
    step,
    written,
)

HUGE = 10**12
SEVENTHS = LEVELS % 7
GREY = ("--data=npz", "--data_file=own.npz")


def config(content: str | bytes, says: str, instead: str) -> Step:
    """A config file that is refused, and the same file mended."""
    run = lambda: fit.main([*(flag for flag in SMALL if "wandb" not in flag), *OWN, "--config=c.yaml"])  # noqa: E731
    return step(says, run, each(written("c.yaml", instead), run), before=written("c.yaml", content))


FLAGS = [
    flags(
        "--data=sprites --target=label --likelihood=categorical",
        "takes data with labels of one kind, and --data sprites has rotation, scale, shape, x, y; leave it out",
        "--data=sprites --n_train=16 --n_test=16",
    ),
    flags(
        "--data=digits --binarization=threshold --target=label --likelihood=categorical --units=bits_per_dim",
        "which has no pixels; leave it out",
        "--data=digits --binarization=threshold --target=label --likelihood=categorical",
    ),
    flags("beta 4", "every value follows its flag, as in --beta 4", "--beta 4"),
    step("a list is one word in quotes", fitted("--hidden", "[4,", "2]"), fitted("--hidden", "[4, 2]")),
    flags("--print_config=false", "takes no value; leave =false out", "--print_config"),
    flags("--name --seed=3", "give text or null", "--name a --seed=3", "--name null --seed=3"),
    flags("--hidden", "give a list such as [512, 256]", "--hidden [512,256]"),
    step("name a YAML file", fitted("--config"), fitted("--config", "c.yaml"), before=written("c.yaml", "beta: 2")),
    flags("--bta 4", "did you mean --beta?", "--beta 4"),
    flags("--zzz 4", "see --help", "--help"),
    flags("--latent_dim 16.5", "give a whole number", "--latent_dim 16"),
    flags("--data cifar", "choose one of sprites", "--data sprites --n_train 16 --n_test 16"),
    flags("--overwrite maybe", "give true or false", "--overwrite true", "--overwrite false"),
    flags("--run_dir ${oc.env:HOME}", "values refer to nothing outside themselves", "--run_dir here"),
    flags("--run_dir ~nobody_of_this_name/x", "write the path out", "--run_dir x"),
    flags("--beta nan", "give a finite number", "--beta 1"),
    flags(f"--seed {2**63}", "the most it can be is 9223372036854775807", f"--seed {2**63 - 1}"),
    flags("--beta -1", "the least it can be is 0", "--beta 0"),
    flags("--lr 0", "it must be greater than 0", "--lr 0.001"),
    flags("--hidden []", "give one positive width per layer, such as [512, 256]", "--hidden [512,256]"),
    flags("--name ../x", "use up to 200 letters, digits and . _ - + = @ ,", "--name x"),
    step(
        "--data npz needs --data_file with one's own npz",
        fitted("--data=npz"),
        fitted("--data=npz", "--data_file=own.npz"),
        before=archive(images=BITS),
    ),
    flags(
        "--data gaussian --gaussian_eigenvalues [] --likelihood gaussian",
        "such as [4, 1]",
        "--data gaussian --gaussian_eigenvalues [4,1] --likelihood gaussian --n_train 16 --n_test 16",
    ),
    step(
        "leave out --dequantize or --binarization",
        fitted(*GREY, "--binarization=dynamic", "--dequantize=uniform"),
        fitted(*GREY, "--binarization=dynamic"),
        fitted(*GREY, "--dequantize=uniform", "--likelihood=gaussian"),
        before=archive(images=LEVELS),
    ),
    flags("--batch_size 9 --devices 2", "give a multiple of 2", "--batch_size 8 --devices 2 --print_config"),
    flags(
        "--beta_start 0.1 --max_epochs 2 --max_steps 4",
        "say with --beta_warmup over how many steps",
        "--beta_start 0.1 --beta_warmup 2 --max_epochs 2 --max_steps 4",
    ),
    flags(
        "--objective geco",
        "say which with --target_distortion, nats",
        "--objective geco --target_distortion 9",
    ),
    flags(
        "--beta_schedule cosine --max_steps 4",
        "say with --beta_warmup over how many steps",
        "--beta_schedule cosine --beta_warmup 2 --max_epochs 2 --max_steps 4",
    ),
    flags(
        "--beta_schedule geometric --beta_warmup 2 --max_epochs 2 --max_steps 4",
        "give a --beta_start above it, or choose linear",
        "--beta_schedule geometric --beta_start 3 --beta_warmup 2 --max_epochs 2 --max_steps 4",
        "--beta_schedule linear --beta_warmup 2 --max_epochs 2 --max_steps 4",
    ),
    flags(
        "--beta_warmup 100 --warmup_unit percent",
        "give at most 99",
        "--beta_warmup 50 --warmup_unit percent --max_epochs 2 --max_steps 4",
    ),
    flags(
        "--warmup_unit percent",
        "Give one, or leave it out",
        "--beta_warmup 50 --warmup_unit percent --max_epochs 2 --max_steps 4",
        "--beta 2",
    ),
    flags(
        "--beta_start 0.1 --beta 0 --beta_warmup 2 --max_steps 4",
        "leave it out",
        "--beta 0 --beta_warmup 2 --max_steps 4",
    ),
    flags(
        "--target_rate 1 --rate_weight 2 --beta_start 3",
        "leave out one of the two",
        "--target_rate 1 --rate_weight 2",
        "--target_rate 1 --beta_start 3",
    ),
    flags(
        "--target_rate 1 --beta_start 0",
        "give one above it, or leave it out",
        "--target_rate 1 --beta_start 3",
        "--target_rate 1",
    ),
    flags("--resume auto --overwrite", "choose one", "--resume auto", "--overwrite"),
    flags(
        "--data sprites --levels 17",
        "belongs to --data npz or npy or image_folder or hf or csv or parquet, not to --data sprites; leave it out",
        "--data sprites --n_train 16 --n_test 16",
    ),
    flags(
        "--encoder linear --decoder linear --hidden [4]",
        "nothing reads it with --encoder linear",
        "--encoder linear --decoder linear --hidden null",
    ),
]

CONFIGS = [
    config("latent_dims: 3", "did you mean --latent_dim?", "latent_dim: 3"),
    config("beta: 1\nbeta: 4", "line 2: beta is given here and in line 1; leave one of them out", "beta: 4"),
    config("seed: 010", "write it in base 10, or in quotes as text", "seed: 8"),
    config("name: 010", "write it in base 10, or in quotes as text", "name: '010'"),
    config("wandb: off", "write it in quotes", "wandb: 'off'"),
    config("name: 7", "write it in quotes", "name: '7'"),
    config(b"\xff", "not a YAML file of flat `flag: value` lines", "beta: 4"),
    config("- beta", "not a YAML file of flat `flag: value` lines", "beta: 4"),
    config("{", "not a YAML file of flat `flag: value` lines", "{beta: 4}"),
    config("\0", "not a YAML file of flat `flag: value` lines", "beta: 4"),
    step(
        "; name a YAML file",
        fitted("--config=none.yaml"),
        fitted("--config=c.yaml"),
        before=written("c.yaml", "beta: 2"),
    ),
]
GAUSSIAN = ("--data=gaussian", "--n_train=16", "--n_test=16")
COMBINATIONS = [
    flags(
        f"--posterior full --latent_dim {WIDEST}",
        "too large for memory; give smaller ones",
        "--posterior full --latent_dim 3",
    ),
    flags(
        f"--data sphere --likelihood gaussian --n_train {HUGE}",
        "too large for memory; give smaller ones",
        "--data sphere --likelihood gaussian --n_train 16",
    ),
    flags(
        "--posterior categorical",
        "choose two of one kind",
        "--posterior categorical --prior categorical",
        "--posterior diagonal",
    ),
    flags(
        "--posterior deterministic",
        "R is undefined and cannot be weighed; add --beta 0",
        "--posterior deterministic --beta 0",
    ),
    flags(
        "--posterior deterministic --objective target_rate --target_rate 2",
        "leave out --objective target_rate with its flags, and add --beta 0",
        "--posterior deterministic --beta 0",
    ),
    flags("--gradient score_function", "for a baseline; add --samples 2", "--gradient score_function --samples 2"),
    flags(
        "--gradient score_function --samples 2 --objective info_vae",
        "couples those of a batch; leave it out",
        "--samples 2 --objective info_vae",
    ),
    flags("--gradient dreg", "add --objective iwae", "--gradient dreg --objective iwae"),
    flags("--gradient sticking --objective iwae", "choose dreg", "--gradient dreg --objective iwae"),
    flags("--gradient sticking --objective capacity", "D + w R alone; leave it out", "--objective capacity"),
    flags(
        "--posterior deterministic --beta 0 --gradient sticking",
        "takes ln q(z|x), which Point does not have; leave it out",
        "--posterior deterministic --beta 0",
    ),
    flags(
        "--objective dip_vae_i --posterior full",
        "takes a product of normals, not FullNormal; choose --posterior diagonal",
        "--objective dip_vae_i --posterior diagonal",
    ),
    flags(
        "--objective iwae --posterior categorical --prior categorical",
        "have no gradient; add --gradient score_function --samples 2",
        "--objective iwae --posterior categorical --prior categorical --gradient score_function --samples 2",
    ),
    flags(
        "--objective info_vae --posterior categorical --prior categorical",
        "draws of CategoricalLatent have no gradient; choose --posterior diagonal",
        "--objective info_vae --posterior diagonal",
    ),
    flags(
        "--objective beta_tc --batch_size 1",
        "compares the examples of a batch; give 2 or more",
        "--objective beta_tc --batch_size 2",
    ),
    flags(
        "--free_bits 1 --prior mixture",
        "add --free_bits_per total",
        "--free_bits 1 --free_bits_per total --prior mixture",
    ),
    flags(
        "--posterior deterministic --free_bits 2",
        "leave out --objective free_bits with its flags, and add --beta 0",
        "--posterior deterministic --beta 0",
    ),
    flags(
        "--posterior deterministic --beta 0 --prior mixture",
        "whose R is undefined; leave it out",
        "--posterior deterministic --beta 0",
    ),
    step(
        "choose another likelihood",
        fitted(*GAUSSIAN, "--likelihood=gaussian_optimal", "--posterior=categorical", "--prior=categorical"),
        fitted(*GAUSSIAN, "--likelihood=gaussian", "--posterior=categorical", "--prior=categorical"),
        fitted(*GAUSSIAN, "--likelihood=gaussian_shared", "--posterior=categorical", "--prior=categorical"),
        fitted(*GAUSSIAN, "--likelihood=gaussian_pixel", "--posterior=categorical", "--prior=categorical"),
    ),
    flags("--likelihood gaussian", "where a density means nothing; choose bernoulli", "--likelihood bernoulli"),
    step(
        "x of --data gaussian is real-valued; choose gaussian or",
        fitted(*GAUSSIAN),
        *(
            fitted(*GAUSSIAN, f"--likelihood={word}")
            for word in ("gaussian", "gaussian_shared", "gaussian_pixel", "gaussian_optimal", "laplace")
        ),
    ),
    step(
        ", or add --binarization dynamic, static or threshold",
        fitted(*GREY),
        fitted(*GREY, "--likelihood=gaussian"),
        fitted(*GREY, "--binarization=dynamic"),
        fitted(*GREY, "--binarization=static"),
        fitted(*GREY, "--binarization=threshold"),
        before=archive(images=LEVELS),
    ),
    step(
        ", or leave out --dequantize",
        fitted(*GREY, "--likelihood=beta_binomial", "--dequantize=uniform"),
        fitted(*GREY, "--likelihood=beta_binomial"),
        before=archive(images=LEVELS),
    ),
    step(
        ", or add --dequantize uniform",
        fitted(*GREY, "--likelihood=gaussian_shared"),
        fitted(*GREY, "--likelihood=gaussian"),
        fitted(*GREY, "--likelihood=gaussian_shared", "--dequantize=uniform"),
        before=archive(images=LEVELS),
    ),
    step(
        "does not write means of pixels; leave it out",
        fitted("--data=toy_channel", "--likelihood=categorical", "--whiten", "--n_train=16", "--n_test=16"),
        fitted("--data=toy_channel", "--likelihood=categorical", "--n_train=16", "--n_test=16"),
    ),
    flags("--whiten", "does not write means of pixels; leave it out", ""),
    step(
        "or store the values as whole numbers from 0, and add --dequantize uniform",
        fitted(*GREY, "--likelihood=gaussian_shared"),
        fitted(*GREY, "--likelihood=gaussian"),
        each(archive(images=SEVENTHS), fitted(*GREY, "--likelihood=gaussian_shared", "--dequantize=uniform")),
        before=archive(images=0.3 * SEVENTHS + 0.1),
    ),
    step(
        "leave it out, or fit with --dequantize uniform",
        fitted(*GREY, "--likelihood=gaussian", "--units=bits_per_dim"),
        fitted(*GREY, "--likelihood=gaussian"),
        fitted(*GREY, "--likelihood=gaussian", "--units=bits_per_dim", "--dequantize=uniform"),
        before=archive(images=LEVELS),
    ),
    flags("--batch_size 9999", "the training split has 32 examples; give at most as many", "--batch_size 32"),
    flags(
        "--beta_warmup 9",
        "lower it, or take more steps (--max_epochs, --max_steps)",
        "--beta_warmup 1",
        "--beta_warmup 9 --max_epochs 9 --max_steps 36",
    ),
    flags(
        "--data sprites --eval_samples 1", "takes 2 or more", "--data sprites --n_train 16 --n_test 16 --eval_samples 2"
    ),
    flags("--accelerator gpu", "choose --accelerator cpu", "--accelerator cpu"),
    flags("--binarization dynamic", "are binary; leave it out, with --likelihood bernoulli", "--likelihood bernoulli"),
    step(
        "real-valued; leave it out, with --likelihood gaussian",
        fitted(*GAUSSIAN, "--dequantize=uniform"),
        fitted(*GAUSSIAN, "--likelihood=gaussian"),
    ),
    flags("--n_train 9999", "the train split of --data npz has 32 examples; give at most as many", "--n_train 32"),
]
TORCHRUN = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}


def on_two_gpus() -> None:
    """What the first of two processes does on GPUs that are not there."""
    with connected(devices=2, num_nodes=1, cuda=True):
        pass


def on_two_machines(*flags: str) -> Call:
    """torchrun of one process each on two machines, which are this one."""

    def run() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            where = f"--master_addr=127.0.0.1 --master_port={probe.getsockname()[1]} --nnodes=2 --nproc_per_node=1"
        words = [sys.executable, "-m", "torch.distributed.run", *where.split()]
        fit = ["-m", "vae_rd.fit", *SMALL, *OWN, *flags]
        machines = [subprocess.Popen([*words, f"--node_rank={rank}", *fit], stderr=subprocess.PIPE) for rank in (0, 1)]
        return max(machine.wait(120) for machine in machines)

    return run


HERE = changed_variable({"PYTHONPATH": str(ROOT)})
PROCESSES = [
    step(
        "unset them, or start by torchrun or srun",
        fitted(),
        each(changed_variable(dict.fromkeys(TORCHRUN)), fitted()),
        before=changed_variable(TORCHRUN | {"RANK": "none"}),
    ),
    step(
        "1 processes, but 2 were started",
        fitted(),
        each(changed_variable(dict.fromkeys(TORCHRUN)), fitted()),
        before=changed_variable(TORCHRUN),
    ),
    step(
        "python -m vae_rd.fit starts its processes by itself",
        lambda: fit_model(FitConfig(data="npz", data_file="bits.npz", batch_size=8, devices=2, wandb="off")),
        fitted("--devices=2"),
        before=HERE,
    ),
    step(
        "ask for no more, or set CUDA_VISIBLE_DEVICES= to take the CPU",
        on_two_gpus,
        each(changed_variable(dict.fromkeys(TORCHRUN)), fitted("--devices=1")),
        each(changed_variable(dict.fromkeys(TORCHRUN) | {"CUDA_VISIBLE_DEVICES": ""}), fitted("--devices=2")),
        before=each(HERE, changed_variable(TORCHRUN)),
    ),
    step(
        "start the command on every machine, by torchrun or srun",
        fitted("--num_nodes=2"),
        on_two_machines("--num_nodes=2"),
        before=HERE,
    ),
]
STEPS = [*FLAGS, *CONFIGS, *COMBINATIONS, *PROCESSES]
