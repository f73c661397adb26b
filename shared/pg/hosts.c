#include "pg/hosts.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void pg_hosts_init(struct pg_hosts *hosts, const char *url)
{
	PQconninfoOption *options = PQconninfoParse(url, NULL);

	*hosts = (struct pg_hosts){ .host = NULL };
	for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
		if (o->val == NULL) {
			continue;
		}
		if (strcmp(o->keyword, "host") == 0) {
			hosts->host = mem_strdup(o->val);
		} else if (strcmp(o->keyword, "hostaddr") == 0) {
			hosts->hostaddr = mem_strdup(o->val);
		} else if (strcmp(o->keyword, "port") == 0) {
			hosts->port = mem_strdup(o->val);
		}
	}
	PQconninfoFree(options);
}

void pg_hosts_fini(struct pg_hosts *hosts)
{
	free(hosts->host);
	free(hosts->hostaddr);
	free(hosts->port);
}

/* "a,b,c" -> "b,c,a"; a list of one holds for all. */
static void turn(char *list)
{
	const char *comma = list != NULL ? strchr(list, ',') : NULL;
	char *first;
	size_t n, rest;

	if (comma == NULL) {
		return;
	}
	n = (size_t)(comma - list);
	rest = strlen(comma + 1);
	first = mem_strndup(str_make(list, n));
	memmove(list, comma + 1, rest);
	list[rest] = ',';
	memcpy(list + rest + 1, first, n);
	free(first);
}

void pg_hosts_turn(struct pg_hosts *hosts, unsigned turned)
{
	if (hosts->turned != turned) {
		return;
	}
	hosts->turned++;
	turn(hosts->host);
	turn(hosts->hostaddr);
	turn(hosts->port);
}
