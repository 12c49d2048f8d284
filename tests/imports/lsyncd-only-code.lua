for i = 1, 3 do
  sync { default.rsync, source = "/data", target = "host" .. i .. "::data" }
end
