#include "streamer/lag.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "log/log.h"
#include "metric/metric.h"

enum stage { STAGE_DOORBELL, STAGE_RING, STAGE_SOCKET, STAGE_ALL, STAGE_COUNT };

/* Found once: metric_series() costs more than what is measured here. */
static void observe(enum stage stage, uint64_t us, uint64_t times)
{
	static const char *const names[STAGE_COUNT] = { "doorbell", "ring", "socket", "all" };
	static struct metric_series *series[STAGE_COUNT];

	if (series[stage] == NULL) {
		series[stage] = metric_series(METRIC_STREAM_LAG, names[stage], NULL);
	}
	metric_observe_times(series[stage], us, times);
}

/* Clocks of two hosts differ: what would lie before its cause took no time. */
static uint64_t since_us(int64_t appended_us)
{
	int64_t now_us = clock_wall_us();

	return now_us > appended_us ? (uint64_t)(now_us - appended_us) : 0;
}

void lag_heard(struct lag *lag, const struct log_bell *bell)
{
	observe(STAGE_DOORBELL, since_us(bell->appended_us), 1);
	if (lag->appended_us == 0) {
		lag->appended_us = bell->appended_us;
		lag->heard_us = clock_mono_us();
	}
	if (bell->trace[0] != '\0' && lag->trace[0] == '\0') {
		memcpy(lag->trace, bell->trace, sizeof(lag->trace));
		lag->first = bell->first;
		lag->last = bell->last;
	}
}

void lag_pushed(struct lag *lag)
{
	if (lag->appended_us != 0 && lag->pushed_us == 0) {
		lag->pushed_us = clock_mono_us();
		observe(STAGE_RING, lag->pushed_us - lag->heard_us, 1);
	}
}

static void look(struct lag *lag)
{
	observe(STAGE_SOCKET, clock_mono_us() - lag->pushed_us, lag->waiting);
	observe(STAGE_ALL, since_us(lag->appended_us), lag->waiting);
	lag->written += lag->waiting;
	lag->waiting = 0;
}

void lag_wrote(struct lag *lag)
{
	if (lag->pushed_us != 0 && ++lag->waiting == LAG_LOOK) {
		look(lag);
	}
}

static void tell(const struct lag *lag, const struct id *sid)
{
	char first[CURSOR_SIZE], last[CURSOR_SIZE];
	uint64_t now_us = clock_mono_us();
	uint64_t all_us = since_us(lag->appended_us), here_us = now_us - lag->heard_us;

	cursor_format(&lag->first, first);
	cursor_format(&lag->last, last);
	log_info("stream.traced",
	         "trace=%s session=%s first=%s last=%s subscribers=%" PRIu32 " doorbell_us=%" PRIu64
	         " ring_us=%" PRIu64 " socket_us=%" PRIu64 " all_us=%" PRIu64,
	         lag->trace, sid->s, first, last, lag->written,
	         all_us > here_us ? all_us - here_us : 0, lag->pushed_us - lag->heard_us,
	         now_us - lag->pushed_us, all_us);
}

void lag_done(struct lag *lag, const struct id *sid)
{
	if (lag->pushed_us == 0) {
		return;
	}
	if (lag->waiting > 0) {
		look(lag);
	}
	if (lag->trace[0] != '\0') {
		tell(lag, sid);
	}
	*lag = (struct lag){ .appended_us = 0 };
}
