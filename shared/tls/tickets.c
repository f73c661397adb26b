#include "tls/tickets.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>

static void fill(unsigned char *room, size_t n)
{
	ssize_t got = getrandom(room, n, 0);

	assert(got == (ssize_t)n); /* never short below 256 bytes */
}

static void rotate(struct tls_tickets *tickets, int64_t now_s)
{
	if (now_s < tickets->now.until_s) {
		return;
	}
	tickets->before = tickets->now;
	if (now_s >= tickets->before.until_s + TLS_TICKET_LIFE_S) {
		explicit_bzero(&tickets->before, sizeof(tickets->before));
	}
	fill(tickets->now.name, sizeof(tickets->now.name));
	fill(tickets->now.cipher, sizeof(tickets->now.cipher));
	fill(tickets->now.mac, sizeof(tickets->now.mac));
	tickets->now.until_s = now_s + TLS_TICKET_LIFE_S;
}

const struct tls_ticket_key *tls_tickets_seal(struct tls_tickets *tickets, int64_t now_s)
{
	rotate(tickets, now_s);
	return &tickets->now;
}

const struct tls_ticket_key *tls_tickets_open(struct tls_tickets *tickets,
                                              const unsigned char name[TLS_TICKET_NAME],
                                              int64_t now_s)
{
	rotate(tickets, now_s);
	if (memcmp(tickets->now.name, name, TLS_TICKET_NAME) == 0) {
		return &tickets->now;
	}
	if (tickets->before.until_s != 0 && now_s < tickets->before.until_s + TLS_TICKET_LIFE_S &&
	    memcmp(tickets->before.name, name, TLS_TICKET_NAME) == 0) {
		return &tickets->before;
	}
	return NULL;
}
