#include "tests/sim/bridge.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "redis/cmd.h"
#include "redis/reply.h"

enum { SCRIPT_WORDS = 3 }; /* EVALSHA, digest, number of keys */

uint64_t dice_roll(struct dice *dice, uint64_t sides)
{
	/* splitmix64 */
	uint64_t z = (dice->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % sides;
}

uint64_t dice_seed(void)
{
	const char *given = getenv("SIM_SEED");
	uint64_t seed;

	if (given != NULL && parse_u64(str_of(given), UINT64_MAX, &seed)) {
		return seed;
	}
	return (uint64_t)clock_wall_us();
}

static struct str word_of(const struct redis_cmd *cmd, size_t i)
{
	const struct redis_word *word = &cmd->words[i];

	return str_make(word->p != NULL ? word->p : cmd->text.data + word->at, word->n);
}

struct model_reply *bridge_run(struct model *model, const struct redis_cmd *cmd,
                               const struct text *script)
{
	struct str *words = mem_calloc(cmd->count, sizeof(*words));
	struct model_reply *reply;
	uint64_t keys;

	for (size_t i = 0; i < cmd->count; i++) {
		words[i] = word_of(cmd, i);
	}
	if (script == NULL) {
		reply = model_call(model, words, cmd->count);
	} else if (parse_u64(words[SCRIPT_WORDS - 1], cmd->count - SCRIPT_WORDS, &keys)) {
		reply = model_eval(model, str_make(script->text, script->len), words + SCRIPT_WORDS,
		                   keys, words + SCRIPT_WORDS + keys,
		                   cmd->count - SCRIPT_WORDS - keys);
	} else {
		reply = model_reply_text(MODEL_ERROR, STR_LIT("ERR number of keys"));
	}
	free(words);
	return reply;
}

static void fill(const struct model_reply *from, struct redis_reply *to)
{
	static const enum redis_type types[] = {
		[MODEL_NIL] = REDIS_NIL,       [MODEL_STRING] = REDIS_STRING,
		[MODEL_STATUS] = REDIS_STATUS, [MODEL_INTEGER] = REDIS_INTEGER,
		[MODEL_ARRAY] = REDIS_ARRAY,   [MODEL_ERROR] = REDIS_NIL,
	};

	to->type = types[from->type];
	to->integer = from->integer;
	if (from->type == MODEL_ARRAY) {
		to->n = from->count;
		to->elements = from->count > 0 ? mem_calloc(from->count, sizeof(*to)) : NULL;
		for (size_t i = 0; i < from->count; i++) {
			fill(from->items[i], &to->elements[i]);
		}
	} else if (from->type == MODEL_STRING || from->type == MODEL_STATUS) {
		to->n = from->n;
		to->text = mem_strndup(str_make(from->p, from->n));
	}
}

enum err_code bridge_reply(const struct model_reply *reply, struct redis_reply **ret,
                           struct err *err)
{
	if (reply->type == MODEL_ERROR) {
		return err_set(err, ERR_BACKEND, "%.*s", (int)reply->n, reply->p);
	}
	*ret = mem_calloc(1, sizeof(**ret));
	fill(reply, *ret);
	return ERR_OK;
}

void bridge_format(const struct redis_reply *reply, struct buf *out)
{
	struct str s = redis_reply_str(reply);

	switch (redis_reply_type(reply)) {
	case REDIS_NIL: buf_add_cstr(out, "nil"); break;
	case REDIS_INTEGER: buf_addf(out, ":%" PRId64, redis_reply_int(reply)); break;
	case REDIS_STRING: buf_addf(out, "\"%.*s\"", (int)s.n, s.p); break;
	case REDIS_STATUS: buf_addf(out, "+%.*s", (int)s.n, s.p); break;
	case REDIS_ERROR: buf_addf(out, "-%.*s", (int)s.n, s.p); break;
	case REDIS_ARRAY:
		buf_add_char(out, '[');
		for (size_t i = 0; i < redis_reply_len(reply); i++) {
			buf_add_cstr(out, i > 0 ? " " : "");
			bridge_format(redis_reply_at(reply, i), out);
		}
		buf_add_char(out, ']');
		break;
	}
}
