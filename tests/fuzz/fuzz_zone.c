/* Any bytes as a TZif file: what is accepted cuts all of time into spans, and every local time is
 * reached. */
#include <assert.h>
#include <stdint.h>

#include "schedule/cron.h"
#include "schedule/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spans(const struct zone *zone, int64_t at)
{
	for (unsigned i = 0; i < 64; i++) {
		struct zone_span span = zone_at(zone, at), again;

		assert(span.begin <= at && at < span.end);
		if (span.end == INT64_MAX) {
			return;
		}
		again = zone_at(zone, span.end - 1);
		assert(again.end == span.end && again.offset_s == span.offset_s);
		at = span.end;
	}
}

static void check_reach(const struct zone *zone, int64_t at)
{
	int64_t unseen = zone_unseen(zone, at), reached = zone_reach(zone, unseen, at);

	assert(unseen > at - 1 + zone_at(zone, at - 1).offset_s);
	assert(reached >= at && reached + zone_at(zone, reached).offset_s >= unseen);
	assert(reached == at || reached - 1 + zone_at(zone, reached - 1).offset_s < unseen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t times[] = { INT64_MIN / 4, -3000000000, -1,           0,
		                         1774746000,    4102444800,  INT64_MAX / 4 };
	struct arena *arena = arena_new();
	const struct zone *zone;
	struct cron cron;
	struct err err;
	int64_t next;

	if (zone_parse(str_make((const char *)data, size), arena, &zone, &err) == ERR_OK) {
		for (size_t i = 0; i < ARRAY_LEN(times); i++) {
			check_spans(zone, times[i]);
			check_reach(zone, times[i]);
		}
		assert(cron_parse(STR_LIT("30 2 * * *"), &cron, &err) == ERR_OK);
		assert(cron_next(&cron, zone, 1774746000, &next) && next > 1774746000);
		assert(cron_parse(STR_LIT("30 * * * *"), &cron, &err) == ERR_OK);
		assert(cron_next(&cron, zone, 1774746000, &next) && next > 1774746000);
	}
	arena_free(arena);
	return 0;
}
