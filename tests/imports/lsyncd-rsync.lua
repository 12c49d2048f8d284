----
-- User configuration file for lsyncd.
--
settings {
    logfile = "/var/log/lsyncd/lsyncd.log",
    statusFile = "/var/log/lsyncd/lsyncd.status",
    inotifyMode = "CloseWrite",
    maxProcesses = 8,
}

sync {
    default.rsync,
    source    = "/var/www/html",
    target    = "backup@10.0.0.12::html",
    exclude   = { '/cache/', '*.log', 'tmp/session' },
    delay     = 15,
    rsync     = {
        binary = "/usr/bin/rsync",
        archive = true,
        compress = true,
        verbose = false,
        password_file = "/etc/rsync.secret",
        bwlimit = 2000,
        _extra = { "--chmod=D755,F644", "--omit-dir-times" },
    },
}

sync { default.rsync, source = "/var/www/html", target = "/mnt/mirror/html", delete = false, exclude = { '/cache/', '*.log', 'tmp/session' } }
