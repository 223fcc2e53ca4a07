#!/bin/bash
# Runs every command with an --executor in jobs of a Slurm that runs on this machine alone, kills
# jobs on the way, and compares what it wrote with what one local process writes.
#
#   tools/try_slurm.sh [FOLDER [NAME...]]
#
# NAME is `build`, during which also a node and the command itself are killed, or a command of
# tools/engines/trials.py; without names, all of them run. It needs Debian's slurm-wlm and munge (as
# root, it installs them) and the environment of `make setup`. Slurm has two nodes on loopback, a
# key, ports and a folder of its own; everything that was started is stopped at the end. Commands
# and jobs run with the lowest priority (nice 19). FOLDER (default: a temporary one) keeps logs and
# results; what an earlier call has made there of scenes, shards and a run is used as it is.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
work=$(realpath -m "${1:-$(mktemp -d)}")
mkdir -p "$work"
names=" ${*:2} "
export PATH=$here/.venv/bin:$PATH PYTHONPATH=$here:$here/tools SLURM_CONF=$work/slurm.conf
export OMP_NUM_THREADS=1
umask 022

say() { echo "$(date +%T) $*"; }

for program in slurmctld slurmd munged; do
    command -v $program > /dev/null || PATH=$PATH:/usr/sbin command -v $program > /dev/null || {
        apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends slurm-wlm munge
        break
    }
done
PATH=$PATH:/usr/sbin

stop() { # all that was started: it has this SLURM_CONF in its environment
    set +e
    scancel --user="$(id -un)" 2> /dev/null
    for signal in TERM KILL; do
        for process in $(grep -lz "^SLURM_CONF=$SLURM_CONF\$" /proc/[0-9]*/environ 2> /dev/null); do
            kill -$signal "$(echo "$process" | cut -d/ -f3)" 2> /dev/null
        done
        [ $signal = TERM ] && sleep 8
    done
}
trap stop EXIT

# A cluster of two nodes with one core each.
host=$(hostname)
rm -rf "$work"/{state,spool-n1,spool-n2}
mkdir -p "$work"/{state,spool-n1,spool-n2}
(umask 077 && head -c 1024 /dev/urandom > "$work/munge.key")
cat > "$SLURM_CONF" << CONF
ClusterName=try
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool-%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd-%n.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MinJobAge=86400
ReturnToService=2
SlurmdTimeout=20
KillWait=5
JobRequeue=1
PropagatePrioProcess=1
SchedulerParameters=batch_sched_delay=0,sched_interval=2
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=16819 CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=16820 CPUs=1 State=UNKNOWN
PartitionName=try Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
CONF
munged --force --key-file="$work/munge.key" --socket="$work/munge.socket" \
    --pid-file="$work/munged.pid" --log-file="$work/munged.log" --seed-file="$work/munge.seed"
slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF" -N n1
slurmd -f "$SLURM_CONF" -N n2
for _ in $(seq 150); do [ "$(sinfo -h -o %A 2> /dev/null)" = 0/2 ] && break; sleep 0.4; done
say "Slurm $(sinfo --version | cut -d' ' -f2) runs: $(sinfo -h -o '%D nodes, %T')"

idle() { exec nice -n 19 "$@"; } # with the processor time that others leave; jobs inherit it
sums() { (cd "$1" && find . -type f | sort | xargs sha256sum); }

# What the commands work on. Each file is three clips; one file has no audio.
build=(yt360 build-shards "$work/media" --clip-s 1 --height 32 --shard-mb 1.2 --group-by video
       --test-fraction 0.75)
if [ ! -e "$work/whole" ]; then
    say "rendering scenes, building and training in one process"
    rm -rf "$work"/{scenes,media,local,run}
    (idle yt360 scenes "$work/scenes" --videos 11 --size 64x32 --duration-s 3 --segmentation-fps 1 \
        --workers 1)
    mkdir "$work/media"
    cp "$work"/scenes/*.mp4 "$work"/scenes/*.flac "$work/media"
    rm "$(ls "$work"/media/*.flac | tail -1)"
    (idle "${build[@]}" --out "$work/local" --workers 1)
    mapfile -t recipe < <(python -c 'from kill.stages import TRAIN; print(*TRAIN, sep="\n")')
    sums "$work/local" > "$work/local.sums"
    (idle avsa train --data "$work/local" --out "$work/run" "${recipe[@]}" --set stages.avsa.steps=2)
    touch "$work/whole"
fi
cat > "$work/slurm.yaml" << YAML
minutes: 60
poll_s: 0.2
state_s: 2
YAML
engine=(--executor slurm:try --executor-config "$work/slurm.yaml")

wait_for() { # WHAT COMMAND...: until the command succeeds
    local what=$1; shift
    for _ in $(seq 1500); do "$@" > /dev/null 2>&1 && return; sleep 0.2; done
    say "$what: waited too long"; exit 1
}
running() { [ -n "$(squeue -h -t running -o %i)" ]; }
on_n1() { squeue -h -t running -w n1 -o %j | grep -qv "$first"; }  # a job of the second run
staged() { [ "$(ls "$work/slurm/.staging/$1" 2> /dev/null | wc -l)" -ge "$2" ]; }

try_build() {
    local jobs=("${build[@]}" --out "$work/slurm" --workers 2 "${engine[@]}")
    rm -rf "$work"/slurm{,.jobs}
    say "building with jobs"
    idle "${jobs[@]}" > "$work/first.txt" 2>&1 & command=$!
    wait_for "the first analysis" staged analyses 1
    wait_for "a job" running
    say "cancelling job $(squeue -h -r -t running -o %i | head -1)"
    scancel "$(squeue -h -r -t running -o %i | head -1)"
    wait_for "the first clips" staged clips 1
    first=$(squeue -h -o %j | head -1)
    say "killing the command (SIGKILL); its jobs go on: $(squeue -h -r -o %i | wc -l)"
    kill -9 $command
    wait $command 2> /dev/null || true

    idle "${jobs[@]}" > "$work/second.txt" 2>&1 & command=$!
    wait_for "a job on n1" on_n1
    say "killing node n1 (SIGKILL); its job goes on there, and starts again elsewhere"
    kill -9 "$(cat "$work/slurmd-n1.pid")"
    wait $command || { cat "$work/second.txt"; exit 1; }
    sums "$work/slurm" > "$work/slurm.sums"
    diff "$work/local.sums" "$work/slurm.sums"
    say "equal: $(wc -l < "$work/slurm.sums") files, $(sha256sum < "$work/slurm.sums" | cut -c1-16)"
}

# The build is the last, since it kills a node.
read -ra commands <<< "${names/ build / }"
if [ "$names" != " build " ]; then
    rm -rf "$work/commands"
    (idle python -m engines "${commands[@]}" --scenes "$work/scenes" --dataset "$work/local" \
        --run "$work/run" --out "$work/commands" "${engine[@]}")
fi
case "$names" in *" build "* | "  ") try_build ;; esac
