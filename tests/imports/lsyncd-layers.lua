settings {
    logfile = "/var/log/lsyncd/lsyncd.log",
    statusFile = "/var/log/lsyncd/lsyncd.status",
    insist = true,
    maxProcesses = 4,
}
servers = { "10.0.0.11", "10.0.0.12" }
for _, server in ipairs(servers) do
    sync {
        default.rsync,
        source = "/srv/www/",
        target = server .. "::www",
        excludeFrom = "/etc/lsyncd.exclude",
        delay = 5,
        rsync = { archive = true, password_file = "/etc/rsyncd.pass", _extra = { "--omit-dir-times", "--bwlimit=5000" } },
    }
end
sync {
    default.rsyncssh,
    source = "/srv/www",
    host = "web3.example.com",
    targetdir = "/srv/www",
    exclude = { ".git", "*.tmp", "/var/cache/**" },
    delay = .5,
    rsync = { update = true, compress = true, perms = true, owner = true, group = true, chown = "www-data:www-data", rsh = "/usr/bin/ssh -p 2200 -o StrictHostKeyChecking=no" },
    ssh = { port = 2200, identityFile = "/etc/lsyncd/id" },
}
