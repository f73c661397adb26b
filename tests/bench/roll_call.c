/* Requests at an even rate, each at its time: reads, and appends by one producer for a session. A
 * connection is kept for ten of them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tests/bench/roll.h"

enum { CALLERS = 32, KEPT_FOR = 10, EVENTS_S = 10, ANSWER_MAX = 64 * 1024, ANSWER_US = 30000000 };

struct caller {
	struct roll_end end;
	unsigned number, asked, on_connection;
	bool connected, asks, appends;
	uint64_t due_us, sent_us;
	uint64_t sequence; /* of what was appended */
	char answer[ANSWER_MAX];
	size_t got;
};

static struct caller callers[CALLERS];

static const char *session_of(const struct roll *roll, const struct caller *caller)
{
	return roll->sessions[caller->number % roll->session_count];
}

static void fail(struct roll *roll, struct caller *caller, const char *why)
{
	uint64_t now_us = clock_mono_us();

	roll->failed++;
	if (roll->said_count < ROLL_SAID_MAX) {
		(void)snprintf(roll->said[roll->said_count++], ROLL_WORDS_MAX,
		               "at %.3f s, %s, number %u of its connection, after %.1f ms: %.250s",
		               (double)(now_us - roll->began_us) / 1e6,
		               caller->appends ? "append" : "read", caller->on_connection,
		               (double)(now_us - caller->sent_us) / 1e3, why);
	}
}

/* The answer is there, or there is none. */
static void settle(struct roll *roll, struct caller *caller)
{
	roll_time(&roll->answers, clock_mono_us() - caller->due_us);
	caller->asks = false;
	caller->got = 0;
	caller->due_us += (uint64_t)CALLERS * 1000000 / roll->rate;
}

static void drop(struct roll *roll, struct caller *caller, const char *why)
{
	roll_close(&caller->end);
	if (caller->asks) {
		fail(roll, caller, why);
		settle(roll, caller);
	}
}

/* Those below the number of sessions append to one each. */
static bool is_append(const struct roll *roll, const struct caller *caller)
{
	unsigned every = roll->rate * (unsigned)roll->session_count / CALLERS / EVENTS_S;

	return caller->number < roll->session_count && caller->asked % (every > 0 ? every : 1) == 0;
}

static int write_append(const struct roll *roll, const struct caller *caller, char *out,
                        size_t size)
{
	char body[256];
	int n = snprintf(body, sizeof(body),
	                 "{\"producer\":\"rolling\",\"sequence\":%" PRIu64
	                 ",\"events\":[{\"type\":\"note\",\"message\":\"due=%016" PRIu64 "\"}]}",
	                 caller->sequence + 1, clock_mono_us());

	return snprintf(out, size,
	                "POST /api/v1/sessions/%s/events HTTP/1.1\r\nHost: fairlead\r\n"
	                "Authorization: ApiKey %s\r\nContent-Type: application/json\r\n"
	                "Content-Length: %d\r\n\r\n%s",
	                session_of(roll, caller), roll->key, n, body);
}

static void ask(struct roll *roll, struct caller *caller)
{
	char text[1024];
	int n;

	caller->asked++;
	caller->on_connection++;
	caller->appends = is_append(roll, caller);
	caller->asks = true;
	caller->sent_us = clock_mono_us();
	if (caller->appends) {
		n = write_append(roll, caller, text, sizeof(text));
	} else {
		n = snprintf(text, sizeof(text),
		             "GET /api/v1/sessions/%s HTTP/1.1\r\nHost: fairlead\r\n"
		             "Authorization: ApiKey %s\r\n\r\n",
		             session_of(roll, caller), roll->key);
	}
	if (send(caller->end.fd, text, (size_t)n, MSG_NOSIGNAL) != n) {
		drop(roll, caller, strerror(errno));
	}
}

/* How long the answer is; 0: nobody knows yet. */
static size_t length_of(const struct caller *caller)
{
	static const char field[] = "\r\ncontent-length:";
	const char *end = strstr(caller->answer, "\r\n\r\n"),
		   *at = strcasestr(caller->answer, field);
	uint64_t length = 0;

	if (end == NULL) {
		return 0;
	}
	if (at != NULL && at < end) {
		at += sizeof(field) - 1;
		(void)!parse_u64(str_trim(str_make(at, strcspn(at, "\r"))), ANSWER_MAX, &length);
	}
	return (size_t)(end + 4 - caller->answer) + (size_t)length;
}

static void take(struct roll *roll, struct caller *caller)
{
	bool good = memcmp(caller->answer, "HTTP/1.1 20", sizeof("HTTP/1.1 20") - 1) == 0;

	if (!good) {
		fail(roll, caller, caller->answer);
	} else if (caller->appends) {
		caller->sequence++;
	}
	if (!good || caller->on_connection == KEPT_FOR ||
	    strcasestr(caller->answer, "\r\nconnection: close") != NULL) {
		roll_close(&caller->end);
	}
	settle(roll, caller);
}

/* False: that was all for now. */
static bool take_some(struct roll *roll, struct caller *caller)
{
	ssize_t n =
		recv(caller->end.fd, caller->answer + caller->got, ANSWER_MAX - 1 - caller->got, 0);
	size_t length;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return false;
	}
	if (n <= 0) {
		drop(roll, caller, n == 0 ? "closed without an answer" : strerror(errno));
		return false;
	}
	caller->got += (size_t)n;
	caller->answer[caller->got] = '\0';
	length = length_of(caller);
	if (length > 0 && caller->got >= length) {
		take(roll, caller);
	} else if (caller->got == ANSWER_MAX - 1) {
		drop(roll, caller, "too long");
	}
	return caller->end.fd >= 0;
}

static void on_ready(struct roll *roll, struct roll_end *end)
{
	struct caller *caller = CONTAINER_OF(end, struct caller, end);

	if (!caller->connected) {
		caller->connected = true;
		ask(roll, caller);
		return;
	}
	while (take_some(roll, caller)) {
	}
}

void roll_calls_begin(struct roll *roll)
{
	uint64_t now_us = clock_mono_us();

	for (unsigned i = 0; i < CALLERS; i++) {
		callers[i].end = (struct roll_end){ on_ready, -1 };
		callers[i].number = i;
		callers[i].due_us = now_us + (uint64_t)i * 1000000 / roll->rate;
	}
}

void roll_calls_turn(struct roll *roll)
{
	uint64_t now_us = clock_mono_us();

	for (unsigned i = 0; i < CALLERS; i++) {
		struct caller *caller = &callers[i];

		if (caller->asks) {
			if (now_us - caller->sent_us > ANSWER_US) {
				drop(roll, caller, "no answer in 30 s");
			}
			continue;
		}
		if (caller->due_us > now_us) {
			continue;
		}
		if (caller->end.fd < 0) {
			caller->connected = false;
			caller->on_connection = 0;
			caller->sent_us = now_us;
			caller->asks = true;
			roll_dial(roll, &caller->end);
		} else {
			ask(roll, caller);
		}
	}
}
