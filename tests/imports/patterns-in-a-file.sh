#!/bin/bash
SRC=/data/files/
DES=files
LIST=$(dirname $0)/exclude.list
/usr/bin/inotifywait -mrq --timefmt '%d/%m/%y %H:%M' --format '%T %w%f' -e modify,delete,create,attrib,move $SRC | while read D T F
do
    rsync -auvz --delete --exclude-from=/etc/rsync/exclude.list --password-file=/etc/rsync.pass $SRC backup@10.0.0.5::$DES
done
