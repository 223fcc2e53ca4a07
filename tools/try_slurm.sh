#!/bin/bash
# Builds a dataset with jobs of a Slurm that runs on this machine alone, kills jobs, a node and the
# command itself on the way, and compares the result with that of one local process.
#
#   tools/try_slurm.sh [FOLDER]
#
# It needs Debian's slurm-wlm and munge (as root, it installs them) and the environment of
# `make setup`. Slurm has two nodes on loopback, a key, ports and a folder of its own; everything
# that was started is stopped at the end. FOLDER (default: a temporary one) keeps logs and results.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
work=$(realpath -m "${1:-$(mktemp -d)}")
mkdir -p "$work"
export PATH=$here/.venv/bin:$PATH PYTHONPATH=$here SLURM_CONF=$work/slurm.conf
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

# The build of one process, and the same with jobs. Each file is three clips; one has no audio.
build=(yt360 build-shards "$work/media" --clip-s 1 --height 32 --shard-mb 0.2)
yt360 scenes "$work/scenes" --videos 6 --size 64x32 --duration-s 3 --segmentation-fps 1 --workers 1
mkdir -p "$work/media"
cp "$work"/scenes/*.mp4 "$work"/scenes/*.flac "$work/media"
rm "$(ls "$work"/media/*.flac | tail -1)"
"${build[@]}" --out "$work/local" --workers 1 > "$work/local.txt"
cat > "$work/slurm.yaml" << YAML
minutes: 30
poll_s: 0.2
state_s: 2
YAML
jobs=("${build[@]}" --out "$work/slurm" --workers 2 --executor slurm:try --executor-config "$work/slurm.yaml")

wait_for() { # WHAT COMMAND...: until the command succeeds
    local what=$1; shift
    for _ in $(seq 1500); do "$@" > /dev/null 2>&1 && return; sleep 0.2; done
    say "$what: waited too long"; exit 1
}
running() { [ -n "$(squeue -h -t running -o %i)" ]; }
on_n1() { squeue -h -t running -w n1 -o %j | grep -qv "$first"; }  # a job of the second run
staged() { [ "$(ls "$work/slurm/.staging/$1" 2> /dev/null | wc -l)" -ge "$2" ]; }

say "building with jobs"
"${jobs[@]}" > "$work/first.txt" 2>&1 & command=$!
wait_for "the first analysis" staged analyses 1
wait_for "a job" running
say "cancelling job $(squeue -h -r -t running -o %i | head -1)"
scancel "$(squeue -h -r -t running -o %i | head -1)"
wait_for "the first clips" staged clips 1
first=$(squeue -h -o %j | head -1)
say "killing the command (SIGKILL); its jobs go on: $(squeue -h -r -o %i | wc -l)"
kill -9 $command
wait $command 2> /dev/null || true

"${jobs[@]}" > "$work/second.txt" 2>&1 & command=$!
wait_for "a job on n1" on_n1
say "killing node n1 (SIGKILL); its job goes on there, and starts again elsewhere"
kill -9 "$(cat "$work/slurmd-n1.pid")"
wait $command || { cat "$work/second.txt"; exit 1; }

sums() { (cd "$1" && find . -type f | sort | xargs sha256sum); }
sums "$work/local" > "$work/local.sums"
sums "$work/slurm" > "$work/slurm.sums"
diff "$work/local.sums" "$work/slurm.sums"
say "equal: $(wc -l < "$work/slurm.sums") files, $(sha256sum < "$work/slurm.sums" | cut -c1-16)"
yt360 check "$work/slurm"
