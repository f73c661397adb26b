#include "scheduler/place.h"

#include "base/str.h"
#include "queue/words.h"

/* Less is not worth that a slot stays empty. */
enum { WAIT_MIN_MS = 100 };

static bool has_room(const struct place_worker *worker)
{
	return worker->working < worker->slots && worker->residing < worker->resident;
}

/* How much later than at best it would start there. */
static uint64_t cost_of(const struct place_worker *worker, const struct place_ask *ask,
                        const struct place_rules *rules)
{
	struct str rest = str_of(ask->likes);
	uint64_t cost = 0;

	while (rest.n > 0) {
		struct str word = str_split(&rest, ',');
		bool repo = str_starts(word, STR_LIT("repo="));

		if (word.n > 0 && !words_have(repo ? worker->holds : worker->has, word)) {
			cost += repo ? ask->materialise_ms : rules->like_ms;
		}
	}
	return cost;
}

int place_compare(const struct place_worker *a, const struct place_worker *b,
                  const struct place_rules *rules)
{
	/* Shares of slots used, without fractions. */
	uint64_t x = (uint64_t)a->working * b->slots, y = (uint64_t)b->working * a->slots;

	if (x == y) {
		return 0;
	}
	return (x > y) == rules->pack ? 1 : -1;
}

static bool may_run(const struct place_worker *worker, const struct place_ask *ask)
{
	return !worker->draining && worker->slots > 0 && words_fit(worker->has, ask->needs);
}

struct place place_decide(const struct place_worker *workers, size_t count,
                          const struct place_ask *ask, const struct place_rules *rules)
{
	size_t best = ask->here, warm = ask->here;
	const uint64_t here_cost = cost_of(&workers[best], ask, rules);
	uint64_t best_cost = here_cost, warm_cost = here_cost;

	for (size_t i = 0; i < count && here_cost > 0; i++) {
		uint64_t cost;

		if (i == ask->here || !may_run(&workers[i], ask)) {
			continue;
		}
		cost = cost_of(&workers[i], ask, rules);
		if (has_room(&workers[i]) &&
		    (cost < best_cost || (cost == best_cost && best != ask->here &&
		                          place_compare(&workers[i], &workers[best], rules) > 0))) {
			best = i;
			best_cost = cost;
		}
		if (cost < warm_cost) {
			warm = i;
			warm_cost = cost;
		}
	}
	if (warm_cost < best_cost && best_cost - warm_cost >= ask->waited_ms + WAIT_MIN_MS) {
		return (struct place){ PLACE_WAIT, warm, best_cost - warm_cost - ask->waited_ms };
	}
	return (struct place){ best == ask->here ? PLACE_HERE : PLACE_THERE, best, 0 };
}
