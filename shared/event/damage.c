#include "event/damage.h"

#include <inttypes.h>

#include "base/clock.h"
#include "log/log.h"
#include "metric/metric.h"

enum { TOLD_MAX = 64, SILENT_MS = 60000 };

/* The sessions told of last; one that was pushed out is told of again. */
static struct told {
	struct id sid;
	uint64_t until_ms;
} told[TOLD_MAX];
static unsigned told_next;

void damage_tell(const struct id *sid, uint64_t first_n, const char *what)
{
	uint64_t now = clock_mono_ms();

	metric_inc(METRIC_ARCHIVE_DAMAGED, NULL);
	for (unsigned i = 0; i < TOLD_MAX; i++) {
		if (id_eq(&told[i].sid, sid) && now < told[i].until_ms) {
			return;
		}
	}
	told[told_next++ % TOLD_MAX] = (struct told){ *sid, now + SILENT_MS };
	log_error("archive.damaged", "session=%s n=%" PRIu64 " %s", sid->s, first_n, what);
}
