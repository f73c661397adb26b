/* The set of those who look, and what changes it: bytes of Redis in, structs out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "presence/decode.h"
#include "presence/presence.h"

enum { CHANGES_MAX = 2 * PRESENCE_BATCH_MAX }; /* of one call: what it asks, and who was silent */

static const char *const role_names[PRESENCE_ROLE_COUNT] = {
	[PRESENCE_PARTICIPANT] = "participant",
	[PRESENCE_OBSERVER] = "observer",
};

const char *presence_role_name(enum presence_role role)
{
	return role_names[role];
}

bool presence_role_parse(struct str name, enum presence_role *ret)
{
	for (unsigned role = 0; role < PRESENCE_ROLE_COUNT; role++) {
		if (str_eq(name, str_of(role_names[role]))) {
			*ret = (enum presence_role)role;
			return true;
		}
	}
	return false;
}

void presence_channel(const struct id *sid, char out[PRESENCE_CHANNEL_SIZE])
{
	(void)snprintf(out, PRESENCE_CHANNEL_SIZE, "{s:%s}:presence", sid->s);
}

bool presence_channel_parse(struct str channel, struct id *ret_sid)
{
	struct str prefix = STR_LIT("{s:");
	struct str suffix = STR_LIT("}:presence");

	if (channel.n != prefix.n + ID_LEN + suffix.n || !str_starts(channel, prefix) ||
	    !str_ends(channel, suffix)) {
		return false;
	}
	return id_parse(str_make(channel.p + prefix.n, ID_LEN), ret_sid);
}

void presence_set_fini(struct presence_set *set)
{
	free(set->all);
	*set = (struct presence_set){ 0 };
}

void presence_delta_fini(struct presence_delta *delta)
{
	free(delta->came);
	free(delta->gone);
	*delta = (struct presence_delta){ 0 };
}

int presence_order(const void *a, const void *b)
{
	const struct presence *left = a, *right = b;
	int order = strcmp(left->user, right->user);

	return order != 0 ? order : (int)left->role - (int)right->role;
}

/* ---- decoding ---- */

static bool take_text(struct str *rest, uint64_t n, char *out, size_t size)
{
	struct str text = str_make(rest->p, n);

	if (n > rest->n || memchr(text.p, '\0', n) != NULL || !str_copy(out, size, text)) {
		return false;
	}
	rest->p += n;
	rest->n -= n;
	return true;
}

static bool take_change(struct str *rest, bool *ret_came, struct presence *ret)
{
	struct str line = str_split(rest, '\n');
	struct str sign = str_split(&line, ' ');
	uint64_t since, user_bytes, name_bytes;

	*ret_came = str_eq(sign, STR_LIT("+"));
	if ((!*ret_came && !str_eq(sign, STR_LIT("-"))) || rest->p == NULL ||
	    !presence_role_parse(str_split(&line, ' '), &ret->role) ||
	    !parse_u64(str_split(&line, ' '), INT64_MAX, &since) ||
	    !parse_u64(str_split(&line, ' '), PRESENCE_USER_MAX, &user_bytes) ||
	    !parse_u64(line, PRESENCE_NAME_MAX, &name_bytes)) {
		return false;
	}
	ret->since_ms = (int64_t)since;
	return user_bytes > 0 && take_text(rest, user_bytes, ret->user, sizeof(ret->user)) &&
	       take_text(rest, name_bytes, ret->name, sizeof(ret->name));
}

static bool decode(struct str rest, struct presence_delta *delta)
{
	if (!parse_u64(str_split(&rest, '\n'), UINT64_MAX, &delta->version) || rest.n == 0) {
		return false;
	}
	while (rest.n > 0) {
		struct presence who = { 0 };
		bool came;

		if (delta->came_count + delta->gone_count == CHANGES_MAX ||
		    !take_change(&rest, &came, &who)) {
			return false;
		}
		if (came) {
			delta->came[delta->came_count++] = who;
		} else {
			delta->gone[delta->gone_count++] = who;
		}
	}
	return true;
}

bool presence_delta_decode(struct str payload, struct presence_delta *ret)
{
	struct presence_delta delta = {
		.came = mem_calloc(CHANGES_MAX, sizeof(*delta.came)),
		.gone = mem_calloc(CHANGES_MAX, sizeof(*delta.gone)),
	};

	if (!decode(payload, &delta)) {
		presence_delta_fini(&delta);
		return false;
	}
	*ret = delta;
	return true;
}

/* ---- changing a set ---- */

static struct presence *find(const struct presence_set *set, const struct presence *who)
{
	return set->count == 0 ? NULL
	                       : bsearch(who, set->all, set->count, sizeof(*who), presence_order);
}

static void remove_one(struct presence_set *set, const struct presence *who)
{
	struct presence *at = find(set, who);

	if (at != NULL) {
		size_t after = (size_t)(&set->all[set->count] - at) - 1;

		memmove(at, at + 1, after * sizeof(*at));
		set->count--;
	}
}

enum presence_step presence_apply(struct presence_set *set, const struct presence_delta *delta)
{
	if (delta->version <= set->version) {
		return PRESENCE_OLD;
	}
	if (delta->version != set->version + 1) {
		return PRESENCE_GAP;
	}
	for (size_t i = 0; i < delta->gone_count; i++) {
		remove_one(set, &delta->gone[i]);
	}
	set->all = mem_realloc(set->all, (set->count + delta->came_count + 1) * sizeof(*set->all));
	for (size_t i = 0; i < delta->came_count; i++) {
		remove_one(set, &delta->came[i]);
	}
	memcpy(&set->all[set->count], delta->came, delta->came_count * sizeof(*set->all));
	set->count += delta->came_count;
	qsort(set->all, set->count, sizeof(*set->all), presence_order);
	set->version = delta->version;
	return PRESENCE_APPLIED;
}

static struct presence *lacking(const struct presence_set *of, const struct presence_set *in,
                                size_t *ret_count)
{
	struct presence *all = mem_calloc(of->count + 1, sizeof(*all));
	size_t count = 0;

	for (size_t i = 0; i < of->count; i++) {
		if (find(in, &of->all[i]) == NULL) {
			all[count++] = of->all[i];
		}
	}
	*ret_count = count;
	return all;
}

void presence_diff(const struct presence_set *from, const struct presence_set *to,
                   struct presence_delta *ret)
{
	*ret = (struct presence_delta){ .version = to->version };
	ret->came = lacking(to, from, &ret->came_count);
	ret->gone = lacking(from, to, &ret->gone_count);
}
