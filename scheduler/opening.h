/* Raising the epoch of a session's log: the first half of every lease and of taking one back. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "event/log.h"

struct app;

struct opening {
	struct id sid;
	const char *tenant;
	const char *cause;
	const char *token; /* names this opening: repeating it changes nothing */
	uint64_t epoch;    /* that the log must be in; 0: any */
	bool moves;
	enum session_state to;
	const char *reason;  /* of the status event; NULL: none */
	const char *worker;  /* likewise */
	const char *channel; /* that is told so in the same step (log.h); NULL: none */
	struct str tell;
};

/* log_open() alone; whoever asks tells PostgreSQL. */
enum err_code opening_raise(struct app *app, const struct opening *opening, struct log_result *ret,
                            struct err *err) MUST_CHECK;

/* log_open(), and PostgreSQL is told. */
enum err_code opening_make(struct app *app, const struct opening *opening, struct log_result *ret,
                           struct err *err) MUST_CHECK;

/*
 * The head, after log_rebuild() when this Redis does not have the log or has it from before a
 * break. ret->found false: the session has ended and needs no log.
 */
enum err_code opening_head(struct app *app, const struct id *sid, const char *tenant,
                           struct log_head *ret, struct err *err) MUST_CHECK;
