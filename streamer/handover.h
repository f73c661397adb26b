/*
 * A new streamer on this host takes the listening socket and the open streams of the old one:
 * clients notice nothing.
 *
 *	new                            old
 *	ASK versions          ->       checks user and versions
 *	                      <-       HELLO addresses, names of types, + the listening sockets
 *	TOOK 0                ->       freezes: accepts, reads and writes nothing more
 *	                      <-       BATCH 1: records + descriptors
 *	TOOK 1                ->       ...
 *	                      <-       COMMIT: how many; from here on they are the new one's
 *	goes on with them              finishes its requests, drains what could not move (TLS never
 *can), exits 0
 *
 * Before COMMIT the new one touches no stream, so on any failure the old one just goes on.  If
 * the old one dies before COMMIT the new one goes on with what it has: nobody else can.  Whether
 * it is dead is asked of the kernel (pidfd), not guessed from a closed socket.  Either says NO with
 * a reason when it gives up.
 *
 * One message is one packet of a SOCK_SEQPACKET socket: a byte of enum hand_type, then its body.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct node;

enum {
	HAND_VERSION = 1,    /* of the messages and records: only the same one is understood */
	HAND_FRAMES = 1,     /* of the bytes of frames: halves of frames fit only the same one */
	HAND_STEP_MS = 2000, /* for an answer */
	HAND_FDS_MAX = 64,   /* of one message; the kernel takes 253 */
	HAND_BODY_MAX = 128 * 1024,
	HAND_BATCH_BYTES = 32 * 1024, /* more only when one record is larger */
};

enum hand_type { HAND_ASK = 1, HAND_HELLO, HAND_TOOK, HAND_BATCH, HAND_COMMIT, HAND_NO };

/* ---- for the program ---- */

struct handover;

/* On a fiber: be ready to be taken over, at that path. */
struct handover *handover_offer(struct node *node, const char *path, struct err *err) MUST_CHECK;
/* On a fiber: no more; one that is being done is given up. NULL: nothing to do. */
void handover_end(struct handover *handover);

/* On a fiber: ask whoever offers at that path for all it has, and go on with it. ERR_NOT_FOUND:
 * nobody is there. */
enum err_code handover_take(struct node *node, const char *path, struct err *err) MUST_CHECK;

/* ---- messages ---- */

struct hand_message {
	enum hand_type type;
	struct str body; /* valid until the next one is received */
	int fds[HAND_FDS_MAX];
	size_t fd_count;
	unsigned char *bytes; /* for the body: allocated once */
};

void hand_message_fini(struct hand_message *message); /* closes descriptors nobody has taken */

/* On a fiber. ERR_UNAVAILABLE: the other side is gone; ERR_TIMEOUT; ERR_INVALID: not understood. */
enum err_code hand_send(int fd, enum hand_type type, struct str body, const int *fds, size_t count,
                        struct err *err) MUST_CHECK;
enum err_code hand_receive(int fd, struct hand_message *message, struct err *err) MUST_CHECK;
/* The same, but only this type will do; HAND_NO becomes its reason. */
enum err_code hand_expect(int fd, enum hand_type type, struct hand_message *message,
                          struct err *err) MUST_CHECK;
/* Say why it ends here; whether that arrives does not matter. */
void hand_refuse(int fd, const struct err *why);

/* A socket to listen at a path, in place of what was there; -1. */
int hand_listen(const char *path, struct err *err);
/* ERR_NOT_FOUND: nobody listens there. */
enum err_code hand_connect(const char *path, int *ret_fd, struct err *err) MUST_CHECK;
/* Is the other end's user ours? Its process. */
enum err_code hand_peer(int fd, pid_t *ret_pid, struct err *err) MUST_CHECK;
