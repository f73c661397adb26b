#include "webhook/webhook.h"

#include <stdio.h>
#include <string.h>

#include "session/session.h"

static const struct {
	const char *name, *help;
} events[WEBHOOK_EVENT_COUNT] = {
#define X(id, name, help) [WEBHOOK_##id] = { name, help },
#include "webhook/webhook.def"
#undef X
};

static const char session_prefix[] = "session.";

const char *webhook_event_name(enum webhook_event event)
{
	return events[event].name;
}

const char *webhook_event_help(enum webhook_event event)
{
	return events[event].help;
}

static bool is_event(struct str name)
{
	for (unsigned i = 0; i < WEBHOOK_EVENT_COUNT; i++) {
		if (str_eq(name, str_of(events[i].name))) {
			return true;
		}
	}
	return false;
}

bool webhook_tells(struct str type)
{
	return is_event(type); /* no type of a log's events has a dot */
}

static bool is_move(struct str name)
{
	enum session_state state;

	return str_starts(name, str_of(session_prefix)) &&
	       session_state_parse(str_make(name.p + sizeof(session_prefix) - 1,
	                                    name.n - (sizeof(session_prefix) - 1)),
	                           &state);
}

const char *webhook_check_event(struct str asked)
{
	static const char *const groups[] = { "*", "task.*", "session.*", "webhook.*" };

	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		if (str_eq(asked, str_of(groups[i]))) {
			return NULL;
		}
	}
	return is_event(asked) || is_move(asked)
	               ? NULL
	               : "must be an event of docs/webhooks.md: task.accepted, session.completed, "
	                 "session.*, ...";
}

bool webhook_for_observers(struct str asked)
{
	return !str_eq(asked, STR_LIT("*")) && !str_starts(asked, STR_LIT("permission_"));
}

void webhook_asked(const char *type, char out[WEBHOOK_ASKED_SIZE])
{
	const char *dot = strchr(type, '.');

	if (dot != NULL) {
		(void)snprintf(out, WEBHOOK_ASKED_SIZE, "%s,%.*s.*,*", type, (int)(dot - type),
		               type);
	} else {
		(void)snprintf(out, WEBHOOK_ASKED_SIZE, "%s,*", type);
	}
}

/* ---- addresses ---- */

enum { PORT_HTTPS = 443, PORT_USERS = 1024, PORT_MAX = 65535 };

static bool is_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '\\') {
			return false;
		}
	}
	return true;
}

/* host, host:port or [address]:port. */
static const char *check_host(struct str at, bool plain)
{
	struct str host, port = at;
	uint64_t number = PORT_HTTPS;
	const char *end = at.n > 0 && at.p[0] == '[' ? memchr(at.p, ']', at.n) : NULL;

	if (end != NULL) {
		size_t n = (size_t)(end - at.p) + 1;

		host = str_make(at.p, n);
		port = str_make(at.p + n, at.n - n);
		(void)str_split(&port, ':');
	} else {
		host = str_split(&port, ':');
	}
	if (host.n == 0) {
		return "must name a server";
	}
	if (port.p != NULL && port.n > 0 && (!parse_u64(port, PORT_MAX, &number) || number == 0)) {
		return "must have a port that there is";
	}
	return plain || number == PORT_HTTPS || number >= PORT_USERS
	               ? NULL
	               : "must have port 443, or one from 1024 on";
}

const char *webhook_check_url(struct str url, bool plain)
{
	struct str rest = url, at;
	struct str scheme = str_split(&rest, ':');
	size_t n = 0;

	if (url.n > WEBHOOK_URL_MAX || !is_printable(url)) {
		return "must be at most 2048 characters, without spaces and what is not ASCII";
	}
	if (rest.p == NULL || !str_starts(rest, STR_LIT("//")) ||
	    !(str_eq_nocase(scheme, STR_LIT("https")) ||
	      (plain && str_eq_nocase(scheme, STR_LIT("http"))))) {
		return plain ? "must be an https or http address" : "must be an https address";
	}
	rest = str_make(rest.p + 2, rest.n - 2);
	while (n < rest.n && strchr("/?#", rest.p[n]) == NULL) {
		n++;
	}
	at = str_make(rest.p, n);
	if (memchr(at.p, '@', at.n) != NULL) {
		return "must not contain a user or password";
	}
	return check_host(at, plain);
}
