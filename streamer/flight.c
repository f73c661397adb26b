#include "streamer/flight.h"

#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

struct flights {
	struct map *by_key; /* those being fetched, or just about to */
};

struct flights *flights_new(void)
{
	struct flights *flights = mem_calloc(1, sizeof(*flights));

	flights->by_key = map_new();
	return flights;
}

void flights_free(struct flights *flights)
{
	assert(map_count(flights->by_key) == 0);
	map_free(flights->by_key);
	free(flights);
}

static struct flight *add(struct flights *flights, struct str key, const struct flight_kind *kind)
{
	struct flight *flight = mem_calloc(1, sizeof(*flight));

	flight->flights = flights;
	flight->kind = kind;
	flight->key = mem_strndup(key);
	flight->fetched = mem_calloc(1, kind->size);
	fiber_signal_init(&flight->changed);
	return flight;
}

static void make_ready(struct flight *flight)
{
	flight->is_ready = true;
	(void)map_put(flight->flights->by_key, str_of(flight->key), flight);
	fiber_signal_raise(&flight->changed);
}

/* The one that is under way is not for who comes now. */
static struct flight *find(struct flights *flights, struct str key, const struct flight_kind *kind)
{
	struct flight *flight = map_get(flights->by_key, key);

	if (flight == NULL) {
		flight = add(flights, key, kind);
		make_ready(flight);
	} else if (flight->is_fetching) {
		if (flight->after == NULL) {
			flight->after = add(flights, key, kind);
			flight->after->before = flight;
		}
		flight = flight->after;
	}
	return flight;
}

static void fetch(struct flight *flight, const void *what)
{
	struct flight *after;

	flight->is_fetching = true;
	fiber_shield();
	flight->err.code = flight->kind->fetch(what, flight->fetched, &flight->err);
	fiber_unshield();
	flight->is_over = true;
	(void)map_remove(flight->flights->by_key, str_of(flight->key));
	after = flight->after;
	if (after != NULL) {
		flight->after = after->before = NULL;
		make_ready(after);
	}
	fiber_signal_raise(&flight->changed);
}

enum err_code flight_hold(struct flights *flights, struct str key, const struct flight_kind *kind,
                          const void *what, struct flight **ret, struct err *err)
{
	struct flight *flight = find(flights, key, kind);
	enum err_code code = ERR_OK;

	flight->holders++;
	while (code == ERR_OK && !flight->is_over) {
		if (flight->is_ready && !flight->is_fetching) {
			fetch(flight, what);
		} else {
			code = fiber_signal_wait(&flight->changed, FIBER_NO_TIMEOUT);
		}
	}
	if (code != ERR_OK) {
		(void)err_set(err, code, "waiting for what others have read");
	} else if (flight->err.code != ERR_OK) {
		*err = flight->err;
		code = err->code;
	}
	*ret = flight;
	if (code != ERR_OK) {
		flight_release(flight);
	}
	return code;
}

/* Before it was fetched: nobody wants it any more. */
static void call_off(struct flight *flight)
{
	if (flight->before != NULL) {
		flight->before->after = NULL;
	} else {
		(void)map_remove(flight->flights->by_key, str_of(flight->key));
	}
}

void flight_release(struct flight *flight)
{
	if (--flight->holders > 0) {
		return;
	}
	if (!flight->is_over) {
		call_off(flight);
	} else if (flight->err.code == ERR_OK && flight->kind->fini != NULL) {
		flight->kind->fini(flight->fetched);
	}
	free(flight->fetched);
	free(flight->key);
	free(flight);
}
