#!/bin/sh
# Become Valkey, with settings that it reads from its standard input: the password is in no argument and in no file.
set -eu
exec valkey-server - <<EOF
port ${BROKER_PORT:?}
bind ${BROKER_ADDRESS:?}
dir ${BROKER_FOLDER:?}
# Every change goes into a log, which is on the disk within a second.
appendonly yes
appendfsync everysec
save ""
# What does not fit is refused, not thrown away.
maxmemory-policy noeviction
# Who has the password puts and takes tasks: no settings, no modules, no files, no other server's data.
user default on >${BROKER_PASSWORD:?} ~* &* +@all -@admin -@dangerous
EOF
