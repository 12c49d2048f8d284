#!/bin/bash
inotifywait='/usr/local/inotify/bin/inotifywait'
LOCAL=172.16.6.98
SRC=/data/website/
USER=website
COMMAND=/usr/bin/rsync 
Option="-vzrtopg --progress --delete" 
Module=website
PASSFILE=/etc/rsync.passwd
$inotifywait -mrq --timefmt '%y-%m-%d %H:%M' --format '%T %w%f %e' --event modify,delete,create,attrib $SRC | while read date time files
do
        $COMMAND $Option --password-file=$PASSFILE $SRC $USER@$LOCAL::$Module
        echo "$files was rsyncd" >> /var/log/rsync.log 2>&1
done
