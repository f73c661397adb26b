/* Any text as a cron expression: what is accepted fires in order, at times that it names. */
#include <stdint.h>
#include <stdlib.h>

#include "schedule/cron.h"
#include "schedule/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TIMES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t at = INT64_C(1767225600), next, named;
	struct cron cron;
	struct err err;

	if (cron_parse(str_make((const char *)data, size), &cron, &err) != ERR_OK) {
		return 0;
	}
	for (unsigned i = 0; i < TIMES; i++) {
		/* In UTC both rules are one: the next time is the next that is named. */
		if (!cron_next(&cron, zone_utc(), at, &next) || next <= at ||
		    !cron_match(&cron, at + 1, next + 1, &named) || named != next) {
			abort();
		}
		at = next;
	}
	return 0;
}
