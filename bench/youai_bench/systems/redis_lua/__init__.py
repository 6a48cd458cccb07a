"""Redis with a Lua script: where its server comes from, the script, the client, and the system (`system.RedisLua`)."""
