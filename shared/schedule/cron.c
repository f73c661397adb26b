#include "schedule/cron.h"

#include "schedule/calendar.h"
#include "schedule/zone.h"

/* February 29 falls on a given day of the week at least this often, 2100 in between or not. */
enum { HORIZON_DAYS = 41 * 366, HOUR_S = 3600, MINUTE_S = 60, FIELDS_MAX = 6, NONE = 64 };

#define ALL_HOURS ((1U << 24) - 1)

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
	                                   "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekday_names[] = {
	"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL
};

struct field {
	const char *name;
	unsigned min, max;
	const char *const *names; /* of the values from min on, or NULL */
};

/* 7 is Sunday too, so that ranges may end with it. */
static const struct field fields[FIELDS_MAX] = {
	{ "second", 0, 59, NULL },       { "minute", 0, 59, NULL },
	{ "hour", 0, 23, NULL },         { "day of the month", 1, 31, NULL },
	{ "month", 1, 12, month_names }, { "day of the week", 0, 7, weekday_names },
};

/* ---- parsing ---- */

static enum err_code refuse(const struct field *field, const char *rule, struct err *err)
{
	return err_set(err, ERR_INVALID, "%s must %s", field->name, rule);
}

static enum err_code take_value(const struct field *field, struct str word, unsigned *ret,
                                struct err *err)
{
	uint64_t v;

	for (unsigned i = 0; field->names != NULL && field->names[i] != NULL; i++) {
		if (str_eq_nocase(word, str_of(field->names[i]))) {
			*ret = field->min + i;
			return ERR_OK;
		}
	}
	if (parse_u64(word, field->max, &v) && v >= field->min && word.n <= 2) {
		*ret = (unsigned)v;
		return ERR_OK;
	}
	return err_set(err, ERR_INVALID, "%s must have values from %u to %u%s", field->name,
	               field->min, field->max,
	               field->names != NULL ? ", or the first three letters of a name" : "");
}

/* "*", "a", "a-b", and both ranges with "/n". */
static enum err_code take_item(const struct field *field, struct str item, uint64_t *set,
                               struct err *err)
{
	struct str step = item, high = str_split(&step, '/'), low = high;
	unsigned first = field->min, last = field->max;
	uint64_t every = 1;
	enum err_code code;
	bool is_range;

	low = str_split(&high, '-');
	is_range = high.p != NULL;
	if (str_eq(low, STR_LIT("*")) && !is_range) {
		is_range = true;
	} else {
		code = take_value(field, low, &first, err);
		last = first;
		if (code == ERR_OK && is_range) {
			code = take_value(field, high, &last, err);
		}
		if (code != ERR_OK) {
			return code;
		}
	}
	if (first > last) {
		return refuse(field, "not have a range that goes down", err);
	}
	if (step.p != NULL && !is_range) {
		return refuse(field, "have a step only after a range or a star", err);
	}
	if (step.p != NULL && (!parse_u64(step, field->max, &every) || every == 0)) {
		return err_set(err, ERR_INVALID, "%s must have steps from 1 to %u", field->name,
		               field->max);
	}
	for (unsigned i = first; i <= last; i += (unsigned)every) {
		*set |= UINT64_C(1) << i;
	}
	return ERR_OK;
}

static enum err_code take_field(const struct field *field, struct str text, uint64_t *ret,
                                struct err *err)
{
	struct str rest = text;

	*ret = 0;
	do {
		enum err_code code = take_item(field, str_split(&rest, ','), ret, err);

		if (code != ERR_OK) {
			return code;
		}
	} while (rest.p != NULL);
	return ERR_OK;
}

static struct str take_word(struct str *rest)
{
	size_t n = 0;
	struct str word;

	*rest = str_trim(*rest);
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t') {
		n++;
	}
	word = str_make(rest->p, n);
	*rest = str_make(rest->p + n, rest->n - n);
	return word;
}

static struct str expand(struct str text)
{
	static const struct {
		const char *name, *means;
	} all[] = {
		{ "@yearly", "0 0 1 1 *" },  { "@annually", "0 0 1 1 *" },
		{ "@monthly", "0 0 1 * *" }, { "@weekly", "0 0 * * 0" },
		{ "@daily", "0 0 * * *" },   { "@midnight", "0 0 * * *" },
		{ "@hourly", "0 * * * *" },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (str_eq_nocase(text, str_of(all[i].name))) {
			return str_of(all[i].means);
		}
	}
	return text;
}

/* Some day of some year: one day of the week is enough when either may match. */
static bool is_possible(const struct cron *cron)
{
	if (!cron->any_day && !cron->any_weekday) {
		return true;
	}
	for (unsigned month = 1; month <= 12; month++) {
		uint32_t days = (2U << calendar_month_days(2000, month)) - 1;

		if ((cron->months >> month & 1) != 0 && (cron->days & days) != 0) {
			return true;
		}
	}
	return false;
}

static enum err_code take_fields(const struct str words[FIELDS_MAX], struct cron *cron,
                                 struct err *err)
{
	uint64_t sets[FIELDS_MAX];

	for (unsigned i = 0; i < FIELDS_MAX; i++) {
		enum err_code code = take_field(&fields[i], words[i], &sets[i], err);

		if (code != ERR_OK) {
			return code;
		}
	}
	*cron = (struct cron){
		.seconds = sets[0],
		.minutes = sets[1],
		.hours = (uint32_t)sets[2],
		.days = (uint32_t)sets[3],
		.months = (uint32_t)sets[4],
		.weekdays = (uint32_t)((sets[5] | sets[5] >> 7) & 0x7f),
		.any_day = words[3].p[0] == '*',
		.any_weekday = words[5].p[0] == '*',
	};
	return ERR_OK;
}

enum err_code cron_parse(struct str text, struct cron *ret, struct err *err)
{
	struct str words[FIELDS_MAX + 1] = { STR_LIT("0") }, rest = str_trim(text);
	struct cron cron;
	size_t count = 0;

	if (text.n > CRON_TEXT_MAX) {
		return err_set(err, ERR_INVALID, "must be at most %d bytes", CRON_TEXT_MAX);
	}
	rest = expand(rest);
	if (rest.n > 0 && rest.p[0] == '@') {
		return err_set(err, ERR_INVALID,
		               "must be fields, or @yearly, @annually, @monthly, @weekly, @daily, "
		               "@midnight or @hourly");
	}
	while (rest.n > 0 && count < FIELDS_MAX) {
		words[++count] = take_word(&rest);
	}
	if (count < FIELDS_MAX - 1 || str_trim(rest).n > 0) {
		return err_set(err, ERR_INVALID, "must have 5 fields, or 6 with seconds first");
	}
	if (take_fields(count == FIELDS_MAX ? words + 1 : words, &cron, err) != ERR_OK) {
		return err->code;
	}
	if (!is_possible(&cron)) {
		return err_set(err, ERR_INVALID, "must name a day that some month has");
	}
	*ret = cron;
	return ERR_OK;
}

/* ---- matching ---- */

/* The lowest bit from `from` on, or NONE. */
static unsigned next_bit(uint64_t set, unsigned from)
{
	uint64_t rest = from < NONE ? set >> from : 0;

	return rest == 0 ? NONE : from + (unsigned)__builtin_ctzll(rest);
}

/* The first time of a day that matches, at *time or later. */
static bool match_time(const struct cron *cron, unsigned *time)
{
	unsigned hour = *time / HOUR_S, minute = *time / MINUTE_S % 60, second = *time % MINUTE_S;
	unsigned h, m, s = next_bit(cron->seconds, second);

	minute += s == NONE ? 1 : 0;
	m = next_bit(cron->minutes, minute);
	hour += m == NONE ? 1 : 0;
	h = next_bit(cron->hours, hour);
	if (h == NONE) {
		return false;
	}
	if (m == NONE || h != hour) {
		m = next_bit(cron->minutes, 0);
		s = NONE;
	} else if (m != minute) {
		s = NONE;
	}
	if (s == NONE) {
		s = next_bit(cron->seconds, 0);
	}
	*time = h * HOUR_S + m * MINUTE_S + s;
	return true;
}

static bool match_day(const struct cron *cron, const struct calendar_date *date, int64_t days)
{
	bool day = (cron->days >> date->day & 1) != 0;
	bool weekday = (cron->weekdays >> calendar_weekday(days) & 1) != 0;

	return cron->any_day || cron->any_weekday ? day && weekday : day || weekday;
}

bool cron_match(const struct cron *cron, int64_t from, int64_t until, int64_t *ret)
{
	int64_t days = calendar_floor(from, CALENDAR_DAY_S);
	unsigned time = (unsigned)(from - days * CALENDAR_DAY_S);

	while (days * CALENDAR_DAY_S < until) {
		struct calendar_date date = calendar_date(days);

		if ((cron->months >> date.month & 1) == 0) {
			days += (int64_t)(calendar_month_days(date.year, date.month) - date.day +
			                  1);
		} else if (match_day(cron, &date, days) && match_time(cron, &time)) {
			*ret = days * CALENDAR_DAY_S + time;
			return *ret < until;
		} else {
			days++;
		}
		time = 0;
	}
	return false;
}

/* Each time fires when the clock first shows it or a later one: that is all there is to both rules.
 */
static bool next_by_clock(const struct cron *cron, const struct zone *zone, int64_t after,
                          int64_t *ret)
{
	int64_t from = zone_unseen(zone, after + 1), local;

	if (!cron_match(cron, from, from + (int64_t)HORIZON_DAYS * CALENDAR_DAY_S, &local)) {
		return false;
	}
	*ret = zone_reach(zone, local, after + 1);
	return true;
}

static bool next_by_time(const struct cron *cron, const struct zone *zone, int64_t after,
                         int64_t *ret)
{
	int64_t until = after + (int64_t)HORIZON_DAYS * CALENDAR_DAY_S, at = after + 1, local;

	while (at < until) {
		struct zone_span span = zone_at(zone, at);
		int64_t end = span.end < until ? span.end : until;

		if (cron_match(cron, at + span.offset_s, end + span.offset_s, &local)) {
			*ret = local - span.offset_s;
			return true;
		}
		at = end;
	}
	return false;
}

bool cron_next(const struct cron *cron, const struct zone *zone, int64_t after, int64_t *ret)
{
	return cron->hours == ALL_HOURS ? next_by_time(cron, zone, after, ret)
	                                : next_by_clock(cron, zone, after, ret);
}
