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
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;
	size_t n;

	(void)gmtime_r(&seconds, &tm);
	n = strftime(out, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out + n, CLOCK_RFC3339_SIZE - n, ".%03dZ", (int)(wall_us / 1000 % 1000));
}
