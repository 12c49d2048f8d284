#!/bin/sh
while true
do
    inotifywait -r -e modify,attrib,close_write,move,create,delete /home
    rsync -a --whole-file -u --backup /home /mnt/backup
    sleep 5
done
