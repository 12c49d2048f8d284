settings{ logfile = os.getenv("HOME") .. "/log" }
targets = { "a", "b" }
for _, server in ipairs(targets) do
  if server ~= "a" then
    sync { default.rsync, source = "/data", target = server .. "::data" }
  end
end
bash = {
    delay = 0,
    onCreate = function(event) if event.isdir then spawn(event, "/bin/true") end end,
}
sync { bash, source = "/other", target = "/x" }
sync {
    default.rsync,
    source = "/data",
    target = "third::data",
    excludeFrom = "/etc/lsyncd.exclude",
    init = false,
    rsync = { rsh = "/usr/bin/ssh -p 22 -o UserKnownHostsFile=/dev/null", update = true, owner = false }
}
