# Installs the packages that are named, and keeps the system from starting what is in them.
set -eu
export DEBIAN_FRONTEND=noninteractive

# Asked by maintainer scripts before they start a service. One that is there already is the administrator's.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT INT TERM HUP
fi

# No cluster of the system's own, or it would start with the next boot on the usual port.
cluster=/etc/postgresql-common/createcluster.conf
for package in "$@"; do
    if [ "$package" = postgresql ] && [ ! -e "$cluster" ]; then
        mkdir -p "${cluster%/*}"
        printf '# Written by `cargo xtask`, which starts servers of its own. Delete this file to have a cluster made by default.\ncreate_main_cluster = false\n' >"$cluster"
    fi
done

# The lists may be empty (a fresh container) or old (files that are no longer there): then they are fetched.
get() { apt-get install --yes --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@"; }
get "$@" || { apt-get update && get "$@"; }

if [ -d /run/systemd/system ]; then
    for package in "$@"; do
        systemctl disable "$package.service" || true
    done
fi
