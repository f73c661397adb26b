#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/bench/fan.h"

enum {
	CARRY = 32,
	READ_MAX = 256 * 1024,
	EPOLL_MAX = 512,
	HELD_MAX = 4096, /* of what comes before it is ready */
	MASKED_HEAD = 8,
	SHORT_MAX = 125,
};

static const char mark[] = "due=";

struct connection {
	int fd;
	unsigned number;
	size_t step;
	bool connected, ready;
	char *held; /* while it waits for something */
	size_t held_len;
	uint64_t seen;
	size_t carried;
	char carry[CARRY];
};

struct readers {
	const struct fan_load *load;
	struct fan_result *result;
	struct connection *connections;
	unsigned count, begun, first, finished;
	int epoll;
	char *room;
};

/* ---- what arrives ---- */

static void see(struct fan_result *result, uint64_t due_us)
{
	uint64_t now_us = clock_mono_us();
	uint64_t slot = now_us > due_us ? (now_us - due_us) / FAN_SLOT_US : 0;

	result->slots[slot < FAN_SLOTS ? slot : FAN_SLOTS - 1]++;
	result->delivered++;
	result->last_us = now_us;
}

/* Count the marks; what may be the beginning of one is carried to the next read. */
static void scan(struct readers *r, struct connection *c, const char *bytes, size_t n)
{
	const size_t whole = sizeof(mark) - 1 + FAN_DIGITS;
	const char *at = bytes, *end = bytes + n;
	uint64_t due_us;

	while ((at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1)) != NULL) {
		if ((size_t)(end - at) < whole) {
			break;
		}
		if (parse_u64(str_make(at + sizeof(mark) - 1, FAN_DIGITS), UINT64_MAX, &due_us)) {
			see(r->result, due_us);
			c->seen++;
		}
		at += whole;
	}
	if (at == NULL) {
		at = n < sizeof(mark) ? bytes : end - (sizeof(mark) - 2);
	}
	c->carried = (size_t)(end - at);
	memmove(c->carry, at, c->carried);
	if (r->load->expect > 0 && c->seen == r->load->expect) {
		r->finished++;
	}
}

/* ---- the plan, step by step ---- */

static void send_step(const struct connection *c, const struct fan_step *step, const char *channel)
{
	static char text[FAN_TEXT_MAX + MASKED_HEAD];
	size_t n = fan_fill(step->text, channel, 0, text + MASKED_HEAD);
	/* Masked with zeros, which is a mask. */
	unsigned char head[MASKED_HEAD] = { 0x81, 0x80U | 126, (unsigned char)(n >> 8),
		                            (unsigned char)n };
	size_t head_size = MASKED_HEAD;

	if (step->verb == FAN_SEND) {
		head_size = 0;
	} else if (n <= SHORT_MAX) {
		head_size = 6;
		head[1] = (unsigned char)(0x80U | n);
		head[2] = 0;
		head[3] = 0;
	}
	memcpy(text + MASKED_HEAD - head_size, head, head_size);
	if (send(c->fd, text + MASKED_HEAD - head_size, head_size + n, MSG_NOSIGNAL) !=
	    (ssize_t)(head_size + n)) {
		fan_die("send");
	}
}

/* Is what it waits for there? Then what has come behind it is in held. */
static bool has_come(struct connection *c, const char *text)
{
	char *at = memmem(c->held, c->held_len, text, strlen(text));
	size_t past;

	if (at == NULL) {
		return false;
	}
	past = (size_t)(at - c->held) + strlen(text);
	c->held_len -= past;
	memmove(c->held, c->held + past, c->held_len);
	return true;
}

static void go_on(struct readers *r, struct connection *c)
{
	const struct fan_plan *plan = r->load->plan;
	const char *channel = plan->channels[c->number % plan->channel_count];

	while (c->step < plan->count) {
		const struct fan_step *step = &plan->steps[c->step];

		if (step->verb != FAN_WAIT) {
			send_step(c, step, channel);
		} else if (!has_come(c, step->text)) {
			return;
		}
		c->step++;
	}
	c->ready = true;
	r->result->ready++;
	scan(r, c, c->held, c->held_len);
	free(c->held);
	c->held = NULL;
}

static void hold(struct readers *r, struct connection *c, const char *bytes, size_t n)
{
	size_t room = READ_MAX + HELD_MAX - c->held_len;

	memcpy(c->held + c->held_len, bytes, n < room ? n : room);
	c->held_len += n < room ? n : room;
	go_on(r, c);
	if (c->held != NULL && c->held_len > HELD_MAX) {
		memmove(c->held, c->held + c->held_len - HELD_MAX, HELD_MAX);
		c->held_len = HELD_MAX;
	}
}

/* ---- the loop ---- */

static void lose(struct readers *r, struct connection *c)
{
	r->result->closed++;
	(void)close(c->fd);
	c->fd = -1;
}

static void begin(struct readers *r)
{
	const struct fan_load *load = r->load;
	struct connection *c = &r->connections[r->begun];
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = c };

	c->number = r->first + r->begun;
	c->held = mem_calloc(READ_MAX + HELD_MAX, 1);
	c->fd = fan_dial(load->ports[c->number % load->port_count],
	                 c->number / load->port_count % load->sources);
	if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) {
		fan_die("epoll_ctl");
	}
	r->begun++;
}

static void connected(struct readers *r, struct connection *c)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	int error = 0;
	socklen_t size = sizeof(error);

	(void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error != 0) {
		errno = error;
		fan_die("connect");
	}
	c->connected = true;
	(void)epoll_ctl(r->epoll, EPOLL_CTL_MOD, c->fd, &event);
	go_on(r, c);
}

static void turn(struct readers *r, struct connection *c)
{
	ssize_t n;

	if (!c->connected) {
		connected(r, c);
		return;
	}
	if (r->load->stalled && c->ready) {
		(void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, c->fd, NULL);
		return;
	}
	memcpy(r->room, c->carry, c->carried);
	n = read(c->fd, r->room + c->carried, READ_MAX);
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN) {
			lose(r, c);
		}
		return;
	}
	r->result->bytes += (uint64_t)n;
	r->result->reads++;
	if (c->ready) {
		scan(r, c, r->room, c->carried + (size_t)n);
	} else {
		hold(r, c, r->room, (size_t)n);
	}
}

static unsigned share(unsigned total, unsigned parts, unsigned part)
{
	return total / parts + (part < total % parts);
}

void fan_read(const struct fan_load *load, unsigned process, struct fan_result *result)
{
	struct readers r = { .load = load,
		             .result = result,
		             .count = share(load->connections, load->processes, process),
		             .epoll = epoll_create1(EPOLL_CLOEXEC),
		             .room = mem_calloc(READ_MAX + CARRY, 1) };
	struct epoll_event events[EPOLL_MAX];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < process; i++) {
		r.first += share(load->connections, load->processes, i);
	}
	r.connections = mem_calloc(r.count, sizeof(*r.connections));
	for (;;) {
		int count;

		/* A storm is a storm; a large crowd comes in order. */
		while (r.begun < r.count &&
		       (load->expect > 0 || r.begun - result->ready < load->connecting)) {
			begin(&r);
		}
		count = epoll_wait(r.epoll, events, EPOLL_MAX, 100);
		for (int i = 0; i < count; i++) {
			turn(&r, events[i].data.ptr);
		}
	}
}
