/*
 * Time zones as the system has them: TZif files (RFC 8536), versions 1 to 4, with the rule of their
 * footer for the years after the last transition.  Pure; zone_file.h reads the files.
 *
 * Not libc's, whose zone is one for the whole process.  Files with leap seconds ("right/...") are
 * refused: Fairlead counts as POSIX does.
 *
 * Times are seconds since 1970-01-01 00:00 UTC; what clocks of the zone show is in seconds since
 * 1970-01-01 00:00 as they show it.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum { ZONE_NAME_MAX = 64, ZONE_FILE_MAX = 64 * 1024 };

struct zone;

/* Everything is the arena's, nothing refers to bytes afterwards. ERR_INVALID: it is no such file.
 */
enum err_code zone_parse(struct str bytes, struct arena *arena, const struct zone **ret,
                         struct err *err) MUST_CHECK;

const struct zone *zone_utc(void);

/* What is set on a clock from begin to before end; INT64_MIN and INT64_MAX: for ever. */
struct zone_span {
	int64_t begin, end;
	int32_t offset_s; /* to add to UTC */
};

struct zone_span zone_at(const struct zone *zone, int64_t at);

/* The least local time that no clock of the zone showed, or passed over, before `at`. */
int64_t zone_unseen(const struct zone *zone, int64_t at);

/* The first moment, `at` or later, at which clocks show `local` or more. */
int64_t zone_reach(const struct zone *zone, int64_t local, int64_t at);
