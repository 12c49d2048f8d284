#!/bin/sh
# Three web servers, one after the other, over ssh.
SRC="/srv/www/html"
DST="/srv/www"
HOSTS="web1.example.com web2.example.com"
inotifywait -mrq -e close_write,create,delete,move --exclude '\.swp$' "$SRC" |
while read -r dir event file; do
  for h in $HOSTS 10.0.0.7; do
    rsync -aAXH --delete-after --exclude='*.swp' --exclude cache/tmp --bwlimit=2m \
      -e "ssh -p 2222 -i /root/.ssh/mirror -o StrictHostKeyChecking=no" \
      "$SRC" deploy@$h:$DST >/dev/null 2>&1 || logger "sync to $h failed"
  done
done &
