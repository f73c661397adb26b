#include "worker/adapters/adapter_out.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void adapter_out_init(struct adapter_out *out)
{
	*out = (struct adapter_out){ .count = 0 };
	STAILQ_INIT(&out->acts);
}

void adapter_out_fini(struct adapter_out *out)
{
	struct adapter_act *act;

	while ((act = adapter_out_next(out)) != NULL) {
		adapter_act_free(act);
	}
}

struct adapter_act *adapter_out_next(struct adapter_out *out)
{
	struct adapter_act *act = STAILQ_FIRST(&out->acts);

	if (act != NULL) {
		STAILQ_REMOVE_HEAD(&out->acts, link);
		out->count--;
		out->bytes -= act->text.n;
	}
	return act;
}

void adapter_act_free(struct adapter_act *act)
{
	free(act);
}

static struct str put(char **at, struct str text)
{
	struct str copy = { *at, text.n };

	if (text.n > 0) {
		memcpy(*at, text.p, text.n);
	}
	(*at)[text.n] = '\0';
	*at += text.n + 1;
	return copy;
}

/* One allocation: the act, then its texts. */
static struct adapter_act *add(struct adapter_out *out, enum adapter_act_kind kind, struct str id,
                               struct str name, struct str text)
{
	struct adapter_act *act = mem_calloc(1, sizeof(*act) + id.n + name.n + text.n + 3);
	char *at = (char *)(act + 1);

	*act = (struct adapter_act){ .kind = kind };
	act->id = put(&at, id);
	act->name = put(&at, name);
	act->text = put(&at, text);
	STAILQ_INSERT_TAIL(&out->acts, act, link);
	out->count++;
	out->bytes += text.n;
	return act;
}

void adapter_out_event(struct adapter_out *out, enum event_type type, const struct buf *data)
{
	add(out, ADAPTER_EVENT, STR_LIT(""), STR_LIT(""), buf_str(data))->type = type;
}

void adapter_out_write(struct adapter_out *out, struct str bytes)
{
	(void)add(out, ADAPTER_WRITE, STR_LIT(""), STR_LIT(""), bytes);
}

void adapter_out_request(struct adapter_out *out, struct str tag, struct str method_path,
                         struct str body)
{
	(void)add(out, ADAPTER_REQUEST, tag, method_path, body);
}

void adapter_out_ready(struct adapter_out *out, struct str capabilities)
{
	(void)add(out, ADAPTER_READY, STR_LIT(""), STR_LIT(""), capabilities);
}

void adapter_out_session(struct adapter_out *out, struct str id)
{
	(void)add(out, ADAPTER_SESSION_ID, id, STR_LIT(""), STR_LIT(""));
}

void adapter_out_turn(struct adapter_out *out)
{
	(void)add(out, ADAPTER_TURN, STR_LIT(""), STR_LIT(""), STR_LIT(""));
}

void adapter_out_turn_end(struct adapter_out *out, struct str stop_reason)
{
	(void)add(out, ADAPTER_TURN_END, STR_LIT(""), stop_reason, STR_LIT(""));
}

void adapter_out_ask(struct adapter_out *out, struct str id, const struct buf *question)
{
	(void)add(out, ADAPTER_ASK, id, STR_LIT(""), buf_str(question));
}

void adapter_out_withdraw(struct adapter_out *out, struct str id)
{
	(void)add(out, ADAPTER_WITHDRAW, id, STR_LIT(""), STR_LIT(""));
}

void adapter_out_call(struct adapter_out *out, struct str id, struct str method, struct str params)
{
	(void)add(out, ADAPTER_CALL, id, method, params);
}

void adapter_out_usage(struct adapter_out *out, const struct buf *usage)
{
	(void)add(out, ADAPTER_USAGE, STR_LIT(""), STR_LIT(""), buf_str(usage));
}

void adapter_out_done(struct adapter_out *out, struct str command, struct str why)
{
	(void)add(out, ADAPTER_DONE, command, STR_LIT(""), why);
}

void adapter_out_fail(struct adapter_out *out, struct str why)
{
	(void)add(out, ADAPTER_FAIL, STR_LIT(""), STR_LIT(""), why);
}
