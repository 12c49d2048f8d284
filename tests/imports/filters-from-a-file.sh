#!/bin/sh
inotifywait -mrqe modify,delete /var/www/site | while read x; do
    rsync -rlt --delete --exclude-from=/etc/rsync.exclude /var/www/site/ mirror::site/htdocs
    /usr/local/bin/purge-cache
done
