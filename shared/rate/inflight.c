#include "rate/inflight.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

enum { NAME_SIZE = 160 };

struct inflight {
	struct inflight_options options;
	struct map *counts; /* owned size_t, above 0 */
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

static bool count_one(struct inflight *inflight, struct str name, size_t most)
{
	size_t *count = map_get(inflight->counts, name);

	if (count == NULL) {
		count = mem_calloc(1, sizeof(*count));
		(void)map_put(inflight->counts, name, count);
	} else if (*count >= most) {
		return false;
	}
	(*count)++;
	return true;
}

static void forget_one(struct inflight *inflight, struct str name)
{
	size_t *count = map_get(inflight->counts, name);

	assert(count != NULL && *count > 0);
	if (--*count == 0) {
		free(map_remove(inflight->counts, name));
	}
}

bool inflight_enter(struct inflight *inflight, const char *tenant, const char *key,
                    enum rate_kind *ret_kind)
{
	const struct inflight_options *most = &inflight->options;
	char room[NAME_SIZE];

	if (most->tenant > 0 && !count_one(inflight, name_of('t', tenant, room), most->tenant)) {
		*ret_kind = RATE_TENANT;
		return false;
	}
	if (most->key > 0 && key[0] != '\0' &&
	    !count_one(inflight, name_of('k', key, room), most->key)) {
		if (most->tenant > 0) {
			forget_one(inflight, name_of('t', tenant, room));
		}
		*ret_kind = RATE_KEY;
		return false;
	}
	return true;
}

void inflight_leave(struct inflight *inflight, const char *tenant, const char *key)
{
	char room[NAME_SIZE];

	if (inflight->options.tenant > 0) {
		forget_one(inflight, name_of('t', tenant, room));
	}
	if (inflight->options.key > 0 && key[0] != '\0') {
		forget_one(inflight, name_of('k', key, room));
	}
}
