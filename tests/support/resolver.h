/*
 * A resolver in the place of the system's: for one name, RESOLVED_NAME, which is defined before
 * this is included, it waits at a gate, and says the addresses that the test wants.
 */
#pragma once

#include <assert.h>
#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "base/str.h"

static struct {
	_Atomic(const char *) addresses; /* with blanks between */
	atomic_uint asked;
	sem_t gate;
} resolver;

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	void *const symbol = dlsym(RTLD_NEXT, "getaddrinfo");
	struct str rest;

	memcpy(&real, &symbol, sizeof(real));
	if (strcmp(host, RESOLVED_NAME) != 0 || (hints->ai_flags & AI_NUMERICHOST) != 0) {
		return real(host, port, hints, ret);
	}
	atomic_fetch_add(&resolver.asked, 1);
	(void)sem_wait(&resolver.gate);
	(void)sem_post(&resolver.gate);
	rest = str_of(atomic_load(&resolver.addresses));
	if (rest.n == 0) {
		return EAI_NONAME;
	}
	while (rest.p != NULL) {
		char address[32];

		assert(str_copy(address, sizeof(address), str_split(&rest, ' ')));
		assert(real(address, port, hints, ret) == 0);
		ret = &(*ret)->ai_next;
	}
	return 0;
}

static void resolve_to(const char *addresses)
{
	atomic_store(&resolver.addresses, addresses);
}
