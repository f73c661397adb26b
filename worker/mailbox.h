/*
 * The notes of schedulers and API nodes for this worker, read when the bell rings and, since
 * bells may be lost, now and then.  The body of a fiber; each note is handed out once.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "loop/fiber.h"
#include "queue/mail.h"

struct loop;
struct redis;
struct redis_sub;

struct mailbox {
	struct redis *redis;
	const char *worker;
	void (*note)(void *arg, const struct mail *mail);
	void *arg;

	char after[MAIL_ID_SIZE];
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
