/*
 * What must hold when a session is leased as it comes: all that holds for a claim, and that nobody
 * is overtaken.  Nothing here asks as the scripts do: it looks at what the queue has of each
 * session, at limits, and at what was answered to those who offered.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "queue/offer.h"
#include "tests/sim/check.h"

enum {
	ARGS = 3, /* words before the first of a script's */
	STRIDE = 1000,
	CALLS_OF_SUBMIT = 32,
	CALLS_OF_OFFER = 4, /* and one for each worker */
	NAMES = 5,
	NAME_SIZE = 96,
};

static uint64_t now_ms(void)
{
	return (uint64_t)clock_wall_us() / 1000;
}

/* ---- what stands ---- */

static bool stands(void)
{
	return world->offered.holder[0] != '\0' && world->offered.till_ms >= now_ms();
}

static size_t size_of(char kind, struct str inc)
{
	char key[QUEUE_WORKER_MAX + 32];
	struct value *zset;

	(void)snprintf(key, sizeof(key), "{q0/1}:%c:%.*s", kind, (int)inc.n, inc.p);
	zset = check_value(key, VALUE_ZSET);
	return zset != NULL ? zset->count : 0;
}

enum {
	OFFER_INCARNATION,
	OFFER_SLOTS,
	OFFER_PLACES,
	OFFER_HAS,
	OFFER_HOLDS,
	OFFER_MORE,
	OFFER_WORDS
};

static void note_item(const struct str *words, struct offered *offered)
{
	size_t k = offered->count;
	uint64_t more = UINT32_MAX;

	if (k == OFFERED_MAX ||
	    !str_copy(offered->items[k].incarnation, sizeof(offered->items[k].incarnation),
	              words[OFFER_INCARNATION]) ||
	    !parse_u64(words[OFFER_SLOTS], UINT32_MAX, &offered->items[k].slots) ||
	    !parse_u64(words[OFFER_PLACES], UINT32_MAX, &offered->items[k].places) ||
	    !str_copy(offered->items[k].has, sizeof(offered->items[k].has), words[OFFER_HAS]) ||
	    (words[OFFER_MORE].n > 0 && !parse_u64(words[OFFER_MORE], UINT32_MAX, &more))) {
		world_fail("an offer that nobody understands");
		return;
	}
	more += size_of('w', words[OFFER_INCARNATION]);
	if (more < offered->items[k].slots) {
		offered->items[k].slots = more;
	}
	offered->count++;
}

static void note_offer(const struct ran *ran)
{
	struct offered *offered = &world->offered;
	struct str holder = ran->words[ARGS + 1];
	uint64_t for_ms = 0;

	if (ran->reply->integer == 0) {
		if (!stands() || str_eq(str_of(offered->holder), holder)) {
			world_fail("an offer was refused though no other's stands");
		}
		return;
	}
	if (stands() && !str_eq(str_of(offered->holder), holder)) {
		world_fail("two offer at a time");
	}
	*offered = (struct offered){ .till_ms = now_ms() };
	if (ran->count == ARGS + 3) {
		return; /* nothing any more */
	}
	if (!str_copy(offered->holder, sizeof(offered->holder), holder) ||
	    !parse_u64(ran->words[ARGS + 2], UINT32_MAX, &for_ms)) {
		world_fail("an offer that nobody understands");
	}
	offered->till_ms += for_ms;
	for (size_t i = ARGS + 3; i + OFFER_WORDS <= ran->count; i += OFFER_WORDS) {
		note_item(ran->words + i, offered);
	}
}

static void check_calls(const struct ran *ran, uint64_t most)
{
	uint64_t calls = model_calls(world->model);

	if (calls > most) {
		world_fail("%s made %" PRIu64 " calls", ran->script, calls);
	}
}

void check_offers(const struct ran *ran)
{
	if (check_is(ran, "queue_offer")) {
		check_calls(ran, CALLS_OF_OFFER + (ran->count - ARGS) / OFFER_WORDS);
		note_offer(ran);
	} else if (check_is(ran, "queue_submit")) {
		check_calls(ran, CALLS_OF_SUBMIT);
	} else if (world->rung_count > 0) {
		world_fail("what was not submitted is taken");
	}
}

void check_rung(struct str payload)
{
	struct queue_taken taken;

	if (!queue_taken_read(payload, &taken) ||
	    !str_copy(world->rung_holder, sizeof(world->rung_holder), taken.holder)) {
		world_fail("the bell says what nobody understands");
	}
	world->rung = taken.item;
	world->rung_count++;
}

/* ---- limits, by what the queue has of each session ---- */

/* What it may be counted for, "" where there is nothing. */
static void names_of(unsigned i, char names[NAMES][NAME_SIZE])
{
	const struct record *record = &world->records[i];
	const struct item *item = check_item(i);

	memset(names, 0, NAMES * (size_t)NAME_SIZE);
	(void)snprintf(names[0], NAME_SIZE, "t:%s", record->tenant);
	(void)snprintf(names[1], NAME_SIZE, "u:%s:%s", record->tenant, record->user_name);
	(void)snprintf(names[2], NAME_SIZE, "a:%s:command", record->tenant);
	if (record->project[0] != '\0') {
		(void)snprintf(names[3], NAME_SIZE, "p:%s:%s", record->tenant, record->project);
	}
	if (item->key.n > 0) {
		(void)snprintf(names[4], NAME_SIZE, "c:%s:%.*s", record->tenant, (int)item->key.n,
		               item->key.p);
	}
}

static bool is_in(char kind, struct str name, const char *sid)
{
	char key[160];
	struct value *set;

	(void)snprintf(key, sizeof(key), "{q0/1}:%c:%.*s", kind, (int)name.n, name.p);
	set = check_value(key, VALUE_SET);
	return set != NULL && zset_find(set, str_of(sid)) != NULL;
}

/* A key is kept by what is parked, too. */
static bool counts(unsigned i, const char *name)
{
	enum queue_set set = check_item(i)->set;
	char names[NAMES][NAME_SIZE];
	bool of = false;

	names_of(i, names);
	for (unsigned k = 0; k < NAMES; k++) {
		of |= strcmp(names[k], name) == 0;
	}
	return of && (set == QUEUE_LEASING || set == QUEUE_LEASED ||
	              (name[0] == 'c' && is_in('k', str_of(name), world->records[i].sid.s)));
}

/* Those from before there was a limit of this kind are counted little by little. */
static bool is_counted(unsigned i, const char *name)
{
	return check_value("{q0/1}:recount", VALUE_STRING) == NULL ||
	       (name[0] != 'p' && name[0] != 'a') ||
	       is_in('k', str_of(name), world->records[i].sid.s);
}

/* How many count, but for two. */
static size_t count_of(const char *name, unsigned but, unsigned nor)
{
	size_t count = 0;

	for (unsigned i = 0; i < world->shape.sessions; i++) {
		count += i != but && i != nor && check_item(i)->found && counts(i, name);
	}
	return count;
}

/* Whether session i could have been leased before `taken` was. */
static bool had_room(unsigned i, unsigned taken)
{
	char names[NAMES][NAME_SIZE];

	names_of(i, names);
	for (unsigned k = 0; k < NAMES; k++) {
		if (names[k][0] != '\0' &&
		    (check_gate_of(str_of(names[k])).n > 0 ||
		     count_of(names[k], i, taken) >= check_limit_of(str_of(names[k])))) {
			return false;
		}
	}
	return true;
}

static void check_limits(unsigned taken)
{
	char names[NAMES][NAME_SIZE];

	names_of(taken, names);
	for (unsigned k = 0; k < NAMES; k++) {
		size_t count = 0;

		for (unsigned i = 0; i < world->shape.sessions && names[k][0] != '\0'; i++) {
			count += check_item(i)->found && counts(i, names[k]) &&
			         is_counted(i, names[k]);
		}
		if (count > check_limit_of(str_of(names[k]))) {
			world_fail("%s was leased as it came, beyond the limit of %s",
			           world->records[taken].sid.s, names[k]);
		}
	}
}

/* ---- nobody is overtaken ---- */

static bool waits_for(const char *kind, struct str inc, const char *sid)
{
	char key[QUEUE_WORKER_MAX + 32];
	struct value *zset;

	(void)snprintf(key, sizeof(key), "{q0/1}:%s:%.*s", kind, (int)inc.n, inc.p);
	zset = check_value(key, VALUE_ZSET);
	return zset != NULL && zset_find(zset, str_of(sid)) != NULL;
}

/* has: ",a,b," */
static bool fits(struct str need, const char *has)
{
	while (need.n > 0) {
		struct str word = str_split(&need, ',');
		char wanted[80];

		(void)snprintf(wanted, sizeof(wanted), ",%.*s,", (int)word.n, word.p);
		if (strstr(has, wanted) == NULL) {
			return false;
		}
	}
	return true;
}

/* Whether it waits for its turn, or for room. */
static bool waited(unsigned i, struct str inc, const char *has)
{
	const struct item *item = check_item(i);
	const char *sid = world->records[i].sid.s;

	switch (item->set) {
	case QUEUE_READY: return fits(item->need, has);
	case QUEUE_HELD:
		return str_starts(item->reason, STR_LIT("limit:")) && fits(item->need, has);
	case QUEUE_DELAYED: return waits_for("wait", inc, sid);
	case QUEUE_PARKED: return waits_for("back", inc, sid);
	case QUEUE_LEASING:
	case QUEUE_LEASED:
	case QUEUE_DONE:
	case QUEUE_NONE:
	case QUEUE_SET_COUNT: break;
	}
	return false;
}

static void check_overtaken(unsigned taken, struct str inc, const char *has)
{
	for (unsigned i = 0; i < world->shape.sessions && !world->failed; i++) {
		if (i != taken && check_item(i)->found && waited(i, inc, has) &&
		    had_room(i, taken)) {
			world_fail("%s was leased as it came while %s, which could run, is %s",
			           world->records[taken].sid.s, world->records[i].sid.s,
			           queue_set_name(check_item(i)->set));
		}
	}
}

/* ---- its worker ---- */

static void check_worker(unsigned taken, const struct item *item)
{
	const struct offered *offered = &world->offered;
	size_t working = size_of('w', item->inc), parked = size_of('p', item->inc), k = 0;

	while (k < offered->count && !str_eq(item->inc, str_of(offered->items[k].incarnation))) {
		k++;
	}
	if (!stands() || k == offered->count) {
		world_fail("%s was leased as it came to %.*s, which nobody offers",
		           world->records[taken].sid.s, (int)item->inc.n, item->inc.p);
	} else if (working > offered->items[k].slots ||
	           working + parked > offered->items[k].places) {
		world_fail("%s came to %.*s, which has %zu now, and %zu parked",
		           world->records[taken].sid.s, (int)item->inc.n, item->inc.p, working,
		           parked);
	} else if (!fits(item->need, offered->items[k].has)) {
		world_fail("%s was leased as it came to a worker that it does not fit",
		           world->records[taken].sid.s);
	} else {
		check_overtaken(taken, item->inc, offered->items[k].has);
	}
}

/* ---- its turn ---- */

static size_t turns_of(const char *of)
{
	size_t i = 0;

	while (i < world->turn_count && strcmp(world->turns[i].of, of) != 0) {
		i++;
	}
	return i;
}

/* "pass|ms" */
static double pass_in(struct str text)
{
	double pass = 0;

	(void)!number_parse(str_split(&text, '|'), &pass);
	return pass;
}

/* What was used before weighs less with time, little less in as little as passes here. */
static void check_charged(const char *key, const char *who, const char *of, double stride)
{
	double pass = pass_in(check_field(check_value(key, VALUE_HASH), who));
	size_t i = turns_of(of);
	double before = 0, last = 0;

	if (i < world->turn_count) {
		before = world->turns[i].pass;
		last = world->turns[i].last;
	}
	before = before > last ? last + 0.8 * (before - last) : before;
	if (pass < before + stride - 1) {
		world_fail("%s took no turn: %.0f after %.0f", of, pass, before);
	}
}

static void check_charges(const struct record *record)
{
	struct str text = check_field(check_value("{q0/1}:weight", VALUE_HASH), record->tenant);
	char key[48], of[NAME_SIZE];
	double weight;

	if (!number_parse(text, &weight)) {
		weight = 1;
	}
	check_charged("{q0/1}:v", record->tenant, record->tenant, STRIDE / weight);
	(void)snprintf(key, sizeof(key), "{q0/1}:v:%s", record->tenant);
	(void)snprintf(of, sizeof(of), "%s:%s", record->tenant, record->user_name);
	check_charged(key, record->user_name, of, STRIDE);
}

static void remember_turns(const char *key, const char *prefix)
{
	struct value *hash = check_value(key, VALUE_HASH);

	for (size_t k = 0; hash != NULL && k < hash->count; k++) {
		const struct pair *field = &hash->fields[k];
		char of[NAME_SIZE];
		size_t i;

		(void)snprintf(of, sizeof(of), "%s%.*s", prefix, (int)field->name.n, field->name.p);
		i = turns_of(of);
		if (i == NAMES_MAX) {
			return;
		}
		world->turn_count += i == world->turn_count;
		memcpy(world->turns[i].of, of, sizeof(of));
		world->turns[i].pass = pass_in(field->value);
		world->turns[i].last = pass_in(check_field(hash, "*"));
	}
}

/* ---- all of it ---- */

static void check_bell(const struct record *record, const struct item *item)
{
	const struct queue_item *rung = &world->rung;
	uint64_t attempt = 0, epoch = 0;

	if (!parse_u64(item->attempt, UINT64_MAX, &attempt) ||
	    !parse_u64(item->epoch, UINT64_MAX, &epoch) || attempt <= record->ran_attempt ||
	    attempt <= epoch) { /* each lease that ran has raised it */
		world_fail("%s: attempt %.*s may have run before", record->sid.s,
		           (int)item->attempt.n, item->attempt.p);
	} else if (world->rung_count != 1 || !id_eq(&rung->sid, &record->sid) ||
	           strcmp(rung->tenant, record->tenant) != 0 ||
	           strcmp(rung->user, record->user_name) != 0 ||
	           rung->priority != record->priority || rung->attempt != attempt ||
	           rung->epoch != epoch || !str_eq(item->inc, str_of(rung->incarnation)) ||
	           strcmp(world->rung_holder, world->offered.holder) != 0) {
		world_fail("%s was leased as it came, and the bell says otherwise", record->sid.s);
	}
}

static void check_leased(unsigned i)
{
	const struct record *record = &world->records[i];
	const struct item *item = check_item(i);

	world->direct++;
	if (record->not_before_ms > now_ms()) {
		world_fail("%s was leased before its time", record->sid.s);
	}
	check_worker(i, item);
	check_bell(record, item);
	check_limits(i);
	check_start(record);
	check_charges(record);
	if (world->shape.fair) {
		check_turn(str_of(record->tenant));
	}
}

static bool says(const struct model_reply *reply, const char *word)
{
	return str_eq(str_make(reply->p, reply->n), str_of(word));
}

void check_submitted(const struct ran *ran)
{
	int i = check_index(ran->words[ARGS + 1]);
	bool leased = ran->reply->count == 2 && says(ran->reply->items[0], "ok") &&
	              says(ran->reply->items[1], "leasing");

	if (i < 0 || leased != (world->rung_count > 0) ||
	    (leased && check_item((unsigned)i)->set != QUEUE_LEASING)) {
		world_fail("what was submitted is leased, or not, and the bell says otherwise");
	} else if (leased) {
		check_leased((unsigned)i);
	}
	world->rung_count = 0;
}

void check_remember(void)
{
	static const char *const tenants[TENANTS_MAX] = { "acme", "brown", "cello" };

	remember_turns("{q0/1}:v", "");
	for (size_t i = 0; i < TENANTS_MAX; i++) {
		char key[32], prefix[16];

		(void)snprintf(key, sizeof(key), "{q0/1}:v:%s", tenants[i]);
		(void)snprintf(prefix, sizeof(prefix), "%s:", tenants[i]);
		remember_turns(key, prefix);
	}
	for (unsigned i = 0; i < world->shape.sessions; i++) {
		const struct item *item = check_item(i);
		uint64_t attempt;

		if (item->found && item->set == QUEUE_LEASED &&
		    parse_u64(item->attempt, UINT64_MAX, &attempt) &&
		    attempt > world->records[i].ran_attempt) {
			world->records[i].ran_attempt = attempt;
		}
	}
}
