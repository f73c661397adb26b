/* What must hold after every command, whoever sent it and whatever was lost. */
#include "tests/sim/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "queue/queue_gate.h"

enum {
	CALLS_MAX = 600,        /* redis.call of one script, in worlds this small */
	FAULT_MEMORY = 3000000, /* us: what a fault may still cause */
	TURNS_MAX = 14,         /* that others may take while a tenant waits, all weights equal */
	ORPHAN_US = 700000,     /* who is lost is cleared at once; or half a second later */
};

/* What a worker attests is running, whatever was begun meanwhile because it was late; and where a
 * limit is new, leases from before are counted late. */
static bool only_counts;

static struct item items[SESSIONS_MAX];

static struct str nth(struct str text, unsigned n)
{
	struct str part = str_split(&text, '|');

	while (n-- > 0) {
		part = str_split(&text, '|');
	}
	return part;
}

int check_index(struct str sid)
{
	for (unsigned i = 0; i < world->shape.sessions; i++) {
		if (str_eq(sid, str_of(world->records[i].sid.s))) {
			return (int)i;
		}
	}
	return -1;
}

struct value *check_value(const char *key, enum value_type type)
{
	bool wrong = false;

	return value_find(world->model, str_of(key), type, &wrong);
}

struct str check_field(struct value *hash, const char *name)
{
	const struct pair *pair = hash != NULL ? hash_find(hash, str_of(name)) : NULL;

	return pair != NULL ? pair->value : (struct str){ "", 0 };
}

static void read_item(unsigned i)
{
	struct value *all = check_value("{q0/1}:i", VALUE_HASH);
	struct str state = check_field(all, world->records[i].sid.s), submitted;

	items[i] = (struct item){ .found = state.n > 0 };
	if (state.n == 0) {
		return;
	}
	submitted = str_split(&state, '\n');
	if (!queue_set_parse(nth(state, 0), &items[i].set)) {
		world_fail("%s: the queue has it in no set", world->records[i].sid.s);
	}
	items[i].inc = nth(state, 2);
	items[i].attempt = nth(state, 3);
	items[i].epoch = nth(state, 4);
	items[i].reason = nth(state, 8);
	items[i].key = nth(submitted, 4);
	items[i].need = nth(submitted, 7);
}

const struct item *check_item(unsigned i)
{
	read_item(i);
	return &items[i];
}

/* ---- limits: they may be lowered below what is there, but never filled beyond ---- */

uint64_t check_limit_of(struct str name)
{
	struct value *hash = check_value("{q0/1}:limit", VALUE_HASH);
	const struct pair *pair = hash != NULL ? hash_find(hash, name) : NULL;
	uint64_t limit = name.p[0] == 'c' ? 1 : UINT64_MAX;

	if (pair != NULL) {
		(void)!parse_u64(pair->value, UINT64_MAX, &limit);
	}
	return limit;
}

static void check_limit(struct str name, size_t count)
{
	size_t i = 0;

	while (i < world->limit_count && !str_eq(str_of(world->limits[i].name), name)) {
		i++;
	}
	if (i == world->limit_count) {
		if (i == NAMES_MAX || !str_copy(world->limits[i].name, 48, name)) {
			return;
		}
		world->limit_count++;
	}
	if (count > world->limits[i].count && count > check_limit_of(name) && !only_counts) {
		world_fail("%zu leases, more than the limit of %.*s", count, (int)name.n, name.p);
	}
	world->limits[i].count = count;
}

static bool counts(const struct item *item, char kind)
{
	return item->set == QUEUE_LEASING || item->set == QUEUE_LEASED ||
	       (kind == 'c' && (item->set == QUEUE_PARKED || item->set == QUEUE_HELD ||
	                        item->set == QUEUE_READY || item->set == QUEUE_DELAYED));
}

static void check_counted(struct str name, const struct value *zset)
{
	for (size_t k = 0; k < zset->count; k++) {
		int i = check_index(zset->members[k].name);

		if (i < 0 || !items[i].found || !counts(&items[i], name.p[0])) {
			world_fail("%.*s counts %.*s, which has no lease", (int)name.n, name.p,
			           (int)zset->members[k].name.n, zset->members[k].name.p);
		} else {
			items[i].keyed += name.p[0] == 't';
		}
	}
}

static bool is_of(unsigned i, struct str name)
{
	const struct record *record = &world->records[i];
	char own[96] = "";

	if (name.p[0] == 'c') {
		(void)snprintf(own, sizeof(own), "c:%s:%.*s", record->tenant, (int)items[i].key.n,
		               items[i].key.p);
	} else if (name.p[0] == 'p') {
		(void)snprintf(own, sizeof(own), "p:%s:%s", record->tenant, record->project);
	} else if (name.p[0] == 'a') {
		(void)snprintf(own, sizeof(own), "a:%s:command", record->tenant);
	}
	return str_eq(str_of(own), name);
}

/* Whether one that was woken for the room there is has not taken it yet. */
static bool is_promised(struct str name)
{
	for (unsigned i = 0; i < world->shape.sessions; i++) {
		if (items[i].found && items[i].set == QUEUE_READY && is_of(i, name)) {
			return true;
		}
	}
	return false;
}

/* ---- gates ---- */

struct str check_gate_of(struct str name)
{
	struct value *hash = check_value("{q0/1}:gate", VALUE_HASH);
	const struct pair *pair = hash != NULL ? hash_find(hash, name) : NULL;

	return pair != NULL ? pair->value : (struct str){ "", 0 };
}

/* What starts while a breaker is not closed is on trial, so it is one. */
static void check_breaker(const struct record *record)
{
	char name[96];
	struct str gate;

	(void)snprintf(name, sizeof(name), "a:%s:command", record->tenant);
	gate = check_gate_of(str_of(name));
	if (gate.n > 0 && !str_eq(nth(gate, 2), str_of(record->sid.s))) {
		world_fail("%s was started though %s is shut", record->sid.s, name);
	}
}

static void check_budget(const struct record *record, enum queue_limit_kind kind, const char *who)
{
	const struct queue_limit of = { .kind = kind, .tenant = record->tenant, .name = who };
	char name[QUEUE_GATE_NAME_MAX + 1];
	struct queue_gate gate;

	queue_gate_name(&of, QUEUE_GATE_BUDGET, name);
	if (!queue_gate_parse(str_of(name), check_gate_of(str_of(name)), &gate)) {
		world_fail("the gate of %s is damaged", name);
	} else if (gate.kind != QUEUE_GATE_NONE &&
	           (gate.until_ms == 0 || clock_wall_us() / 1000 < gate.until_ms)) {
		world_fail("%s was started though %s has nothing left to spend", record->sid.s,
		           name);
	}
}

void check_start(const struct record *record)
{
	check_breaker(record);
	check_budget(record, QUEUE_LIMIT_TENANT, NULL);
	check_budget(record, QUEUE_LIMIT_USER, record->user_name);
	if (record->project[0] != '\0') {
		check_budget(record, QUEUE_LIMIT_PROJECT, record->project);
	}
}

static void check_started(const struct ran *ran)
{
	for (size_t k = 0; k < ran->reply->count; k++) {
		const struct model_reply *row = ran->reply->items[k];
		int i = check_index(str_make(row->items[0]->p, row->items[0]->n));

		if (i >= 0 &&
		    str_eq(str_make(row->items[8]->p, row->items[8]->n), STR_LIT("new"))) {
			check_start(&world->records[i]);
		}
	}
}

static void check_waits(const struct value *zset)
{
	for (size_t k = 0; k < zset->count; k++) {
		struct str name = zset->members[k].name;
		char key[96];
		const struct value *counted;

		(void)snprintf(key, sizeof(key), "{q0/1}:k:%.*s", (int)name.n, name.p);
		counted = check_value(key, VALUE_SET);
		if ((counted != NULL ? counted->count : 0) < check_limit_of(name) &&
		    !is_promised(name) && check_gate_of(name).n == 0) {
			world_fail("somebody waits for %.*s, which has room", (int)name.n, name.p);
		}
	}
}

/* ---- sets ---- */

static unsigned slots_of(struct str incarnation)
{
	(void)incarnation;
	return world->shape.slots;
}

/* Filled beyond its slots it is only by itself. */
static void check_slots(struct str incarnation, size_t count)
{
	size_t i = 0;

	while (i < world->host_count && !str_eq(incarnation, str_of(world->hosts[i].name))) {
		i++;
	}
	if (i == NAMES_MAX) {
		return;
	}
	if (i == world->host_count) {
		(void)str_copy(world->hosts[i].name, sizeof(world->hosts[i].name), incarnation);
		world->host_count++;
	}
	if (count > slots_of(incarnation) && !only_counts && count > world->hosts[i].count) {
		world_fail("%.*s has %zu sessions and %u slots", (int)incarnation.n, incarnation.p,
		           count, slots_of(incarnation));
	}
	world->hosts[i].count = count;
}

static void check_held_by(struct str incarnation, const struct value *zset, bool parked)
{
	for (size_t k = 0; k < zset->count; k++) {
		int i = check_index(zset->members[k].name);

		if (i < 0 || !str_eq(items[i].inc, incarnation)) {
			world_fail("%.*s is counted for a worker that does not have it",
			           (int)zset->members[k].name.n, zset->members[k].name.p);
			return;
		}
		items[i].working += !parked;
		items[i].parked += parked;
	}
	if (!parked) {
		check_slots(incarnation, zset->count);
	}
}

static void count_members(const struct value *zset, enum queue_set set)
{
	for (size_t k = 0; k < zset->count; k++) {
		int i = check_index(zset->members[k].name);

		if (i < 0 || !items[i].found || items[i].set != set) {
			world_fail("%.*s is in %s and elsewhere", (int)zset->members[k].name.n,
			           zset->members[k].name.p, queue_set_name(set));
		} else {
			items[i].sets++;
		}
	}
}

static void check_key(const struct value *value)
{
	struct str name = str_of(value->key + sizeof("{q0/1}:") - 1);
	enum queue_set set;

	if (value->type != VALUE_ZSET && value->type != VALUE_SET) {
		return;
	}
	if (queue_set_parse(name, &set)) {
		count_members(value, set);
	} else if (str_starts(name, STR_LIT("r:"))) {
		count_members(value, QUEUE_READY);
	} else if (str_starts(name, STR_LIT("w:"))) {
		check_held_by(str_make(name.p + 2, name.n - 2), value, false);
	} else if (str_starts(name, STR_LIT("p:")) || str_starts(name, STR_LIT("n:"))) {
		check_held_by(str_make(name.p + 2, name.n - 2), value, true);
	} else if (str_starts(name, STR_LIT("k:"))) {
		check_counted(str_make(name.p + 2, name.n - 2), value);
		check_limit(str_make(name.p + 2, name.n - 2), value->count);
	} else if (str_eq(name, STR_LIT("waits"))) {
		check_waits(value);
	}
}

static void check_queue(void)
{
	struct model *model = world->model;

	for (size_t i = 0; i < world->limit_count; i++) {
		char key[64];

		(void)snprintf(key, sizeof(key), "{q0/1}:k:%s", world->limits[i].name);
		if (check_value(key, VALUE_SET) == NULL) {
			world->limits[i].count = 0;
		}
	}
	for (unsigned i = 0; i < world->shape.sessions; i++) {
		read_item(i);
	}
	for (size_t i = 0; i < model->count && !world->failed; i++) {
		if (str_starts(str_of(model->values[i]->key), STR_LIT("{q0/1}:"))) {
			check_key(model->values[i]);
		}
	}
	for (unsigned i = 0; i < world->shape.sessions && !world->failed; i++) {
		const struct item *item = &items[i];
		bool leased = item->set == QUEUE_LEASING || item->set == QUEUE_LEASED;

		if (item->found &&
		    (item->sets != 1 || item->working != leased ||
		     item->parked != (item->set == QUEUE_PARKED) || item->keyed != leased)) {
			world_fail("%s is %s: in %u sets, %u of a worker, %u parked, counted %u",
			           world->records[i].sid.s, queue_set_name(item->set), item->sets,
			           item->working, item->parked, item->keyed);
		}
	}
}

/* ---- logs ---- */

static uint64_t hash_of(const struct entry *entry)
{
	uint64_t h = 14695981039346656037U;

	for (size_t i = 0; i < entry->count; i++) {
		struct str v = entry->fields[i].value;

		if (str_eq(entry->fields[i].name, STR_LIT("a"))) {
			continue; /* a journal has its worker's idea of when */
		}
		for (size_t k = 0; k < v.n; k++) {
			h = (h ^ (unsigned char)v.p[k]) * 1099511628211U;
		}
	}
	return h;
}

static struct str entry_field(const struct entry *entry, const char *name)
{
	for (size_t i = 0; i < entry->count; i++) {
		if (str_eq(entry->fields[i].name, str_of(name))) {
			return entry->fields[i].value;
		}
	}
	return (struct str){ "", 0 };
}

/* Whoever has seen an id has seen this and nothing else. */
static void check_seen(struct record *record, const struct entry *entry)
{
	uint64_t hash = hash_of(entry);

	for (size_t i = 0; i < record->seen_count; i++) {
		if (record->seen[i].epoch == entry->epoch && record->seen[i].n == entry->n) {
			if (record->seen[i].hash != hash) {
				world_fail("%s: %" PRIu64 "-%" PRIu64 " was another event",
				           record->sid.s, entry->epoch, entry->n);
			}
			return;
		}
	}
	if (record->seen_count < SEEN_MAX) {
		record->seen[record->seen_count].epoch = entry->epoch;
		record->seen[record->seen_count].n = entry->n;
		record->seen[record->seen_count++].hash = hash;
	}
}

static void check_entry(struct record *record, const struct entry *entry)
{
	const struct cursor *before = &record->checked;
	bool begins = str_eq(entry_field(entry, "t"), STR_LIT("epoch"));
	/* Opened after a loss, a log goes on behind its archive, however much of that a
	 * journal gave. */
	bool resumed = begins && entry->n == record->archived.n + 1;
	enum session_state moved;

	if (before->n > 0 && entry->n != before->n + 1 && !resumed) {
		world_fail("%s: n is not dense: %" PRIu64 " after %" PRIu64, record->sid.s,
		           entry->n, before->n);
	} else if (entry->epoch < before->epoch ||
	           (before->n > 0 && begins != (entry->epoch > before->epoch))) {
		world_fail("%s: epoch %" PRIu64 " after %" PRIu64 " at %" PRIu64, record->sid.s,
		           entry->epoch, before->epoch, entry->n);
	} else if (record->ended && !begins) {
		world_fail("%s: something follows the end", record->sid.s);
	}
	check_seen(record, entry);
	record->checked = (struct cursor){ entry->epoch, entry->n };
	if (session_state_parse(entry_field(entry, "s"), &moved)) {
		record->ended = session_is_terminal(moved);
	}
}

static void check_log(struct record *record)
{
	char key[64];
	const struct value *log;

	(void)snprintf(key, sizeof(key), "{s:%s}:log", record->sid.s);
	log = check_value(key, VALUE_STREAM);
	if (world->generation > 1 && log != NULL && log->count > 0 &&
	    log->entries[0].epoch < record->checked.epoch &&
	    log->entries[log->count - 1].epoch < record->checked.epoch) {
		/* Recovered from nothing by who had not heard of the loss: it has given way. */
		record->checked = (struct cursor){ 0, 0 };
		record->ended = false;
	}
	for (size_t i = 0; log != NULL && i < log->count && !world->failed; i++) {
		if (log->entries[i].n > record->checked.n) {
			check_entry(record, &log->entries[i]);
		}
	}
}

void check_forget(void)
{
	for (unsigned i = 0; i < world->shape.sessions; i++) {
		world->records[i].checked = (struct cursor){ 0, 0 };
		world->records[i].ended = false;
	}
	world->limit_count = 0;
	world->turn_count = 0;
	world->offered = (struct offered){ .till_ms = 0 };
}

/* ---- rights ---- */

enum { APPEND_EPOCH = 7, APPEND_PRODUCER = 8, APPEND_KEY = 3 };

static struct record *record_in(struct str key)
{
	int i = key.n > 3 + ID_LEN ? check_index(str_make(key.p + 3, ID_LEN)) : -1;

	return i >= 0 ? &world->records[i] : NULL;
}

/* "w:<incarnation>:<attempt>" */
static bool is_by(struct str producer, struct str incarnation)
{
	return str_starts(producer, STR_LIT("w:")) &&
	       str_starts(str_make(producer.p + 2, producer.n - 2), incarnation);
}

/* A worker hears of its epoch before the queue does. */
static bool is_given(const struct item *item)
{
	return item->set == QUEUE_LEASING || item->set == QUEUE_LEASED || item->set == QUEUE_PARKED;
}

/* An effect of a worker: in its own epoch, while the queue says that the session is its. After a
 * loss of Redis it may be claimed for another: until its log is opened for that one it is whose it
 * was. */
static void check_effect(const struct ran *ran, const struct record *record)
{
	const struct player *player = ran->player;
	unsigned i = (unsigned)(record - world->records);
	bool has;

	if (player->kind != PLAYER_WORKER || ran->reply->count < 2 ||
	    !str_eq(str_make(ran->reply->items[0]->p, ran->reply->items[0]->n), STR_LIT("ok"))) {
		return;
	}
	if (!str_eq(str_make(ran->reply->items[1]->p, ran->reply->items[1]->n),
	            ran->words[APPEND_EPOCH])) {
		world_fail("%s: an effect of epoch %.*s was taken in %s", record->sid.s,
		           (int)ran->words[APPEND_EPOCH].n, ran->words[APPEND_EPOCH].p,
		           ran->reply->items[1]->p);
	}
	read_item(i);
	has = is_given(&items[i]);
	if (world->generation == 1 && items[i].found && !has) {
		world_fail("%s: an effect of a worker was taken while the session is %s",
		           record->sid.s, queue_set_name(items[i].set));
	} else if (items[i].found && has &&
	           (items[i].set != QUEUE_LEASING || world->generation == 1) &&
	           !is_by(ran->words[APPEND_PRODUCER], items[i].inc)) {
		world_fail("%s: an effect of %.*s was taken while %.*s has the session",
		           record->sid.s, (int)ran->words[APPEND_PRODUCER].n,
		           ran->words[APPEND_PRODUCER].p, (int)items[i].inc.n, items[i].inc.p);
	}
}

/* Nobody is lost who counts on its lease, or to whom nothing has happened. */
static void check_lost(void)
{
	const struct value *lost = check_value("{w}:lost", VALUE_ZSET);

	for (size_t i = 0; i < world->player_count; i++) {
		const struct player *player = &world->players[i];
		const char *incarnation = player->keeper.options.worker.incarnation;
		const struct lease_keeper *keeper = &player->keeper;

		if (player->kind != PLAYER_WORKER || player->dead || lost == NULL ||
		    zset_find((struct value *)(uintptr_t)lost, str_of(incarnation)) == NULL) {
			continue;
		}
		if (lease_keeper_holds(keeper)) {
			world_fail("%s is lost while its worker counts on its lease", incarnation);
		} else if (player->fault_us + FAULT_MEMORY < world->now_us && !world->failed) {
			world_fail("%s is lost though nothing has happened to it", incarnation);
		}
	}
}

/* Since when somebody could have cleared after a lost worker without anything in the way. */
static uint64_t well_since(void)
{
	uint64_t since = UINT64_MAX;

	for (size_t i = 0; i < world->player_count; i++) {
		const struct player *player = &world->players[i];

		if (player->kind == PLAYER_SCHEDULER && !player->dead && player->fault_us < since) {
			since = player->fault_us;
		}
	}
	if (since == UINT64_MAX) {
		return world->now_us;
	}
	return since > world->stalled_until ? since : world->stalled_until;
}

/* A lost worker's sessions are taken back by the sweep that finds it lost; what looks at all that
 * live does so too, but much later. */
static void check_orphans(void)
{
	struct value *leases = check_value("{w}:leases", VALUE_ZSET);
	uint64_t well = well_since();

	for (unsigned i = 0; i < world->shape.sessions && !world->failed; i++) {
		struct record *record = &world->records[i];
		bool orphan;

		read_item(i);
		orphan = items[i].found &&
		         (items[i].set == QUEUE_LEASED || items[i].set == QUEUE_PARKED) &&
		         (leases == NULL || zset_find(leases, items[i].inc) == NULL);
		if (!orphan || !str_eq(items[i].inc, str_of(record->orphan_of))) {
			record->orphan_us = world->now_us;
			(void)str_copy(record->orphan_of, sizeof(record->orphan_of),
			               orphan ? items[i].inc : STR_LIT(""));
		} else if ((record->orphan_us > well ? record->orphan_us : well) + ORPHAN_US <
		           world->now_us) {
			world_fail("%s is %s of %s, which was lost %" PRIu64 " ms ago",
			           record->sid.s, queue_set_name(items[i].set), record->orphan_of,
			           (world->now_us - record->orphan_us) / 1000);
		}
	}
}

/* ---- fairness ---- */

static unsigned tenant_of(struct str tenant)
{
	return tenant.n > 0 && tenant.p[0] == 'a' ? 0 : tenant.n > 0 && tenant.p[0] == 'b' ? 1 : 2;
}

void check_turn(struct str tenant)
{
	unsigned served = tenant_of(tenant);
	bool ready[TENANTS_MAX] = { false };

	for (unsigned i = 0; i < world->shape.sessions; i++) {
		read_item(i);
		if (items[i].found && items[i].set == QUEUE_READY) {
			ready[tenant_of(str_of(world->records[i].tenant))] = true;
		}
	}
	for (unsigned t = 0; t < TENANTS_MAX; t++) {
		world->passed[t] = t == served || !ready[t] ? 0 : world->passed[t] + 1;
		if (world->passed[t] > TURNS_MAX) {
			world_fail("a tenant waits while others took %d turns", TURNS_MAX);
		}
	}
}

static void check_turns(const struct ran *ran)
{
	for (size_t k = 0; k < ran->reply->count; k++) {
		const struct model_reply *tenant = ran->reply->items[k]->items[1];

		check_turn(str_make(tenant->p, tenant->n));
	}
}

/* ---- all of it ---- */

bool check_is(const struct ran *ran, const char *name)
{
	return ran->script != NULL && strcmp(ran->script, name) == 0;
}

void check_after(const struct ran *ran)
{
	struct str key = ran->count > APPEND_KEY ? ran->words[APPEND_KEY] : STR_LIT("");
	uint64_t calls = ran->script != NULL ? model_calls(world->model) : 0;
	struct record *record;

	world->calls_max = calls > world->calls_max ? calls : world->calls_max;
	if (calls > CALLS_MAX) {
		world_fail("%s made %" PRIu64 " calls", ran->script, calls);
	}
	check_offers(ran);
	if (ran->script == NULL || !model_changed(world->model)) {
		return;
	}
	if (str_starts(key, STR_LIT("{q0/1}"))) {
		only_counts = check_is(ran, "queue_attest") || check_is(ran, "queue_promote");
		check_queue();
		if (check_is(ran, "queue_claim")) {
			check_started(ran);
		}
		if (world->shape.fair && check_is(ran, "queue_claim")) {
			check_turns(ran);
		}
		if (check_is(ran, "queue_submit")) {
			check_submitted(ran);
		}
		check_remember();
	} else if (str_starts(key, STR_LIT("{s:")) && (record = record_in(key)) != NULL) {
		check_log(record);
		if (check_is(ran, "log_append")) {
			check_effect(ran, record);
		}
	} else if (check_is(ran, "lease_sweep")) {
		check_lost();
		check_orphans();
	}
}

bool check_all_done(void)
{
	for (unsigned i = 0; i < world->shape.sessions; i++) {
		const struct record *record = &world->records[i];

		if (!record->committed || !session_is_terminal(record->state)) {
			return false;
		}
		read_item(i);
		if (items[i].found && items[i].set != QUEUE_DONE) {
			return false;
		}
	}
	return true;
}
