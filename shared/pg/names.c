#include "pg/names.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/lookup.h"

enum { ADDRESSES_MAX = 16, ADDRESS_SIZE = 64, PROBLEM_SIZE = 128, LIST_MAX = 64 * 1024 };

struct pg_name {
	struct pg_names *names;
	char *name;
	struct lookup *lookup; /* NULL: answered */
	char problem[PROBLEM_SIZE];
	char addresses[ADDRESSES_MAX][ADDRESS_SIZE];
	size_t count;
};

/* ---- lists ---- */

static size_t list_length(const char *list)
{
	size_t count = 1;

	for (const char *at = list; (at = strchr(at, ',')) != NULL; at++) {
		count++;
	}
	return count;
}

/* A list of one holds for all, NULL is one of nothing. */
static struct str list_at(const char *list, size_t i)
{
	struct str rest = list != NULL ? str_of(list) : STR_LIT("");
	struct str item = str_split(&rest, ',');

	while (i-- > 0 && rest.p != NULL) {
		item = str_split(&rest, ',');
	}
	return item;
}

/* libpq says what is wrong with those that do not fit each other, before it looks anything up. */
static bool lists_fit(const struct pg_hosts *hosts)
{
	size_t count = hosts->host != NULL ? list_length(hosts->host) : 0;

	return (hosts->hostaddr == NULL || list_length(hosts->hostaddr) == count) &&
	       (hosts->port == NULL || list_length(hosts->port) == 1 ||
	        list_length(hosts->port) == count);
}

static bool is_address(const char *host)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST };
	struct addrinfo *found = NULL;

	if (getaddrinfo(host, NULL, &hints, &found) != 0) {
		return false;
	}
	freeaddrinfo(found);
	return true;
}

/* ---- names ---- */

static struct pg_name *find(const struct pg_names *names, struct str host)
{
	for (size_t i = 0; i < names->count; i++) {
		if (str_eq(host, str_of(names->items[i].name))) {
			return &names->items[i];
		}
	}
	return NULL;
}

static void add(struct pg_names *names, struct str host)
{
	char *name;

	if (find(names, host) != NULL) {
		return;
	}
	name = mem_strndup(host);
	if (host.n == 0 || host.p[0] == '/' || host.p[0] == '@' || is_address(name)) {
		names->has_others = true;
		free(name);
		return;
	}
	names->items[names->count++] = (struct pg_name){ .names = names, .name = name };
}

void pg_names_init(struct pg_names *names, struct loop *loop, const struct pg_hosts *hosts,
                   void (*done)(void *arg), void *arg)
{
	size_t count = hosts->host != NULL && lists_fit(hosts) ? list_length(hosts->host) : 0;

	*names = (struct pg_names){ .loop = loop, .done = done, .arg = arg };
	names->items = mem_calloc(count + 1, sizeof(*names->items));
	for (size_t i = 0; i < count; i++) {
		if (list_at(hosts->hostaddr, i).n == 0) {
			add(names, list_at(hosts->host, i));
		} else {
			names->has_others = true;
		}
	}
}

void pg_names_fini(struct pg_names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		lookup_cancel(names->items[i].lookup);
		free(names->items[i].name);
	}
	free(names->items);
}

/* ---- questions ---- */

static void take(struct pg_name *name, const struct addrinfo *found, const char *problem)
{
	name->count = 0;
	(void)str_copy(name->problem, sizeof(name->problem), str_of(problem));
	for (; found != NULL && name->count < ADDRESSES_MAX; found = found->ai_next) {
		char *out = name->addresses[name->count];

		if (getnameinfo(found->ai_addr, found->ai_addrlen, out, ADDRESS_SIZE, NULL, 0,
		                NI_NUMERICHOST) == 0) {
			name->count++;
		}
	}
}

static void on_answer(void *arg, const struct addrinfo *found, const char *problem)
{
	struct pg_name *name = arg;
	struct pg_names *names = name->names;

	name->lookup = NULL;
	take(name, found, problem);
	if (--names->in_flight == 0) {
		names->done(names->arg);
	}
}

bool pg_names_ask(struct pg_names *names)
{
	if (names->in_flight == 0) {
		names->round++;
	}
	for (size_t i = 0; i < names->count; i++) {
		struct pg_name *name = &names->items[i];

		if (name->lookup == NULL) {
			name->count = 0;
			name->lookup = lookup_begin(names->loop, name->name, 0, on_answer, name);
			names->in_flight++;
		}
	}
	return names->count > 0;
}

bool pg_names_found(const struct pg_names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		if (names->items[i].count > 0) {
			return true;
		}
	}
	return names->has_others;
}

/* ---- hosts ---- */

struct lists {
	struct buf host, hostaddr, port;
	size_t count;
};

static void lists_add(struct lists *lists, struct str host, struct str hostaddr, struct str port)
{
	const char *comma = lists->count++ > 0 ? "," : "";

	buf_addf(&lists->host, "%s%" STR_FMT, comma, STR_ARG(host));
	buf_addf(&lists->hostaddr, "%s%" STR_FMT, comma, STR_ARG(hostaddr));
	buf_addf(&lists->port, "%s%" STR_FMT, comma, STR_ARG(port));
}

static void place(struct lists *lists, const struct pg_names *names, const struct pg_hosts *hosts,
                  size_t i)
{
	struct str host = list_at(hosts->host, i), port = list_at(hosts->port, i);
	struct str hostaddr = list_at(hosts->hostaddr, i);
	const struct pg_name *name = hostaddr.n == 0 ? find(names, host) : NULL;
	size_t first;

	if (name == NULL) {
		lists_add(lists, host, hostaddr, port);
		return;
	}
	first = hosts->turned / list_length(hosts->host);
	for (size_t k = 0; k < name->count; k++) {
		lists_add(lists, host, str_of(name->addresses[(first + k) % name->count]), port);
	}
}

enum err_code pg_names_place(const struct pg_names *names, const struct pg_hosts *hosts,
                             struct pg_hosts *ret, struct err *err)
{
	size_t count = list_length(hosts->host);
	struct lists lists = { .count = 0 };

	buf_init(&lists.host, LIST_MAX);
	buf_init(&lists.hostaddr, LIST_MAX);
	buf_init(&lists.port, LIST_MAX);
	for (size_t i = 0; i < count; i++) {
		place(&lists, names, hosts, i);
	}
	*ret = (struct pg_hosts){ .host = buf_take(&lists.host),
		                  .hostaddr = buf_take(&lists.hostaddr),
		                  .port = buf_take(&lists.port) };
	if (lists.count > 0) {
		return ERR_OK;
	}
	pg_hosts_fini(ret);
	return err_set(err, ERR_UNAVAILABLE, "cannot resolve %s: %s", names->items[0].name,
	               names->items[0].problem);
}
