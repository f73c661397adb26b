#include "auth/auth_watch.h"

#include <stdlib.h>

#include "auth/auth_bell.h"
#include "base/mem.h"
#include "redis/redis.h"
#include "redis/sub.h"

enum { REDIS_BACKOFF_MAX_MS = 1000 };

struct auth_watch {
	struct auth *auth;
	struct redis_sub *sub;
};

static void on_message(void *arg, struct str channel, struct str payload)
{
	const struct auth_watch *watch = arg;
	struct auth_bell bell;

	(void)channel;
	if (auth_bell_decode(payload, &bell)) {
		auth_heard(watch->auth, &bell);
	}
}

static void on_resumed(void *arg)
{
	const struct auth_watch *watch = arg;

	auth_heard(watch->auth, NULL);
}

static void note(void *arg)
{
	struct auth *auth = arg;

	do {
		auth_note_uses(auth);
	} while (fiber_sleep(AUTH_NOTE_MS) == ERR_OK);
}

struct auth_watch *auth_watch_new(const struct auth_watch_options *options, struct err *err)
{
	static const struct redis_sub_events events = { .message = on_message,
		                                        .resumed = on_resumed };
	const struct redis_options redis = { .url = options->redis_url,
		                             .timeout_ms = options->redis_timeout_ms,
		                             .backoff_max_ms = REDIS_BACKOFF_MAX_MS };
	struct auth_watch *watch = mem_calloc(1, sizeof(*watch));

	watch->auth = options->auth;
	watch->sub = redis_sub_new(options->loop, &redis, &events, watch, err);
	if (watch->sub == NULL) {
		free(watch);
		return NULL;
	}
	redis_subscribe(watch->sub, STR_LIT(AUTH_BELL));
	(void)fiber_start(options->loop, options->duties, "key uses", note, options->auth);
	return watch;
}

void auth_watch_free(struct auth_watch *watch)
{
	if (watch != NULL) {
		redis_sub_free(watch->sub);
		free(watch);
	}
}
