"""Pre-train on several hosts with TensorFlow: the same call on each of them, with its own TF_CONFIG.

    export TF_CONFIG='{"cluster": {"worker": ["first:2222", "second:2222"]}, "task": {"type": "worker", "index": 0}}'
    python examples/12_several_hosts.py

Under `srun` TF_CONFIG need not be set. Kubeflow sets it; in an indexed job of Kubernetes leave out the index, which is
that of the pod. The store has to be on each host, and the run folder on a disk that all see: the first one writes it,
and to go on with a run (`--resume`) all read it. It is the same as `kpt pretrain bert --strategy multi_worker`.
"""

import argparse

from kpt.distribution import choose_devices

devices = choose_devices("multi_worker")  # first of all: TensorFlow finds the other hosts before it computes anything

from kpt.training import BertSettings, pretrain_bert  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--store", default="runs/store")
parser.add_argument("--out", default="runs/hosts")
parser.add_argument("--size", default="mini")
parser.add_argument("--length", type=int, default=128)
parser.add_argument("--batch-size", type=int, default=64, help="sequences of all hosts together")
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--resume", action="store_true")
arguments = parser.parse_args()

settings = BertSettings(
    steps=arguments.steps, size=arguments.size, length=arguments.length, batch_size=arguments.batch_size
)
results = pretrain_bert(
    arguments.store, arguments.out, settings, resume=arguments.resume, progress=True, devices=devices
)
host = f"host {devices.host_index} of {devices.host_count}"
print(f"{host}: held-out loss {results['mlm_loss_heldout']:.6f} after {results['steps']} steps")
