/*
 * Requests that were refused, for the audit: counted in memory and written down within a second,
 * so that refusing is cheap, and what somebody writes by asking again and again is bounded: of one
 * subject (who, from where, what) the first is a row at once, and all others of its minute are one
 * row with their number when the minute is over.  Of one tenant DENIALS_OF_CHAIN subjects a minute
 * are told apart, of a node DENIALS_SUBJECTS; what is beyond that is one number.
 *
 * A process that is killed loses what it had not written: the denials of its last second, and the
 * numbers of the minute.
 */
#pragma once

#include "audit/audit.h"
#include "loop/fiber.h"

struct loop;
struct denials;

enum { DENIALS_SUBJECTS = 128, DENIALS_OF_CHAIN = 32 };

struct denials_options {
	struct pg *pg;
	struct cred_pepper key; /* audit_key() */
	struct loop *loop;
	struct fiber_group
		*duties; /* it writes on a fiber of these; cancelled, it writes the rest */
};

struct denials *denials_new(const struct denials_options *options) MUST_CHECK;
void denials_free(struct denials *denials); /* after its duties; NULL is a no-op */

/* Never waits. */
void denials_add(struct denials *denials, const struct audit_entry *entry);
