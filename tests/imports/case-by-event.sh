#!/bin/bash
cd /srv/share || exit 1
inotifywait -mrq --format '%Xe %w%f' -e modify,create,delete,attrib,close_write,move ./ | while read line; do
    event=$(echo "$line" | awk '{print $1}')
    file=$(echo "$line" | awk '{print $2}')
    case $event in
        *CREATE*|*MODIFY*|*CLOSE_WRITE*|*MOVED_TO*)
            rsync -avzcR --password-file=/etc/rsync.pw "$(dirname "$file")" share@10.0.0.9::share
            ;;
        *DELETE*|*MOVED_FROM*)
            rsync -avzR --delete --password-file=/etc/rsync.pw "$(dirname "$file")" share@10.0.0.9::share
            ;;
    esac
done
