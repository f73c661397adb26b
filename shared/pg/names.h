/*
 * The addresses of the servers that a connection string names, looked up beside the loop: libpq
 * would wait for the resolver, and everything else with it.
 *
 * One question for each name at a time, however long it takes and however many connections wait
 * for its answer.  Nothing is kept from one round to the next: a name that means another server
 * after a failover is asked again by the connection that is made then.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "pg/hosts.h"

struct loop;
struct pg_name;

struct pg_names {
	struct loop *loop;
	struct pg_name *items;
	size_t count;            /* 0: there is nothing to look up */
	size_t in_flight;        /* questions without an answer */
	bool has_others;         /* there are hosts besides */
	unsigned round;          /* of questions */
	void (*done)(void *arg); /* all of a round are answered */
	void *arg;
};

/* What needs looking up in hosts: neither addresses, nor paths, nor what has a hostaddr. */
void pg_names_init(struct pg_names *names, struct loop *loop, const struct pg_hosts *hosts,
                   void (*done)(void *arg), void *arg);
void pg_names_fini(struct pg_names *names);

/* False: there is nothing to ask. Else done() is called on a later turn of the loop. */
bool pg_names_ask(struct pg_names *names) MUST_CHECK;
/* Whether there is somewhere to go: found in this round so far, or not to be looked up at all. */
bool pg_names_found(const struct pg_names *names);

/* Hosts with a hostaddr for each address of each name, from another one of them at each turn of
 * hosts; pg_hosts_fini() frees it. ERR_UNAVAILABLE: no name was found, and there is nothing else.
 */
enum err_code pg_names_place(const struct pg_names *names, const struct pg_hosts *hosts,
                             struct pg_hosts *ret, struct err *err) MUST_CHECK;
