/*
 * The keys of session tickets (RFC 5077, RFC 8446 section 4.6.1).  Pure, but for the random bytes.
 *
 * A new key seals for TLS_TICKET_LIFE_S, then opens for as long, then is gone: whoever steals keys
 * of a process opens no older session of TLS 1.2.  They are of this process: a client that meets
 * another one shakes hands in full.
 */
#pragma once

#include <stdint.h>

enum { TLS_TICKET_LIFE_S = 4 * 3600, TLS_TICKET_NAME = 16, TLS_TICKET_KEY = 32 };

struct tls_ticket_key {
	unsigned char name[TLS_TICKET_NAME];
	unsigned char cipher[TLS_TICKET_KEY], mac[TLS_TICKET_KEY];
	int64_t until_s; /* it seals; 0: there is none */
};

struct tls_tickets {
	struct tls_ticket_key now, before;
};

/* The key that seals; time never goes back. */
const struct tls_ticket_key *tls_tickets_seal(struct tls_tickets *tickets, int64_t now_s);
/* The one of that name; NULL: it is gone. */
const struct tls_ticket_key *tls_tickets_open(struct tls_tickets *tickets,
                                              const unsigned char name[TLS_TICKET_NAME],
                                              int64_t now_s);
