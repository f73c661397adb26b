/*
 * The notes of schedulers and API nodes for this worker: those that come with the bell are taken as
 * they are while none is missing between them; else, and since bells may be lost now and then, the
 * box is read.  The body of a fiber; each note is handed out once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/err.h"
#include "loop/fiber.h"
#include "queue/mail.h"

struct loop;
struct redis;
struct redis_sub;

/* A ring that brought its note, or a note that was said aloud. */
struct mailbox_rung {
	TAILQ_ENTRY(mailbox_rung) link;
	bool aloud;
	size_t n;
	char payload[];
};

struct mailbox {
	struct redis *redis;
	const char *worker;
	void (*note)(void *arg, const struct mail *mail);
	void *arg;

	char aloud[QUEUE_KEY_SIZE]; /* the channel */
	char after[MAIL_ID_SIZE];
	TAILQ_HEAD(mailbox_rungs, mailbox_rung) rungs; /* oldest first */
	size_t rung_count;
	bool unread; /* there may be notes that did not come with a ring */
	struct redis_sub *sub;
	struct fiber_signal bell;
};

struct mailbox_options {
	struct loop *loop;
	struct redis *redis;
	const char *redis_url; /* for the bell's own connection */
	unsigned timeout_ms;
	const char *worker;
	void (*note)(void *arg, const struct mail *mail);
	void *arg;
};

/* The strings live longer than the mailbox. */
enum err_code mailbox_init(struct mailbox *box, const struct mailbox_options *options,
                           struct err *err) MUST_CHECK;
void mailbox_fini(struct mailbox *box); /* after its fiber has ended */

void mailbox_run(void *arg); /* the mailbox; the body of a fiber */
