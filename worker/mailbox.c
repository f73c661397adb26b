#include "worker/mailbox.h"

#include <string.h>

#include "log/log.h"
#include "redis/redis.h"
#include "redis/sub.h"

enum { SWEEP_MS = 1000, RETRY_MS = 100, BACKOFF_MAX_MS = 500 };

static void on_message(void *arg, struct str channel, struct str payload)
{
	struct mailbox *box = arg;

	(void)channel;
	(void)payload;
	fiber_signal_raise(&box->bell);
}

static void on_resumed(void *arg)
{
	struct mailbox *box = arg;

	fiber_signal_raise(&box->bell);
}

enum err_code mailbox_init(struct mailbox *box, const struct mailbox_options *options,
                           struct err *err)
{
	static const struct redis_sub_events events = { .message = on_message,
		                                        .resumed = on_resumed };
	const struct redis_options redis = { .url = options->redis_url,
		                             .timeout_ms = options->timeout_ms,
		                             .backoff_max_ms = BACKOFF_MAX_MS };
	char channel[QUEUE_KEY_SIZE];

	*box = (struct mailbox){ .redis = options->redis,
		                 .worker = options->worker,
		                 .note = options->note,
		                 .arg = options->arg,
		                 .after = "0" };
	fiber_signal_init(&box->bell);
	box->sub = redis_sub_new(options->loop, &redis, &events, box, err);
	if (box->sub == NULL) {
		return err->code;
	}
	mail_bell_channel(options->worker, channel);
	redis_subscribe(box->sub, str_of(channel));
	return ERR_OK;
}

void mailbox_fini(struct mailbox *box)
{
	if (box->sub != NULL) {
		redis_sub_free(box->sub);
	}
}

/* False: it cannot be read now. */
static bool read_all(struct mailbox *box)
{
	struct mail_page page;
	size_t count;

	do {
		struct err err;

		if (mail_read(box->redis, box->worker, box->after, &page, &err) != ERR_OK) {
			log_debug("mailbox.unread", "%s", err.msg);
			return false;
		}
		count = page.count;
		for (size_t i = 0; i < count; i++) {
			memcpy(box->after, page.mails[i].id, sizeof(box->after));
			box->note(box->arg, &page.mails[i]);
		}
		mail_page_fini(&page);
	} while (count == MAIL_READ_MAX);
	return true;
}

void mailbox_run(void *arg)
{
	struct mailbox *box = arg;

	while (!fiber_cancelled()) {
		uint64_t next = read_all(box) ? SWEEP_MS : RETRY_MS;

		(void)!fiber_signal_wait(&box->bell, next);
	}
}
