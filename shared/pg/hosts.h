/*
 * The servers that a connection string names, in an order that changes.
 *
 * libpq tries them in the order in which they are written, and waits at each one for as long as it
 * is let (its connect_timeout does not hold for a connection that is not waited for): beginning
 * with another one next time is how one that took the connection and is silent is passed.
 */
#pragma once

struct pg_hosts {
	char *host, *hostaddr, *port; /* NULL: the string has none */
	unsigned turned;              /* how often */
};

/* One that libpq cannot read has none: connecting will say what is wrong with it. */
void pg_hosts_init(struct pg_hosts *hosts, const char *url);
void pg_hosts_fini(struct pg_hosts *hosts);
/* The first one becomes the last one, if they were turned so often when it was found wanting: of
 * several connections that wait at the same one only the first turns. */
void pg_hosts_turn(struct pg_hosts *hosts, unsigned turned);
