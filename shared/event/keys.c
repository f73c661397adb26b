#include "event/keys.h"

#include <stdio.h>

static void key(char out[LOG_KEY_SIZE], const struct id *sid, const char *what)
{
	(void)snprintf(out, LOG_KEY_SIZE, "{s:%s}:%s", sid->s, what);
}

void log_keys_of(const struct id *sid, struct log_keys *ret)
{
	key(ret->head, sid, "head");
	key(ret->log, sid, "log");
	key(ret->bell, sid, "bell");
	key(ret->archiver, sid, "archiver");
}

void log_bell_channel(const struct id *sid, char out[LOG_KEY_SIZE])
{
	key(out, sid, "bell");
}

bool log_bell_parse_channel(struct str channel, struct id *ret)
{
	struct str prefix = STR_LIT("{s:");
	struct str suffix = STR_LIT("}:bell");

	if (channel.n != prefix.n + ID_LEN + suffix.n || !str_starts(channel, prefix) ||
	    !str_ends(channel, suffix)) {
		return false;
	}
	return id_parse(str_make(channel.p + prefix.n, ID_LEN), ret);
}
