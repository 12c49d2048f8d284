sync { default.rsync, source = "/data,
  target = "x::y" }
