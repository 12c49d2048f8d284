#!/bin/sh
inotifywait -mrq -e create,delete,modify,move /home/web/a |while read files; do
  rsync -vzrtopg --progress --delete /home/web/a/ 192.168.1.20::a --password-file=/etc/p
done &
inotifywait -mrq -e create,delete,modify,move /home/web/b |while read files; do
  rsync -vzrtopg --progress --delete --exclude "*.log" /home/web/b/ 192.168.1.20::b --password-file=/etc/p
done &
wait
