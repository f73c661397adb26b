#include "audit/denials.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"

enum { TICK_MS = 1000, WINDOW_MS = 60000, CHAIN_SIZE = 66, DETAIL_SIZE = 96 };

/* One who was refused one thing, this minute. */
struct subject {
	bool used;
	bool is_told; /* its first is written */
	struct cred_digest what;
	uint64_t count; /* not written yet */
	uint64_t since_ms;
	enum audit_outcome outcome;
	char chain[CHAIN_SIZE];
	char kind[AUDIT_WORD_MAX + 1], id[AUDIT_WORD_MAX + 1], name[AUDIT_NAME_MAX + 1];
	char address[AUDIT_WORD_MAX + 1], agent[AUDIT_NAME_MAX + 1], request[AUDIT_WORD_MAX + 1];
	char action[AUDIT_WORD_MAX + 1], object[AUDIT_OBJECT_MAX + 1];
};

struct denials {
	struct denials_options options;
	struct subject subjects[DENIALS_SUBJECTS];
	uint64_t others; /* that had no place */
	uint64_t others_since_ms;
	bool is_blind; /* the last time it could not be written */
};

/* ---- counting ---- */

static void copy(char *out, size_t size, struct str text)
{
	size_t n = text.n < size - 1 ? text.n : size - 1;

	if (n > 0) {
		memcpy(out, text.p, n);
	}
	out[n] = '\0';
}

static void begin(struct subject *subject, const struct audit_entry *entry,
                  const struct cred_digest *what)
{
#define COPY(field, from) copy(subject->field, sizeof(subject->field), from)
	*subject = (struct subject){ .used = true,
		                     .what = *what,
		                     .count = 1,
		                     .since_ms = clock_mono_ms(),
		                     .outcome = entry->outcome };
	COPY(chain, str_of(entry->chain));
	COPY(kind, entry->who.kind);
	COPY(id, entry->who.id);
	COPY(name, entry->who.name);
	COPY(address, entry->who.address);
	COPY(agent, entry->who.agent);
	COPY(request, entry->who.request);
	COPY(action, entry->action);
	COPY(object, entry->object);
#undef COPY
}

/* The object is not a part of it: who tries one id after the other is one subject. */
static struct cred_digest digest_of(const struct audit_entry *entry)
{
	const struct str parts[] = {
		str_of(entry->chain), entry->who.kind, entry->who.id,
		entry->who.address,   entry->action,   str_of(audit_outcome_name(entry->outcome))
	};

	return cred_digest(parts, ARRAY_LEN(parts), NULL);
}

void denials_add(struct denials *denials, const struct audit_entry *entry)
{
	const struct cred_digest what = digest_of(entry);
	struct subject *place = NULL;
	size_t of_chain = 0;

	for (size_t i = 0; i < DENIALS_SUBJECTS; i++) {
		struct subject *subject = &denials->subjects[i];

		if (!subject->used) {
			place = place == NULL ? subject : place;
		} else if (cred_digest_eq(&subject->what, &what)) {
			subject->count++;
			return;
		} else {
			of_chain += strcmp(subject->chain, entry->chain) == 0;
		}
	}
	if (place != NULL && of_chain < DENIALS_OF_CHAIN) {
		begin(place, entry, &what);
		return;
	}
	if (denials->others++ == 0) {
		denials->others_since_ms = clock_mono_ms();
	}
}

/* ---- writing ---- */

static enum err_code write_row(struct denials *denials, struct pg_tx *tx,
                               const struct subject *subject, uint64_t count, struct err *err)
{
	char detail[DETAIL_SIZE];
	int length = snprintf(detail, sizeof(detail), "{\"times\":%" PRIu64 "}", count);
	const struct audit_entry entry = {
		.chain = subject->chain,
		.who = { .kind = str_of(subject->kind),
		         .id = str_of(subject->id),
		         .name = str_of(subject->name),
		         .address = str_of(subject->address),
		         .agent = str_of(subject->agent),
		         .request = str_of(subject->request) },
		.action = str_of(subject->action),
		.object = str_of(subject->object),
		.outcome = subject->outcome,
		.detail = str_make(detail, (size_t)length),
	};

	return audit_append(tx, &denials->options.key, &entry, err);
}

static bool is_due(const struct subject *subject, uint64_t now_ms, bool all)
{
	return subject->used && subject->count > 0 &&
	       (all || !subject->is_told || now_ms - subject->since_ms >= WINDOW_MS);
}

static bool others_are_due(const struct denials *denials, uint64_t now_ms, bool all)
{
	return denials->others > 0 && (all || now_ms - denials->others_since_ms >= WINDOW_MS);
}

static bool anything_due(const struct denials *denials, uint64_t now_ms, bool all)
{
	bool due = others_are_due(denials, now_ms, all);

	for (size_t i = 0; i < DENIALS_SUBJECTS && !due; i++) {
		due = is_due(&denials->subjects[i], now_ms, all);
	}
	return due;
}

/* Counts may grow while it is written: what was written is taken off afterwards. */
struct batch {
	uint64_t counts[DENIALS_SUBJECTS];
	uint64_t others;
};

static enum err_code write_due(struct denials *denials, struct pg_tx *tx, uint64_t now_ms, bool all,
                               struct batch *batch, struct err *err)
{
	static const struct subject others = { .chain = AUDIT_SYSTEM,
		                               .kind = "nobody",
		                               .action = "denials.others",
		                               .outcome = AUDIT_DENIED };
	enum err_code code = ERR_OK;

	for (size_t i = 0; i < DENIALS_SUBJECTS && code == ERR_OK; i++) {
		const struct subject *subject = &denials->subjects[i];

		batch->counts[i] = is_due(subject, now_ms, all) ? subject->count : 0;
		if (batch->counts[i] > 0) {
			code = write_row(denials, tx, subject, batch->counts[i], err);
		}
	}
	batch->others = others_are_due(denials, now_ms, all) ? denials->others : 0;
	return code == ERR_OK && batch->others > 0
	               ? write_row(denials, tx, &others, batch->others, err)
	               : code;
}

static void settle(struct denials *denials, const struct batch *batch, uint64_t now_ms)
{
	for (size_t i = 0; i < DENIALS_SUBJECTS; i++) {
		struct subject *subject = &denials->subjects[i];

		subject->count -= batch->counts[i];
		if (batch->counts[i] > 0 && subject->is_told) {
			subject->since_ms = now_ms;
		}
		subject->is_told = subject->is_told || batch->counts[i] > 0;
		if (subject->used && subject->count == 0 &&
		    now_ms - subject->since_ms >= WINDOW_MS) {
			subject->used = false;
		}
	}
	denials->others -= batch->others;
	denials->others_since_ms = now_ms;
}

static void write_all(struct denials *denials, bool all)
{
	struct pg_tx *tx CLEANUP(pg_tx_cleanup) = NULL;
	uint64_t now_ms = clock_mono_ms();
	struct batch batch = { .others = 0 };
	enum err_code code = ERR_OK;
	struct err err;

	if (anything_due(denials, now_ms, all)) {
		code = pg_begin(denials->options.pg, "", &tx, &err);
		if (code == ERR_OK) {
			code = write_due(denials, tx, now_ms, all, &batch, &err);
		}
		if (code == ERR_OK) {
			struct pg_tx *ready = tx;

			tx = NULL;
			code = pg_commit(ready, &err);
		}
	}
	/* Better told twice than not. */
	if (code == ERR_OK) {
		settle(denials, &batch, now_ms);
	} else if (!denials->is_blind) {
		log_warn("audit.unwritten", "code=%s %s", err_name(code), err.msg);
	}
	denials->is_blind = code != ERR_OK;
}

static void keep_writing(void *arg)
{
	struct denials *denials = arg;

	while (fiber_sleep(TICK_MS) == ERR_OK) {
		write_all(denials, false);
	}
	fiber_shield();
	write_all(denials, true);
	fiber_unshield();
}

struct denials *denials_new(const struct denials_options *options)
{
	struct denials *denials = mem_calloc(1, sizeof(*denials));

	denials->options = *options;
	(void)fiber_start(options->loop, options->duties, "denials", keep_writing, denials);
	return denials;
}

void denials_free(struct denials *denials)
{
	free(denials);
}
