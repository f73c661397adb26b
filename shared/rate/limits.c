#include "rate/limits.h"

const char *rate_kind_name(enum rate_kind kind)
{
	static const char *const names[RATE_KIND_COUNT] = { [RATE_KEY] = "key",
		                                            [RATE_USER] = "user",
		                                            [RATE_TENANT] = "tenant",
		                                            [RATE_ADDRESS] = "address" };

	return names[kind];
}

const char *rate_class_name(enum rate_class which)
{
	static const char *const names[RATE_CLASS_COUNT] = { [RATE_READ] = "read",
		                                             [RATE_WRITE] = "write",
		                                             [RATE_AUTH] = "auth",
		                                             [RATE_STREAM] = "stream" };

	return names[which];
}

static bool parse_class(struct str name, enum rate_class *ret)
{
	for (unsigned i = 0; i < RATE_CLASS_COUNT; i++) {
		if (str_eq(name, str_of(rate_class_name((enum rate_class)i)))) {
			*ret = (enum rate_class)i;
			return true;
		}
	}
	return false;
}

/* "1m" */
static bool parse_period(struct str text, uint64_t *ret_us)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	uint64_t n;

	if (text.n < 2 || !parse_u64(str_make(text.p, text.n - 1), RATE_PERIOD_MAX_S, &n)) {
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (text.p[text.n - 1] == units[i].unit) {
			*ret_us = n * units[i].seconds * 1000000;
			return n > 0 && n * units[i].seconds <= RATE_PERIOD_MAX_S;
		}
	}
	return false;
}

/* "600/1m:1200" or "0" */
static bool parse_limit(struct str text, struct gcra_limit *ret)
{
	struct str period = text, burst, count = str_split(&period, '/');

	*ret = (struct gcra_limit){ .count = 0 };
	if (period.p == NULL) {
		return str_eq(count, STR_LIT("0"));
	}
	burst = period;
	period = str_split(&burst, ':');
	if (!parse_u64(count, RATE_COUNT_MAX, &ret->count) ||
	    !parse_period(period, &ret->period_us)) {
		return false;
	}
	ret->burst = ret->count;
	return (burst.p == NULL || parse_u64(burst, RATE_COUNT_MAX, &ret->burst)) &&
	       gcra_limit_ok(ret);
}

/* The next word of a list; false: no more. */
static bool next_word(struct str *rest, struct str *ret)
{
	while (rest->n > 0) {
		size_t n = 0;

		while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != ',') {
			n++;
		}
		*ret = str_make(rest->p, n);
		n += n < rest->n;
		*rest = str_make(rest->p + n, rest->n - n);
		if (ret->n > 0) {
			return true;
		}
	}
	return false;
}

enum err_code rate_limits_parse(struct str text, struct rate_limits *ret, struct err *err)
{
	struct rate_limits limits = { .of = { { .count = 0 } } };
	struct str word;

	while (next_word(&text, &word)) {
		struct str limit = word, name = str_split(&limit, '=');
		enum rate_class which;

		if (!parse_class(name, &which)) {
			return err_set(err, ERR_INVALID,
			               "\"%" STR_FMT "\" is no class: read, write, auth, stream",
			               STR_ARG(name));
		}
		if (limits.said[which]) {
			return err_set(err, ERR_INVALID, "%s is limited twice",
			               rate_class_name(which));
		}
		limits.said[which] = true;
		if (!parse_limit(limit, &limits.of[which])) {
			return err_set(err, ERR_INVALID,
			               "\"%" STR_FMT "\" is no limit: write it as 600/1m or "
			               "600/1m:1200, at most %d, in at most a day",
			               STR_ARG(word), RATE_COUNT_MAX);
		}
	}
	*ret = limits;
	return ERR_OK;
}
