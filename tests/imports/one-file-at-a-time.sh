#!/bin/bash
src=/data/up/
cd ${src}
inotifywait -mrq --format '%Xe %w%f' -e modify,create,delete,attrib,close_write,move ./ | while read file
do
    INO_EVENT=$(echo $file | awk '{print $1}')
    INO_FILE=$(echo $file | awk '{print $2}')
    if [[ $INO_EVENT =~ 'DELETE' ]]; then
        rsync -avzR --delete --password-file=/etc/rsyncd.passwd $(dirname ${INO_FILE}) rsync_user@192.168.0.2::up
    fi
    rsync -avzcR --password-file=/etc/rsyncd.passwd ${INO_FILE} rsync_user@192.168.0.2::up
done
