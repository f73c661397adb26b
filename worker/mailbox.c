#include "worker/mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "redis/redis.h"
#include "redis/sub.h"

enum { SWEEP_MS = 1000, RETRY_MS = 100, BACKOFF_MAX_MS = 500, RUNGS_MAX = 256 };

static void on_message(void *arg, struct str channel, struct str payload)
{
	struct mailbox *box = arg;
	bool aloud = str_eq(channel, str_of(box->aloud));
	struct mailbox_rung *rung;

	/* What is said aloud is not in the box that is about to be read. */
	if ((box->unread && !aloud) || box->rung_count == RUNGS_MAX) {
		box->unread = true;
	} else {
		rung = mem_calloc(1, sizeof(*rung) + payload.n);
		rung->aloud = aloud;
		rung->n = payload.n;
		memcpy(rung->payload, payload.p, payload.n);
		TAILQ_INSERT_TAIL(&box->rungs, rung, link);
		box->rung_count++;
	}
	fiber_signal_raise(&box->bell);
}

static void on_resumed(void *arg)
{
	struct mailbox *box = arg;

	box->unread = true;
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
		                 .after = "0",
		                 .unread = true };
	TAILQ_INIT(&box->rungs);
	fiber_signal_init(&box->bell);
	box->sub = redis_sub_new(options->loop, &redis, &events, box, err);
	if (box->sub == NULL) {
		return err->code;
	}
	mail_bell_channel(options->worker, channel);
	redis_subscribe(box->sub, str_of(channel));
	mail_aloud_channel(options->worker, box->aloud);
	redis_subscribe(box->sub, str_of(box->aloud));
	return ERR_OK;
}

static void drop_rung(struct mailbox *box, struct mailbox_rung *rung)
{
	TAILQ_REMOVE(&box->rungs, rung, link);
	box->rung_count--;
	free(rung);
}

void mailbox_fini(struct mailbox *box)
{
	struct mailbox_rung *rung;

	if (box->sub != NULL) {
		redis_sub_free(box->sub);
		while ((rung = TAILQ_FIRST(&box->rungs)) != NULL) {
			drop_rung(box, rung);
		}
	}
}

static void take(struct mailbox *box, const struct mail *mail)
{
	if (mail->id[0] != '\0') {
		memcpy(box->after, mail->id, sizeof(box->after));
	}
	box->note(box->arg, mail);
}

static void take_rung(struct mailbox *box, const struct mailbox_rung *rung)
{
	const struct str payload = str_make(rung->payload, rung->n);
	struct mail mail;

	if (rung->aloud) {
		if (mail_aloud_read(payload, &mail)) {
			take(box, &mail);
		}
		return;
	}
	switch (mail_bell_read(payload, box->after, &mail)) {
	case MAIL_RUNG_NOTE: take(box, &mail); break;
	case MAIL_RUNG_OLD: break;
	case MAIL_RUNG_READ: box->unread = true; break;
	}
}

/* False: some have to be read. */
static bool take_rungs(struct mailbox *box)
{
	struct mailbox_rung *rung;

	while ((rung = TAILQ_FIRST(&box->rungs)) != NULL) {
		take_rung(box, rung);
		drop_rung(box, rung);
	}
	return !box->unread;
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
			take(box, &page.mails[i]);
		}
		mail_page_fini(&page);
	} while (count == MAIL_READ_MAX);
	return true;
}

void mailbox_run(void *arg)
{
	struct mailbox *box = arg;

	while (!fiber_cancelled()) {
		uint64_t next = SWEEP_MS;

		if (!take_rungs(box)) {
			box->unread = false;
			if (!read_all(box)) {
				box->unread = true;
				next = RETRY_MS;
			}
		}
		if (fiber_signal_wait(&box->bell, next) == ERR_TIMEOUT) {
			box->unread = true; /* a ring may have been lost */
		}
	}
}
