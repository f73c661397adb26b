/*
 * What runs first inside of a sandbox (worker/sandbox.h), between bubblewrap and the command: it
 * sets the limits that hold per session, makes the two bridges over the border of the network
 * namespace, and becomes the command.
 *
 *   fairlead-guard inside [--proxy PORT SOCKET] [--serve SOCKET] [--processes N]
 *       [--memory BYTES] [--file-size BYTES] -- COMMAND [ARG]...
 *
 * --proxy: connections to 127.0.0.1:PORT in here go to the worker's egress proxy at SOCKET.
 * --serve: SOCKET is made, and connections to it go to the loopback port in here that their first
 * request names in its Host field (RFC 9110 section 7.2): how the worker reaches an agent that is
 * a server.  The bridges end with the command.
 */
#pragma once

/* Does not return when the command could be started. Returns the exit code of the program. */
int inside_main(int argc, char **argv);
