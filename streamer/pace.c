#include "streamer/pace.h"

static uint32_t cut(uint64_t distance)
{
	return distance < UINT32_MAX ? (uint32_t)distance : UINT32_MAX;
}

void pace_full(struct pace *pace, uint32_t now_ms, uint64_t distance)
{
	if (pace->since_ms == 0) {
		pace->since_ms = now_ms | 1; /* 0 says something else */
		pace->distance = cut(distance);
	}
}

bool pace_is_behind(const struct pace *pace, uint32_t now_ms, unsigned for_ms)
{
	int32_t behind_ms = (int32_t)(now_ms - pace->since_ms);

	return pace->since_ms != 0 && behind_ms >= 0 && (uint32_t)behind_ms >= for_ms;
}

bool pace_look(struct pace *pace, uint32_t now_ms, uint64_t distance, unsigned after_ms)
{
	uint64_t now = cut(distance), won;

	if (!pace_is_behind(pace, now_ms, after_ms)) {
		return false;
	}
	won = pace->distance > now ? pace->distance - now : 0;
	pace->since_ms = now_ms | 1;
	pace->distance = (uint32_t)now;
	return now > won * PACE_SOON;
}

void pace_caught_up(struct pace *pace)
{
	*pace = (struct pace){ 0 };
}
