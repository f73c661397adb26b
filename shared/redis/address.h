/*
 * Inside the driver: where a server is.  A name is looked up for each attempt to connect, for who
 * moves keeps his name and gets another address; where it has several of them each attempt is at
 * the next one.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/err.h"

struct addrinfo;
struct loop;
struct lookup;

struct redis_address {
	struct sockaddr_storage addr;
	socklen_t len;
};

enum {
	REDIS_HOST_SIZE = 256, /* a name of DNS, or an address (RFC 1035 section 2.3.4) */
	REDIS_NAME_SIZE = REDIS_HOST_SIZE + sizeof("[]:65535"),
};

/* Where that is, for people: host:port. */
void redis_name_of(const char *host, unsigned port, char out[REDIS_NAME_SIZE]);

/* ERR_INVALID: the path is too long. */
enum err_code redis_address_of_path(const char *path, struct redis_address *ret,
                                    struct err *err) MUST_CHECK;
/* False: the host is a name, which has to be looked up. Never blocks. */
bool redis_address_numeric(const char *host, unsigned port, struct redis_address *ret) MUST_CHECK;

/* Embedded by its owner; zero, but for found and arg. */
struct redis_finder {
	/* From the loop, once for each question. address NULL: there is none, and why. */
	void (*found)(void *arg, const struct redis_address *address, const struct err *why);
	void *arg;
	struct lookup *lookup; /* NULL: nothing is asked */
	const char *host;
	unsigned turn;
};

/* One question at a time. host is borrowed until it is answered or dropped. A resolver has time
 * limits of its own: whoever would ask again sooner only adds a question. */
void redis_finder_ask(struct redis_finder *finder, struct loop *loop, const char *host,
                      unsigned port);
void redis_finder_drop(struct redis_finder *finder); /* harmless when nothing is asked */
