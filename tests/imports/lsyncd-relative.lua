settings = { nodaemon = true, inotifyMode = "CloseWrite or Modify" }
sync{default.rsync, source="src", target="mirror.example.com:dst/", excludeFrom="exclude"}
sync{default.rsync, source="/data", target="mirror.example.com:/data", filter={ "- /private/*", "+ /public/***" }, rsync={ _extra={"-u"}, whole_file=false, inplace=true } }
