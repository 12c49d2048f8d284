#!/usr/bin/env bash
set -euo pipefail
SOURCE_DIR="${1:-/var/www/html}"
REMOTE_HOST="${REMOTE_HOST:-web2.example.com}"
LOG=/var/log/sync.log

log() {
    echo "$(date '+%F %T') $*" >> "$LOG"
}

sync_all() {
    rsync -azh --delete --partial --exclude 'cache/' --exclude '/tmp' "$SOURCE_DIR/" "root@${REMOTE_HOST}:/var/www/html/" >> "$LOG" 2>&1 || log "failed"
}

sync_all
inotifywait -m -r -e close_write -e moved_to -e delete --exclude '\.swp$' "$SOURCE_DIR" |
while read -r dir action file; do
    log "$dir$file $action"
    sync_all
done
