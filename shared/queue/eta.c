#include "queue/eta.h"

#include <math.h>

/* Fewer say too little. */
enum { STARTS_MIN = 3 };

static const double ETA_MAX_MS = 30.0 * 24 * 3600 * 1000;
static const double DRIFT = 0.2;              /* of a mean, by the test of steady loads */
static const double Z90 = 1.2815515655446004; /* of the normal distribution */

const char *eta_basis_name(enum eta_basis basis)
{
	static const char *const names[ETA_BASIS_COUNT] = {
		[ETA_NONE] = "none",     [ETA_DUE] = "due", [ETA_USER] = "user",
		[ETA_TENANT] = "tenant", [ETA_ALL] = "all", [ETA_RUNTIME] = "runtime",
		[ETA_LIMIT] = "limit",
	};

	return names[basis];
}

/* ---- sums of gaps ---- */

struct gap {
	double mean, var; /* ms */
	double seen;      /* how many this is known from */
};

/* What has to pass: sums of means and variances. */
struct wait {
	double mean, var;
};

/* That of a gamma distribution (E. B. Wilson, M. M. Hilferty: The distribution of chi-square,
 * 1931). */
static uint64_t quantile(const struct wait *wait, double z)
{
	double spread = wait->mean > 0 ? wait->var / (9 * wait->mean * wait->mean) : 0;
	double root = 1 - spread + z * sqrt(spread);
	double ms = root > 0 ? wait->mean * root * root * root : 0;

	return (uint64_t)fmin(ms, ETA_MAX_MS);
}

static struct eta band(const struct wait *wait, enum eta_basis basis)
{
	return (struct eta){ basis, quantile(wait, -Z90), quantile(wait, 0), quantile(wait, Z90) };
}

/* Of the mean's square: it is itself only known from what was seen, and drifts. */
static double doubt(const struct gap *gap)
{
	return gap->var / gap->seen + DRIFT * DRIFT * gap->mean * gap->mean;
}

/* Whole gaps. */
static void add_gaps(struct wait *wait, const struct gap *gap, double count)
{
	wait->mean += count * gap->mean;
	wait->var += count * gap->var + count * count * doubt(gap);
}

/* The rest of a gap that is met at any moment: E X^2 / 2 E X, and E X^3 / 3 E X of a gamma
 * distribution for the variance. */
static void add_rest(struct wait *wait, const struct gap *gap)
{
	double m = gap->mean, square = m * m + gap->var;
	double rest = m > 0 ? square / (2 * m) : 0;
	double third = m > 0 ? square * (m * m + 2 * gap->var) / (3 * m * m) : 0;

	wait->mean += rest;
	wait->var += third - rest * rest + doubt(gap);
}

static struct gap gap_of(const struct queue_pace *pace)
{
	return (struct gap){ pace->mean_ms, pace->var, (double)pace->starts };
}

/* The same, when the gap that runs says that they have become longer. */
static struct gap running_gap(const struct queue_pace *pace, int64_t now_ms)
{
	double runs = (double)(now_ms - pace->last_ms), share = 1.0 / (double)(pace->starts + 1);
	struct gap gap = gap_of(pace);

	if (runs > gap.mean) {
		double off = runs - gap.mean;

		gap.mean += off * share;
		gap.var = (1 - share) * (gap.var + off * off * share);
	}
	return gap;
}

/* `count` starts of a line that was never empty since its last. */
static void add_starts(struct wait *wait, const struct queue_pace *pace, double count,
                       int64_t now_ms)
{
	const struct gap gap = running_gap(pace, now_ms);

	add_rest(wait, &gap);
	add_gaps(wait, &gap, count - 1);
}

/* ---- by how long sessions run ---- */

/* As if they ended at random, which is the widest that is seen. False: nothing is known. */
static bool slot_gap(const struct queue_why *why, double at_once, struct gap *ret)
{
	const struct queue_spent *spent =
		why->spent_tenant.ended >= 1 ? &why->spent_tenant : &why->spent_all;
	double mean;

	if (spent->ended < 1 || at_once < 1) {
		return false;
	}
	mean = spent->ms / spent->ended / at_once;
	*ret = (struct gap){ mean, mean * mean, spent->ended };
	return true;
}

static struct eta after_runs(const struct queue_why *why, double count, double at_once,
                             enum eta_basis basis)
{
	struct wait wait = { 0, 0 };
	struct gap gap;

	if (count > 0) {
		if (!slot_gap(why, at_once, &gap)) {
			return (struct eta){ .basis = ETA_NONE };
		}
		add_gaps(&wait, &gap, count);
	}
	return band(&wait, basis);
}

/* ---- by starts ---- */

static bool paced(const struct queue_pace *pace)
{
	return pace->starts >= STARTS_MIN;
}

static bool runs(const struct queue_pace *pace)
{
	return paced(pace) && pace->goes_on;
}

static double at_least_one(uint64_t count)
{
	return count > 1 ? (double)count : 1;
}

/* As all lines that need the same take turns; without a pace of theirs, as slots become free. */
static struct eta among_all(const struct queue_why *why, double starts,
                            const struct eta_slots *slots)
{
	struct wait wait = { 0, 0 };

	if ((double)slots->free >= starts) {
		return band(&wait, ETA_RUNTIME);
	}
	if (runs(&why->of_all)) {
		add_starts(&wait, &why->of_all, starts, why->now_ms);
		return band(&wait, ETA_ALL);
	}
	if (why->limit[0] != '\0') {
		return after_runs(why, (double)why->rank.ahead + 1, (double)why->most, ETA_LIMIT);
	}
	return after_runs(why, starts - (double)slots->free, (double)slots->all, ETA_RUNTIME);
}

static struct eta of_ready(const struct queue_why *why, const struct eta_slots *slots)
{
	const struct queue_rank *rank = &why->rank;
	double ahead = (double)rank->ahead, turn = (double)rank->users_ahead + 1;
	double users = at_least_one(rank->users), tenants = at_least_one(rank->tenants);
	struct wait wait = { 0, 0 };
	struct gap gap;

	if (runs(&why->of_user)) {
		add_starts(&wait, &why->of_user, ahead + 1, why->now_ms);
		return band(&wait, ETA_USER);
	}
	/* Its line has just begun: the first start of it comes as those of its tenant do. */
	if (runs(&why->of_tenant)) {
		if (ahead > 0 && paced(&why->of_user)) {
			gap = gap_of(&why->of_user);
			add_gaps(&wait, &gap, ahead);
			ahead = 0;
		}
		add_starts(&wait, &why->of_tenant, turn + ahead * users, why->now_ms);
		return band(&wait, ETA_TENANT);
	}
	return among_all(
		why, (double)rank->tenants_ahead + 1 + (turn - 1 + ahead * users) * tenants, slots);
}

static struct eta delayed_until(const struct queue_why *why)
{
	uint64_t ms = why->due_ms > why->now_ms ? (uint64_t)(why->due_ms - why->now_ms) : 0;

	return (struct eta){ ETA_DUE, ms, ms, ms };
}

struct eta eta_of(const struct queue_why *why, const struct eta_slots *slots)
{
	if (why->set == QUEUE_READY && slots->all > 0) {
		return of_ready(why, slots);
	}
	if (why->set == QUEUE_DELAYED && why->due_ms > 0) {
		return delayed_until(why);
	}
	if (why->set == QUEUE_HELD && why->limit[0] != '\0' && slots->all > 0) {
		return after_runs(why, (double)why->waiting + 1, (double)why->most, ETA_LIMIT);
	}
	return (struct eta){ .basis = ETA_NONE };
}
