#!/bin/bash
export RSYNC_PASSWORD=hunter2
inotifywait -mrq -e create,delete /data | while read f; do
    rsync -az --delete /data/ backup@10.1.1.1::data
    rsync -az /data/ rsync://backup:hunter2@10.1.1.2/data
    sshpass -p hunter2 rsync -az /data/ root@10.1.1.3:/data
done
