#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/bench/fan.h"

enum { PUBLISHERS_MAX = 64, ANSWERS = 64 * 1024, CARRY = 64, PATIENCE_MS = 5000 };

struct publisher {
	int fd;
	unsigned in_flight;
	size_t carried;
	char carry[CARRY];
};

static struct publisher publishers[PUBLISHERS_MAX];

static unsigned count_in(const char *bytes, size_t n, const char *text)
{
	size_t size = strlen(text);
	unsigned found = 0;
	const char *end = bytes + n;

	for (const char *at = bytes; (at = memmem(at, (size_t)(end - at), text, size)) != NULL;
	     at += size) {
		found++;
	}
	return found;
}

static void take_answers(const struct fan_load *load, struct publisher *p,
                         struct fan_published *result)
{
	static char room[ANSWERS + CARRY];
	const char *answer = load->plan->answer;
	size_t keep = strlen(answer) - 1;
	ssize_t n;
	unsigned found;

	memcpy(room, p->carry, p->carried);
	n = read(p->fd, room + p->carried, ANSWERS);
	if (n <= 0) {
		if (n < 0 && errno == EAGAIN) {
			return;
		}
		fan_die("the publisher's connection has gone");
	}
	found = count_in(room, p->carried + (size_t)n, answer);
	p->in_flight -= found < p->in_flight ? found : p->in_flight;
	result->answered += found;
	/* A whole answer is not counted again: fewer bytes than it has are carried. */
	keep = keep < p->carried + (size_t)n ? keep : p->carried + (size_t)n;
	memmove(p->carry, room + p->carried + (size_t)n - keep, keep);
	p->carried = keep;
}

static void send_one(const struct fan_load *load, struct publisher *p, uint64_t number,
                     uint64_t due_us)
{
	static char text[FAN_TEXT_MAX];
	const struct fan_plan *plan = load->plan;
	size_t n =
		fan_fill(plan->publish, plan->channels[number % plan->channel_count], due_us, text);
	size_t sent = 0;

	while (sent < n) {
		ssize_t done = send(p->fd, text + sent, n - sent, MSG_NOSIGNAL);

		if (done > 0) {
			sent += (size_t)done;
		} else if (errno == EAGAIN) {
			(void)poll(&(struct pollfd){ .fd = p->fd, .events = POLLOUT }, 1,
			           PATIENCE_MS);
		} else {
			fan_die("publish");
		}
	}
	p->in_flight++;
}

/* Wait for an answer, or until an event is due. */
static void look(const struct fan_load *load, struct fan_published *result, uint64_t wait_us)
{
	struct pollfd polls[PUBLISHERS_MAX];
	struct timespec wait = { .tv_sec = (time_t)(wait_us / 1000000),
		                 .tv_nsec = (long)(wait_us % 1000000 * 1000) };

	for (unsigned i = 0; i < load->publishers; i++) {
		polls[i] = (struct pollfd){ .fd = publishers[i].fd, .events = POLLIN };
	}
	if (ppoll(polls, load->publishers, &wait, NULL) > 0) {
		for (unsigned i = 0; i < load->publishers; i++) {
			if (polls[i].revents != 0) {
				take_answers(load, &publishers[i], result);
			}
		}
	}
}

static struct publisher *free_one(const struct fan_load *load)
{
	struct publisher *best = NULL;

	for (unsigned i = 0; i < load->publishers; i++) {
		struct publisher *p = &publishers[i];

		if (p->in_flight < load->depth &&
		    (best == NULL || p->in_flight < best->in_flight)) {
			best = p;
		}
	}
	return best;
}

static void dial_all(const struct fan_load *load)
{
	for (unsigned i = 0; i < load->publishers; i++) {
		publishers[i].fd = fan_dial(load->publish_port, 0);
		if (poll(&(struct pollfd){ .fd = publishers[i].fd, .events = POLLOUT }, 1,
		         PATIENCE_MS) != 1) {
			fan_die("publisher");
		}
	}
}

/* rate 0: as many as are answered. */
void fan_publish(const struct fan_load *load, struct fan_published *result)
{
	uint64_t total = (uint64_t)load->rate * load->seconds, due_us, now_us, end_us;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	dial_all(load);
	result->begun_us = clock_mono_us();
	end_us = result->begun_us + (uint64_t)load->seconds * 1000000;
	while ((now_us = clock_mono_us()) < end_us + PATIENCE_MS * 1000) {
		struct publisher *p = free_one(load);

		if (load->rate > 0 ? result->sent >= total : now_us >= end_us) {
			break;
		}
		due_us = load->rate > 0 ? result->begun_us + result->sent * 1000000 / load->rate
		                        : now_us;
		if (p != NULL && due_us <= now_us) {
			send_one(load, p, result->sent, due_us);
			result->sent++;
			if (result->sent % 16 == 0) {
				look(load, result, 0);
			}
		} else {
			look(load, result, p == NULL ? 1000 : due_us - now_us);
		}
	}
	end_us = clock_mono_us() + PATIENCE_MS * 1000;
	while (result->answered < result->sent && clock_mono_us() < end_us) {
		look(load, result, 1000);
	}
	result->ended_us = clock_mono_us();
	result->done = true;
	for (;;) {
		(void)pause();
	}
}
