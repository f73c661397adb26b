#include "rate/inflight.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

enum { NAME_SIZE = 160, IDLE_MAX = 1024 };

struct inflight_count {
	size_t count;
	size_t name_len;
	char name[]; /* with its kind before it */
};

struct inflight {
	struct inflight_options options;
	struct map
		*counts; /* owned struct inflight_count; those of nobody stay while they are few */
};

struct inflight *inflight_new(const struct inflight_options *options)
{
	struct inflight *inflight = mem_calloc(1, sizeof(*inflight));

	inflight->options = *options;
	inflight->counts = map_new();
	return inflight;
}

void inflight_free(struct inflight *inflight)
{
	size_t at = 0;
	struct str name;
	void *count;

	if (inflight == NULL) {
		return;
	}
	while (map_next(inflight->counts, &at, &name, &count)) {
		free(count);
	}
	map_free(inflight->counts);
	free(inflight);
}

/* For every request, so without printf. */
static struct str name_of(char kind, const char *text, char out[NAME_SIZE])
{
	struct str name = str_of(text);

	assert(name.n < NAME_SIZE);
	out[0] = kind;
	memcpy(out + 1, name.p, name.n);
	return str_make(out, 1 + name.n);
}

/* NULL: there are so many already. */
static struct inflight_count *count_one(struct inflight *inflight, struct str name, size_t most)
{
	struct inflight_count *counted = map_get(inflight->counts, name);

	if (counted == NULL) {
		counted = mem_calloc(1, sizeof(*counted) + name.n);
		counted->name_len = name.n;
		memcpy(counted->name, name.p, name.n);
		(void)map_put(inflight->counts, name, counted);
	} else if (counted->count >= most) {
		return NULL;
	}
	counted->count++;
	return counted;
}

/* One that asks again and again keeps its count. */
static void forget_one(struct inflight *inflight, struct inflight_count *counted)
{
	if (counted == NULL) {
		return;
	}
	assert(counted->count > 0);
	if (--counted->count == 0 && map_count(inflight->counts) > IDLE_MAX) {
		free(map_remove(inflight->counts, str_make(counted->name, counted->name_len)));
	}
}

bool inflight_enter(struct inflight *inflight, const char *tenant, const char *key,
                    struct inflight_taken *ret, enum rate_kind *ret_kind)
{
	const struct inflight_options *most = &inflight->options;
	struct inflight_taken taken = { NULL, NULL };
	char room[NAME_SIZE];

	if (most->tenant > 0) {
		taken.tenant = count_one(inflight, name_of('t', tenant, room), most->tenant);
		if (taken.tenant == NULL) {
			*ret_kind = RATE_TENANT;
			return false;
		}
	}
	if (most->key > 0 && key[0] != '\0') {
		taken.key = count_one(inflight, name_of('k', key, room), most->key);
		if (taken.key == NULL) {
			forget_one(inflight, taken.tenant);
			*ret_kind = RATE_KEY;
			return false;
		}
	}
	*ret = taken;
	return true;
}

void inflight_leave(struct inflight *inflight, const struct inflight_taken *taken)
{
	forget_one(inflight, taken->tenant);
	forget_one(inflight, taken->key);
}
