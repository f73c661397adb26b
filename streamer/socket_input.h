/*
 * What a WebSocket's client sends: frames are read, messages wait and are handled one after the
 * other on a fiber.  It is there while something of the client's is, so an idle connection has none
 * of it.  For socket*.c.
 */
#pragma once

#include "streamer/socket.h"

struct socket_input {
	struct ws_reader reader;
	struct inbound_messages messages;
	size_t message_count, message_bytes;
	struct buf unread;        /* came before reading stopped */
	struct fiber *fiber;      /* handles the messages */
	struct fiber_signal room; /* raised when answers were taken */
	bool paused;
};

/* Our Close is said: only the client's matters now. */
void socket_input_stop(struct socket *socket);
/* The connection is gone. False: no message is being handled; else the socket is destroyed when it
 * is. */
bool socket_input_cancel(struct socket *socket);
void socket_input_free(struct socket *socket);

bool socket_is_paused(const struct socket *socket);
void socket_go_on_reading(struct socket *socket); /* if it may */
void socket_go_on(struct socket *socket);         /* the client has taken something */

/* ---- of socket.c ---- */

void socket_say_control(struct socket *socket, enum ws_opcode opcode, struct str payload);
/* The peer said goodbye first, or broke the protocol: nothing more is awaited. */
void socket_close_now(struct socket *socket, unsigned code, struct str reason);
void socket_destroy(struct socket *socket);
