#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t (*replaced_mono)(void);
static int64_t (*replaced_wall)(void);

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

uint64_t clock_mono_us(void)
{
	return replaced_mono != NULL ? replaced_mono() : (uint64_t)read_us(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t clock_wall_us(void)
{
	return replaced_wall != NULL ? replaced_wall() : read_us(CLOCK_REALTIME);
}

void clock_replace(uint64_t (*mono_us)(void), int64_t (*wall_us)(void))
{
	replaced_mono = mono_us;
	replaced_wall = wall_us;
}

void clock_format(int64_t wall_us, char out[CLOCK_RFC3339_SIZE])
{
	const int64_t first_us = INT64_C(-62167219200000000), last_us = INT64_C(253402300799999999);
	time_t seconds;
	int64_t part_us;
	struct tm tm;
	size_t n;

	if (wall_us < first_us || wall_us > last_us) {
		wall_us = wall_us < first_us ? first_us : last_us;
	}
	part_us = wall_us % 1000000;
	if (part_us < 0) {
		part_us += 1000000;
	}
	seconds = (time_t)((wall_us - part_us) / 1000000);
	(void)gmtime_r(&seconds, &tm);
	/* strftime's %Y does not pad to four digits. */
	n = (size_t)snprintf(out, CLOCK_RFC3339_SIZE, "%04u",
	                     (unsigned)(tm.tm_year + 1900) % 10000);
	n += strftime(out + n, CLOCK_RFC3339_SIZE - n, "-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out + n, CLOCK_RFC3339_SIZE - n, ".%03dZ", (int)(part_us / 1000));
}
