/* What PostgreSQL knows of a log; shared by the files of the archive, not for others. */
#pragma once

#include "event/segment.h"

struct log_origin {
	enum session_state state;
	uint64_t epoch;         /* the highest known */
	struct cursor archived; /* the last archived entry, 0-0: none */
};

/* ERR_NOT_FOUND: no such session of this tenant. */
enum err_code log_origin_get(struct pg *pg, const struct id *sid, const char *tenant,
                             struct log_origin *ret, struct err *err) MUST_CHECK;

/* The end of the newest segment that ends at before->after.n or earlier; 0-0: none. */
enum err_code segment_before(struct pg *pg, const struct log_range *before, struct cursor *ret,
                             struct err *err) MUST_CHECK;

/* Where the epoch after range->after.epoch began; UINT64_MAX: there is none. */
enum err_code log_epoch_after(struct pg *pg, const struct log_range *range, uint64_t *ret_first_n,
                              struct err *err) MUST_CHECK;
