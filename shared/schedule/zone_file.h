/* The system's time zones: what Debian's tzdata puts into /usr/share/zoneinfo. Reads a small file
 * each time, so an updated tzdata holds from then on. */
#pragma once

#include "schedule/zone.h"

/* NULL, or the rule that a name breaks: "Europe/Berlin" may be one. Pure. */
const char *zone_check_name(struct str name);

/* ERR_NOT_FOUND: the system has no zone of that name. "UTC" is always there. */
enum err_code zone_load(struct str name, struct arena *arena, const struct zone **ret,
                        struct err *err) MUST_CHECK;
