#include "base/clock.h"

#include <stdio.h>
#include <string.h>
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

/* n digits and what follows them; returns behind it. Every answer of a server has a few. */
static char *put_digits(char *out, unsigned v, unsigned n, char then)
{
	for (unsigned i = n; i > 0; i--) {
		out[i - 1] = (char)('0' + v % 10);
		v /= 10;
	}
	out[n] = then;
	return out + n + 1;
}

void clock_format(int64_t wall_us, char out[CLOCK_RFC3339_SIZE])
{
	const int64_t first_us = INT64_C(-62167219200000000), last_us = INT64_C(253402300799999999);
	time_t seconds;
	int64_t part_us;
	struct tm tm;

	if (wall_us < first_us || wall_us > last_us) {
		wall_us = wall_us < first_us ? first_us : last_us;
	}
	part_us = wall_us % 1000000;
	if (part_us < 0) {
		part_us += 1000000;
	}
	seconds = (time_t)((wall_us - part_us) / 1000000);
	(void)gmtime_r(&seconds, &tm);
	out = put_digits(out, (unsigned)(tm.tm_year + 1900), 4, '-');
	out = put_digits(out, (unsigned)tm.tm_mon + 1, 2, '-');
	out = put_digits(out, (unsigned)tm.tm_mday, 2, 'T');
	out = put_digits(out, (unsigned)tm.tm_hour, 2, ':');
	out = put_digits(out, (unsigned)tm.tm_min, 2, ':');
	out = put_digits(out, (unsigned)tm.tm_sec, 2, '.');
	out = put_digits(out, (unsigned)(part_us / 1000), 3, 'Z');
	*out = '\0';
}

/* n digits from the front of *s. */
static bool take_digits(struct str *s, size_t n, unsigned max, unsigned *ret)
{
	uint64_t v;

	if (s->n < n || !parse_u64(str_make(s->p, n), max, &v)) {
		return false;
	}
	*s = str_make(s->p + n, s->n - n);
	*ret = (unsigned)v;
	return true;
}

static bool take_one_of(struct str *s, const char *set, char *ret)
{
	if (s->n == 0 || s->p[0] == '\0' || strchr(set, s->p[0]) == NULL) {
		return false;
	}
	*ret = s->p[0];
	*s = str_make(s->p + 1, s->n - 1);
	return true;
}

/* Of the proleptic Gregorian calendar, from 1970-01-01: years begin in March, so that the leap day
 * is the last day of one. */
static int64_t days_since_epoch(unsigned year, unsigned month, unsigned day)
{
	int64_t y = (int64_t)year - (month <= 2 ? 1 : 0);
	int64_t m = (month + 9) % 12;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool take_date(struct str *s, int64_t *ret_days)
{
	static const unsigned char lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year, month, day, leap;
	char dash;

	if (!take_digits(s, 4, 9999, &year) || !take_one_of(s, "-", &dash) ||
	    !take_digits(s, 2, 12, &month) || !take_one_of(s, "-", &dash) ||
	    !take_digits(s, 2, 31, &day) || year == 0 || month == 0 || day == 0) {
		return false;
	}
	leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	*ret_days = days_since_epoch(year, month, day);
	return day <= lengths[month - 1] + leap;
}

static bool take_fraction(struct str *s, int64_t *ret_us)
{
	int64_t scale = 100000;
	unsigned digit;
	char point;

	*ret_us = 0;
	if (!take_one_of(s, ".", &point)) {
		return true;
	}
	if (!take_digits(s, 1, 9, &digit)) {
		return false;
	}
	do {
		*ret_us += digit * scale;
		scale /= 10;
	} while (take_digits(s, 1, 9, &digit));
	return true;
}

static bool take_offset(struct str *s, int64_t *ret_s)
{
	unsigned hours, minutes;
	char sign;

	*ret_s = 0;
	if (!take_one_of(s, "Zz+-", &sign)) {
		return false;
	}
	if (sign == 'Z' || sign == 'z') {
		return true;
	}
	if (!take_digits(s, 2, 23, &hours) || !take_one_of(s, ":", &(char){ 0 }) ||
	    !take_digits(s, 2, 59, &minutes)) {
		return false;
	}
	*ret_s = ((int64_t)hours * 60 + minutes) * (sign == '-' ? -60 : 60);
	return true;
}

bool clock_parse(struct str s, int64_t *ret_wall_us)
{
	int64_t days, us, offset_s;
	unsigned hour, minute, second;
	char c;

	if (!take_date(&s, &days) || !take_one_of(&s, "Tt", &c) || !take_digits(&s, 2, 23, &hour) ||
	    !take_one_of(&s, ":", &c) || !take_digits(&s, 2, 59, &minute) ||
	    !take_one_of(&s, ":", &c) || !take_digits(&s, 2, 60, &second) ||
	    !take_fraction(&s, &us) || !take_offset(&s, &offset_s) || s.n > 0) {
		return false;
	}
	*ret_wall_us = (((days * 24 + hour) * 60 + minute) * 60 + second - offset_s) * 1000000 + us;
	return true;
}
