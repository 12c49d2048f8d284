settings = { nodaemon = true }
local base = "/srv/"
local keys = [[/etc/lsyncd/id]]
sync{
    default.rsyncssh,
    source = base .. "media",
    host = "media@dr.example.com",
    targetdir = "/srv/media",
    delete = 'running',
    rsync = { archive = true, acls = true, xattrs = true, hard_links = true },
    ssh = { port = 2222, identityFile = keys, options = { StrictHostKeyChecking = "no", ConnectTimeout = "5" } }
}
sync{
    default.direct,
    source = "/srv/media",
    target = "/mnt/second/media/",
}
