#!/bin/bash
# The options in arrays, the watch in a condition.
remote="deploy@build.example.com"
source="/srv/app"
OPTS=(-a --delete --compress)
EXCLUDES=("--exclude=venv/" "--exclude=*.log" "--exclude=.git/")
while inotifywait -r -e modify,create,delete,move "$source"; do
    rsync "${OPTS[@]}" "${EXCLUDES[@]}" -e "ssh -p 2222 -i /root/.ssh/deploy" "$source/" "$remote:/srv/app/"
done
