// Socket.IO as a server: subscribers join a room; POST /publish?ch=ROOM emits to it, through Redis streams.
//
// usage: node server.mjs PORT REDIS_URL
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, url] = process.argv.slice(2);
const redis = createClient({ url });
await redis.connect();

let io;
const http = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://peer");
  if (pathname !== "/publish") {
    response.writeHead(404).end();
    return;
  }
  let body = "";
  request.on("data", (chunk) => { body += chunk; });
  request.on("end", () => {
    io.to(searchParams.get("ch")).emit("event", body);
    response.writeHead(200, { "Content-Length": 0 }).end();
  });
});
io = new Server(http, {
  adapter: createAdapter(redis),
  connectionStateRecovery: { maxDisconnectionDuration: 120000 },
  pingInterval: 600000,
});
io.on("connection", (socket) => {
  socket.on("join", (room, joined) => {
    socket.join(room);
    joined();
  });
});
http.listen(Number(port), "127.0.0.1");
