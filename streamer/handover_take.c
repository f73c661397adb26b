#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "loop/fiber.h"
#include "metric/metric.h"
#include "node/node.h"
#include "streamer/handover.h"
#include "streamer/move.h"
#include "streamer/record.h"
#include "streamer/wire.h"

enum { DEATH_MS = 1000, NAMES_MAX = 16 * 1024, ADDRESS_MAX = 256, SLICE = 64, FIRST = 256 };

struct taken {
	struct record record;
	int fd;
};

struct taking {
	struct node *node;
	int fd, pidfd;
	struct hand_message message;
	int listeners[HTTP_LISTENERS_MAX];
	size_t listener_count; /* 0: not yet */
	struct record_classes classes;
	struct arena *arena; /* of the records */
	struct taken *streams;
	size_t count, room;
	uint32_t batch;
	bool committed;
};

static enum err_code answer_took(struct taking *taking, struct err *err)
{
	enum err_code code;
	struct buf body;

	buf_init(&body, HAND_BODY_MAX);
	wire_put(&body, taking->batch, 4);
	code = hand_send(taking->fd, HAND_TOOK, buf_str(&body), NULL, 0, err);
	buf_fini(&body);
	return code;
}

static enum err_code ask(struct taking *taking, struct err *err)
{
	enum err_code code;
	struct buf body;

	buf_init(&body, HAND_BODY_MAX);
	wire_put(&body, HAND_VERSION, 4);
	wire_put(&body, HAND_FRAMES, 4);
	code = hand_send(taking->fd, HAND_ASK, buf_str(&body), NULL, 0, err);
	buf_fini(&body);
	return code;
}

/* ---- what comes ---- */

static enum err_code on_hello(struct taking *taking, struct err *err)
{
	const char *own = taking->node->options->listen(&taking->node->conf);
	struct hand_message *message = &taking->message;
	struct wire wire = { .in = message->body };
	struct str address = wire_get_str(&wire, ADDRESS_MAX);
	struct str names = wire_get_str(&wire, NAMES_MAX);

	if (wire.bad || message->fd_count == 0 || taking->listener_count > 0 ||
	    !record_classes_parse(names, &taking->classes)) {
		return err_set(err, ERR_INVALID, "not a hello");
	}
	if (!str_eq(address, str_of(own))) {
		return err_set(err, ERR_CONFLICT,
		               "it listens at %.*s, and this one is set to %s (streamer.listen)",
		               (int)address.n, address.p, own);
	}
	if (message->fd_count != http_listen_count(own)) {
		return err_set(err, ERR_INVALID, "%zu sockets for %s", message->fd_count, own);
	}
	memcpy(taking->listeners, message->fds, message->fd_count * sizeof(message->fds[0]));
	taking->listener_count = message->fd_count;
	message->fd_count = 0;
	return answer_took(taking, err);
}

static void keep(struct taking *taking, const struct record *record, int fd)
{
	if (taking->count == taking->room) {
		taking->room = taking->room > 0 ? 2 * taking->room : FIRST;
		taking->streams =
			mem_realloc(taking->streams, taking->room * sizeof(*taking->streams));
	}
	taking->streams[taking->count++] = (struct taken){ *record, fd };
}

static enum err_code on_batch(struct taking *taking, struct err *err)
{
	struct hand_message *message = &taking->message;
	struct wire wire = { .in = arena_str(taking->arena, message->body) };
	uint64_t batch = wire_get(&wire, 4), count = wire_get(&wire, 4);
	struct record record;

	if (wire.bad || taking->listener_count == 0 || batch != taking->batch + 1 ||
	    count != message->fd_count) {
		return err_set(err, ERR_INVALID, "not the next batch");
	}
	for (size_t i = 0; i < count; i++) {
		if (!record_decode(&wire.in, &taking->classes, taking->arena, &record)) {
			return err_set(err, ERR_INVALID, "record %zu of batch %" PRIu64, i, batch);
		}
		keep(taking, &record, message->fds[i]);
		message->fds[i] = -1;
	}
	message->fd_count = 0;
	taking->batch++;
	return answer_took(taking, err);
}

static enum err_code on_commit(struct taking *taking, struct err *err)
{
	struct wire wire = { .in = taking->message.body };

	if (taking->listener_count == 0 || wire_get(&wire, 4) != taking->count || wire.bad) {
		return err_set(err, ERR_INVALID, "not what was given");
	}
	taking->committed = true;
	return ERR_OK;
}

static enum err_code on_message(struct taking *taking, struct err *err)
{
	const struct hand_message *message = &taking->message;

	switch (message->type) {
	case HAND_HELLO: return on_hello(taking, err);
	case HAND_BATCH: return on_batch(taking, err);
	case HAND_COMMIT: return on_commit(taking, err);
	case HAND_NO:
		return err_set(err, ERR_CONFLICT, "the other streamer says: %.*s",
		               (int)message->body.n, message->body.p);
	case HAND_ASK:
	case HAND_TOOK: break;
	}
	return err_set(err, ERR_INVALID, "message %d", (int)message->type);
}

/* ---- the end of the other one ---- */

static bool is_dead(const struct taking *taking)
{
	return taking->pidfd >= 0 && fiber_wait_fd(taking->pidfd, FIBER_READ, DEATH_MS) == ERR_OK;
}

/* The streams of one that died are ours already: it cannot touch them any more. */
static enum err_code on_end(struct taking *taking, enum err_code code, struct err *err)
{
	struct err doubt;

	if (code == ERR_TIMEOUT) {
		/* Whatever it had sent before this counts; nothing that it sends after. */
		(void)shutdown(taking->fd, SHUT_RD);
		code = hand_receive(taking->fd, &taking->message, &doubt);
		if (code == ERR_OK) {
			return on_message(taking, err);
		}
	}
	if (code != ERR_UNAVAILABLE || !is_dead(taking)) {
		return err->code;
	}
	log_warn("takeover.inherited", "streams=%zu", taking->count);
	taking->committed = taking->listener_count > 0;
	return taking->committed ? ERR_OK : err_set(err, ERR_NOT_FOUND, "it has died");
}

static enum err_code receive_all(struct taking *taking, struct err *err)
{
	enum err_code code = ask(taking, err);

	while (code == ERR_OK && !taking->committed) {
		code = hand_receive(taking->fd, &taking->message, err);
		code = code == ERR_OK ? on_message(taking, err) : code;
		code = code == ERR_OK ? code : on_end(taking, code, err);
	}
	return code;
}

/* ---- going on ---- */

/* The open streams first: whoever comes now can wait a moment in the backlog. */
static void go_on(struct taking *taking)
{
	struct node *node = taking->node;

	for (size_t i = 0; i < taking->count; i++) {
		move_in(node, &taking->streams[i].record, taking->streams[i].fd);
		taking->streams[i].fd = -1;
		if (i % SLICE == SLICE - 1) {
			(void)fiber_yield();
		}
	}
	http_server_take(node->server, taking->listeners, node->options->listen(&node->conf));
	taking->listener_count = 0;
	metric_add(METRIC_STREAMS_TAKEN, NULL, (double)taking->count);
}

static void end(struct taking *taking)
{
	for (size_t i = 0; i < taking->count; i++) {
		if (taking->streams[i].fd >= 0) {
			(void)close(taking->streams[i].fd);
		}
	}
	free(taking->streams);
	for (size_t i = 0; i < taking->listener_count; i++) {
		(void)close(taking->listeners[i]);
	}
	if (taking->pidfd >= 0) {
		(void)close(taking->pidfd);
	}
	(void)close(taking->fd);
	hand_message_fini(&taking->message);
	arena_free(taking->arena);
}

enum err_code handover_take(struct node *node, const char *path, struct err *err)
{
	struct taking taking = { .node = node, .pidfd = -1 };
	uint64_t began = clock_mono_ms();
	pid_t pid = 0;
	enum err_code code = hand_connect(path, &taking.fd, err);

	if (code != ERR_OK) {
		return code;
	}
	taking.arena = arena_new();
	code = hand_peer(taking.fd, &pid, err);
	if (code == ERR_OK) {
		taking.pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
		code = receive_all(&taking, err);
	}
	if (code == ERR_OK) {
		go_on(&taking);
		log_info("takeover.taken", "pid=%ld streams=%zu port=%u took_ms=%" PRIu64,
		         (long)pid, taking.count, http_server_port(node->server),
		         clock_mono_ms() - began);
	} else {
		hand_refuse(taking.fd, err);
	}
	end(&taking);
	return code;
}
