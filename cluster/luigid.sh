#!/bin/bash
# cluster/luigid.sh ADDRESS [PORT [STATE]]: luigid for builds that several hosts share, at one address of this host only,
# its memory in a folder that nobody else can write to. Whoever reaches the port can have the workers run what he likes
# (docs/clusters.md): let ADDRESS be one of a network whose users you trust, or 127.0.0.1.
set -u
address=${1:?usage: cluster/luigid.sh ADDRESS [PORT [STATE]]}
port=${2:-8082}
state=${3:-${XDG_STATE_HOME:-${HOME:?no home: name a folder as STATE}/.local/state}/flnet-luigid}
mkdir -p "$(dirname "$state")" && { mkdir -m 700 "$state" 2>/dev/null || [ -d "$state" ]; } || exit 1
# luigid unpickles what it finds there, which runs it.
if [ -L "$state" ] || [ ! -O "$state" ] || [ -n "$(find "$state" -maxdepth 0 -perm /077)" ]; then
    echo "cluster/luigid.sh: $state: must be a folder of your own, closed to others; chmod 700, or name another" >&2
    exit 1
fi
umask 077
exec luigid --address "$address" --port "$port" --state-path "$state/$address-$port.pickle"
