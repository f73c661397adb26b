#include "redis/address.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/str.h"
#include "loop/lookup.h"

void redis_name_of(const char *host, unsigned port, char out[REDIS_NAME_SIZE])
{
	bool v6 = strchr(host, ':') != NULL;

	(void)snprintf(out, REDIS_NAME_SIZE, "%s%.*s%s:%hu", v6 ? "[" : "", REDIS_HOST_SIZE - 1,
	               host, v6 ? "]" : "", (unsigned short)port);
}

enum err_code redis_address_of_path(const char *path, struct redis_address *ret, struct err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	*ret = (struct redis_address){ .len = sizeof(un) };
	if (!str_copy(un.sun_path, sizeof(un.sun_path), str_of(path))) {
		return err_set(err, ERR_INVALID, "redis: the path of the unix socket is too long");
	}
	memcpy(&ret->addr, &un, sizeof(un));
	return ERR_OK;
}

static void take(const struct addrinfo *found, struct redis_address *ret)
{
	*ret = (struct redis_address){ .len = found->ai_addrlen };
	memcpy(&ret->addr, found->ai_addr, found->ai_addrlen);
}

bool redis_address_numeric(const char *host, unsigned port, struct redis_address *ret)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
	struct addrinfo *found = NULL;
	char service[sizeof("65535")];

	(void)snprintf(service, sizeof(service), "%hu", (unsigned short)port);
	if (getaddrinfo(host, service, &hints, &found) != 0) {
		return false;
	}
	take(found, ret);
	freeaddrinfo(found);
	return true;
}

/* ---- names ---- */

static const struct addrinfo *whose_turn(const struct addrinfo *found, unsigned turn)
{
	unsigned count = 0;

	for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
		count++;
	}
	for (turn %= count; turn > 0; turn--) {
		found = found->ai_next;
	}
	return found;
}

static void on_answer(void *arg, const struct addrinfo *found, const char *problem)
{
	struct redis_finder *finder = arg;
	struct redis_address address;
	struct err err;

	finder->lookup = NULL;
	if (found == NULL) {
		(void)err_set(&err, ERR_UNAVAILABLE, "redis: cannot resolve %s: %s", finder->host,
		              problem);
		finder->found(finder->arg, NULL, &err);
		return;
	}
	take(whose_turn(found, finder->turn++), &address);
	finder->found(finder->arg, &address, NULL);
}

void redis_finder_ask(struct redis_finder *finder, struct loop *loop, const char *host,
                      unsigned port)
{
	finder->host = host;
	finder->lookup = lookup_begin(loop, host, port, on_answer, finder);
}

void redis_finder_drop(struct redis_finder *finder)
{
	lookup_cancel(finder->lookup);
	finder->lookup = NULL;
}
