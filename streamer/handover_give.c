#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "loop/fiber.h"
#include "node/node.h"
#include "node/systemd.h"
#include "streamer/handover.h"
#include "streamer/move.h"
#include "streamer/record.h"
#include "streamer/wire.h"

enum {
	END_MS = 10000,
	PAUSE_MS = 100,
	CONNS_FIRST = 256,
	LOOK_MS = 5,
	BUSY_MS = 1000, /* for requests that sockets have made; all others pause meanwhile */
};

struct handover {
	struct node *node;
	char *path;
	ino_t inode; /* of our socket at that path */
	int listen_fd;
	struct fiber_group fibers;
	bool given;
};

struct conns {
	struct http_conn **list;
	size_t count, room;
};

/* One attempt. */
struct giving {
	struct node *node;
	int fd;
	struct hand_message message;
	bool same_frames; /* the other one makes the same bytes */
	struct conns moved;
	size_t halves; /* of them, with half a frame out */
	uint32_t batch;
};

static const char *address_of(const struct node *node)
{
	return node->options->listen(&node->conf);
}

static enum err_code await_took(struct giving *giving, struct err *err)
{
	enum err_code code = hand_expect(giving->fd, HAND_TOOK, &giving->message, err);
	struct wire wire = { .in = giving->message.body };

	if (code == ERR_OK && (wire_get(&wire, 4) != giving->batch || wire.bad)) {
		return err_set(err, ERR_INVALID, "another batch was taken");
	}
	return code;
}

static enum err_code understand_ask(struct giving *giving, struct err *err)
{
	enum err_code code = hand_expect(giving->fd, HAND_ASK, &giving->message, err);
	struct wire wire = { .in = giving->message.body };
	uint64_t version = wire_get(&wire, 4), frames = wire_get(&wire, 4);
	int fds[HTTP_LISTENERS_MAX];

	if (code != ERR_OK) {
		return code;
	}
	if (wire.bad || version != HAND_VERSION) {
		return err_set(err, ERR_UNSUPPORTED,
		               "this streamer hands over in version %d, not in yours",
		               (int)HAND_VERSION);
	}
	if (giving->node->stopping || http_server_fds(giving->node->server, fds) == 0) {
		return err_set(err, ERR_UNAVAILABLE, "this streamer is starting or stopping");
	}
	giving->same_frames = frames == HAND_FRAMES;
	return ERR_OK;
}

static enum err_code say_hello(struct giving *giving, struct err *err)
{
	int listeners[HTTP_LISTENERS_MAX];
	size_t count = http_server_fds(giving->node->server, listeners);
	struct buf body, names;
	enum err_code code;

	buf_init(&body, HAND_BODY_MAX);
	buf_init(&names, HAND_BODY_MAX);
	record_classes_format(&names);
	wire_put_str(&body, str_of(address_of(giving->node)));
	wire_put_str(&body, buf_str(&names));
	code = hand_send(giving->fd, HAND_HELLO, buf_str(&body), listeners, count, err);
	buf_fini(&names);
	buf_fini(&body);
	return code == ERR_OK ? await_took(giving, err) : code;
}

/* ---- the streams ---- */

/* What is told of one batch, and who is in it. */
struct batch {
	struct buf records;
	int fds[HAND_FDS_MAX];
	size_t count;
};

static void remember(struct conns *conns, struct http_conn *conn)
{
	if (conns->count == conns->room) {
		conns->room = conns->room > 0 ? 2 * conns->room : CONNS_FIRST;
		conns->list = mem_realloc(conns->list, conns->room * sizeof(*conns->list));
	}
	conns->list[conns->count++] = conn;
}

static void swap(struct conns *a, struct conns *b)
{
	struct conns c = *a;

	*a = *b;
	*b = c;
}

/* Half a frame can only be finished by somebody who makes the same bytes. */
static bool is_half_out(const struct record *record)
{
	for (size_t i = 0; i < record->count; i++) {
		if (record->followed[i].position.sent > 0) {
			return true;
		}
	}
	return false;
}

/* False: it is busy, but not for long. */
static bool add(struct giving *giving, struct batch *batch, struct http_conn *conn)
{
	struct arena *arena = arena_new();
	struct record record;
	enum move move = move_out(conn, arena, &record);
	struct buf bytes;

	buf_init(&bytes, RECORD_BYTES_MAX);
	if (move == MOVE_NOW && (giving->same_frames || !is_half_out(&record))) {
		record_encode(&record, &bytes);
		if (!buf_failed(&bytes)) {
			buf_add_str(&batch->records, buf_str(&bytes));
			batch->fds[batch->count++] = http_conn_fd(conn);
			giving->halves += is_half_out(&record);
			remember(&giving->moved, conn);
		}
	}
	buf_fini(&bytes);
	arena_free(arena);
	return move != MOVE_LATER;
}

static enum err_code send_batch(struct giving *giving, const struct batch *batch, struct err *err)
{
	enum err_code code;
	struct buf body;

	giving->batch++;
	buf_init(&body, HAND_BODY_MAX);
	wire_put(&body, giving->batch, 4);
	wire_put(&body, batch->count, 4);
	buf_add_str(&body, buf_str(&batch->records));
	code = hand_send(giving->fd, HAND_BATCH, buf_str(&body), batch->fds, batch->count, err);
	buf_fini(&body);
	return code == ERR_OK ? await_took(giving, err) : code;
}

/* These, in batches; the busy ones are remembered in `later`. */
static enum err_code give_these(struct giving *giving, const struct conns *these,
                                struct conns *later, struct err *err)
{
	enum err_code code = ERR_OK;
	struct batch batch;

	buf_init(&batch.records, HAND_BATCH_BYTES + RECORD_BYTES_MAX);
	for (size_t i = 0; i < these->count && code == ERR_OK;) {
		buf_reset(&batch.records);
		batch.count = 0;
		while (i < these->count && batch.count < HAND_FDS_MAX &&
		       batch.records.len < HAND_BATCH_BYTES) {
			if (!add(giving, &batch, these->list[i])) {
				remember(later, these->list[i]);
			}
			i++;
		}
		if (batch.count > 0) {
			code = send_batch(giving, &batch, err);
		}
	}
	buf_fini(&batch.records);
	return code;
}

/* Frozen streams stay where they are until they are thawed or released. */
static enum err_code give_streams(struct giving *giving, struct err *err)
{
	struct http_server *server = giving->node->server;
	uint64_t until = clock_mono_ms() + BUSY_MS;
	struct conns these = { .list = NULL }, later = { .list = NULL };
	enum err_code code = ERR_OK;

	for (struct http_conn *conn = http_server_frozen(server, NULL); conn != NULL;
	     conn = http_server_frozen(server, conn)) {
		remember(&these, conn);
	}
	while (code == ERR_OK && these.count > 0) {
		later.count = 0;
		code = give_these(giving, &these, &later, err);
		if (code == ERR_OK && later.count > 0) {
			code = fiber_sleep(LOOK_MS);
		}
		if (clock_mono_ms() > until) {
			break; /* what is still busy is drained */
		}
		swap(&these, &later);
	}
	free(these.list);
	free(later.list);
	return code == ERR_CANCELLED ? err_set(err, code, "this streamer is stopping") : code;
}

static enum err_code commit(struct giving *giving, struct err *err)
{
	enum err_code code;
	struct buf body;

	if (giving->node->stopping) {
		return err_set(err, ERR_UNAVAILABLE, "this streamer is stopping");
	}
	buf_init(&body, HAND_BODY_MAX);
	wire_put(&body, giving->moved.count, 4);
	code = hand_send(giving->fd, HAND_COMMIT, buf_str(&body), NULL, 0, err);
	buf_fini(&body);
	return code;
}

/* ---- the attempt ---- */

static enum err_code give(struct giving *giving, struct err *err)
{
	struct http_server *server = giving->node->server;
	enum err_code code;

	if ((code = understand_ask(giving, err)) != ERR_OK ||
	    (code = say_hello(giving, err)) != ERR_OK) {
		return code;
	}
	http_server_freeze(server);
	if ((code = give_streams(giving, err)) == ERR_OK &&
	    (code = commit(giving, err)) == ERR_OK) {
		for (size_t i = 0; i < giving->moved.count; i++) {
			http_conn_release(giving->moved.list[i]);
		}
		http_server_leave(server);
	}
	http_server_thaw(server);
	return code;
}

static void serve(struct handover *handover, int fd)
{
	struct giving giving = { .node = handover->node, .fd = fd };
	uint64_t began = clock_mono_ms();
	struct err err;
	pid_t pid = 0;

	if (hand_peer(fd, &pid, &err) == ERR_OK && give(&giving, &err) == ERR_OK) {
		handover->given = true;
		/* In its unit that one is the service from here on, before this one ends. */
		systemd_notify("MAINPID=%ld", (long)pid);
		log_info("takeover.given", "pid=%ld streams=%zu halves=%zu took_ms=%llu", (long)pid,
		         giving.moved.count, giving.halves,
		         (unsigned long long)(clock_mono_ms() - began));
	} else {
		hand_refuse(fd, &err);
		log_warn("takeover.failed", "pid=%ld streams=%zu code=%s %s", (long)pid,
		         giving.moved.count, err_name(err.code), err.msg);
	}
	hand_message_fini(&giving.message);
	free(giving.moved.list);
}

static void offer(void *arg)
{
	struct handover *handover = arg;

	while (!handover->given &&
	       fiber_wait_fd(handover->listen_fd, FIBER_READ, FIBER_NO_TIMEOUT) == ERR_OK) {
		int fd = accept4(handover->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			serve(handover, fd);
			(void)close(fd);
		} else {
			(void)fiber_sleep(PAUSE_MS); /* no descriptor left, perhaps */
		}
	}
	if (handover->given) {
		node_leave(handover->node);
	}
}

static ino_t inode_of(const char *path)
{
	struct stat st = { .st_ino = 0 };

	(void)stat(path, &st);
	return st.st_ino;
}

struct handover *handover_offer(struct node *node, const char *path, struct err *err)
{
	int fd = hand_listen(path, err);
	struct handover *handover;

	if (fd < 0) {
		return NULL;
	}
	handover = mem_calloc(1, sizeof(*handover));
	handover->node = node;
	handover->path = mem_strdup(path);
	handover->inode = inode_of(path);
	handover->listen_fd = fd;
	(void)fiber_start(node->loop, &handover->fibers, "handover", offer, handover);
	return handover;
}

void handover_end(struct handover *handover)
{
	if (handover == NULL) {
		return;
	}
	fiber_group_cancel(&handover->fibers, ERR_CANCELLED);
	if (fiber_group_wait(&handover->fibers, END_MS) != ERR_OK) {
		log_warn("takeover.stuck");
		return;
	}
	(void)close(handover->listen_fd);
	/* Another one may offer there by now. */
	if (!handover->given && inode_of(handover->path) == handover->inode) {
		(void)unlink(handover->path);
	}
	free(handover->path);
	free(handover);
}
