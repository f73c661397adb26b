/*
 * Turns: one prompt at a time.  An agent that gets a second prompt while it works gives up the
 * first one (gemini) or does what it likes, so they wait here.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/adapters/acp_private.h"

/* ---- prompts ---- */

void acp_free_prompt(struct acp_prompt *prompt)
{
	free(prompt->command);
	free(prompt->blocks);
	free(prompt);
}

static void add_block(struct jsonw *w, const struct json_value *block)
{
	struct str type = json_as_str(json_get(block, "type"));

	if (str_eq(type, STR_LIT("text"))) {
		jsonw_object(w, NULL);
		jsonw_cstr(w, "type", "text");
		jsonw_str(w, "text", json_as_str(json_get(block, "text")));
		jsonw_end_object(w);
	} else if (str_eq(type, STR_LIT("image"))) {
		jsonw_object(w, NULL);
		jsonw_cstr(w, "type", "image");
		jsonw_str(w, "mimeType", json_as_str(json_get(block, "media_type")));
		jsonw_str(w, "data", json_as_str(json_get(block, "data")));
		jsonw_end_object(w);
	}
}

static bool has_images(const struct json_value *blocks)
{
	for (size_t i = 0; i < json_count(blocks); i++) {
		if (str_eq(json_as_str(json_get(json_at(blocks, i), "type")), STR_LIT("image"))) {
			return true;
		}
	}
	return false;
}

static void queue(struct adapter *a, struct str command, char *blocks, bool images)
{
	struct acp_prompt *prompt = mem_calloc(1, sizeof(*prompt));

	prompt->command = mem_strndup(command);
	prompt->blocks = blocks;
	prompt->images = images;
	TAILQ_INSERT_TAIL(&a->prompts, prompt, link);
	a->prompt_count++;
}

void acp_prompt(struct adapter *a, const struct adapter_prompt *prompt, struct adapter_out *out)
{
	struct buf text;
	struct jsonw w;

	if (a->failed || a->prompt_count >= ACP_PROMPTS_MAX) {
		adapter_out_done(out, prompt->id,
		                 a->failed ? STR_LIT("the agent could not be started")
		                           : STR_LIT("too many prompts wait already"));
		return;
	}
	buf_init(&text, ACP_WRITE_MAX / 2);
	jsonw_init(&w, &text);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < json_count(prompt->blocks); i++) {
		add_block(&w, json_at(prompt->blocks, i));
	}
	jsonw_end_array(&w);
	if (buf_failed(&text)) {
		adapter_out_done(out, prompt->id, STR_LIT("the prompt is too large"));
	} else {
		queue(a, prompt->id, mem_strndup(buf_str(&text)), has_images(prompt->blocks));
	}
	buf_fini(&text);
	acp_next_turn(a, out);
}

static void send_prompt(struct adapter *a, const struct acp_prompt *prompt, struct adapter_out *out)
{
	struct acp_line line;

	a->turn = mem_strdup(prompt->command);
	a->turns++;
	a->messages = 0;
	adapter_out_turn(out);
	acp_request(a, &line, "session/prompt", ACP_WANT_PROMPT, NULL, STR_LIT(""));
	jsonw_str(&line.w, "sessionId", acp_text(a->session));
	jsonw_raw(&line.w, "prompt", str_of(prompt->blocks));
	acp_send(out, &line);
}

void acp_next_turn(struct adapter *a, struct adapter_out *out)
{
	struct acp_prompt *prompt;

	while (a->ready && a->turn == NULL && (prompt = TAILQ_FIRST(&a->prompts)) != NULL) {
		TAILQ_REMOVE(&a->prompts, prompt, link);
		a->prompt_count--;
		if (prompt->images && !a->can_images) {
			adapter_out_done(out, str_of(prompt->command),
			                 STR_LIT("the agent takes no images"));
		} else {
			send_prompt(a, prompt, out);
		}
		acp_free_prompt(prompt);
	}
}

/* ---- their ends ---- */

void acp_end_turn(struct adapter *a, struct str stop_reason, struct str why,
                  struct adapter_out *out)
{
	struct acp_waiter *waiter;

	if (a->turn == NULL) {
		return;
	}
	acp_end_message(a, out);
	acp_asks_cancel(a, out);
	acp_tools_close(a, STR_LIT("the turn ended before the tool did"), out);
	adapter_out_turn_end(out, stop_reason);
	adapter_out_done(out, str_of(a->turn), why);
	free(a->turn);
	a->turn = NULL;
	while ((waiter = TAILQ_FIRST(&a->interrupts)) != NULL) {
		TAILQ_REMOVE(&a->interrupts, waiter, link);
		adapter_out_done(out, str_of(waiter->command), STR_LIT(""));
		free(waiter->command);
		free(waiter);
	}
}

static struct str stop_word(struct str reason)
{
	if (str_eq(reason, STR_LIT("cancelled"))) {
		return STR_LIT("interrupted");
	}
	if (str_eq(reason, STR_LIT("max_turn_requests"))) {
		return STR_LIT("max_turns");
	}
	return reason.n > 0 && reason.n <= ACP_NAME_MAX ? reason : STR_LIT("end_turn");
}

struct amount {
	const char *name;
	int64_t value;
};

static void say_usage(struct adapter *a, struct str model, const struct amount *amounts,
                      size_t count, struct adapter_out *out)
{
	struct buf text;
	struct jsonw w;
	bool any = false;

	buf_init(&text, (size_t)4 * ACP_NAME_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	model = model.n > 0 && model.n <= ADAPTER_ID_MAX ? model : acp_text(a->model.now);
	if (model.n > 0) {
		jsonw_str(&w, "model", model);
	}
	for (size_t i = 0; i < count; i++) {
		if (amounts[i].value > 0) {
			jsonw_i64(&w, amounts[i].name, amounts[i].value);
			any = true;
		}
	}
	jsonw_cstr(&w, "source", a->kind->type);
	jsonw_end_object(&w);
	if (any) {
		adapter_out_usage(out, &text);
	}
	buf_fini(&text);
}

static int64_t number(const struct json_value *object, const char *name)
{
	return json_as_i64(json_get(object, name));
}

/* Of the turn: as the draft of the protocol has it, or as gemini has it, by model. */
static void turn_usage(struct adapter *a, const struct json_value *result, struct adapter_out *out)
{
	const struct json_value *usage = json_get(result, "usage");
	const struct json_value *quota = json_get(json_get(result, "_meta"), "quota");
	const struct json_value *models = json_get(quota, "model_usage");
	const struct amount amounts[] = {
		{ "input_tokens", number(usage, "inputTokens") },
		{ "output_tokens", number(usage, "outputTokens") },
		{ "reasoning_tokens", number(usage, "thoughtTokens") },
		{ "cache_read_tokens", number(usage, "cachedReadTokens") },
		{ "cache_write_tokens", number(usage, "cachedWriteTokens") },
	};

	say_usage(a, STR_LIT(""), amounts, ARRAY_LEN(amounts), out);
	for (size_t i = 0; i < json_count(models) && i < ACP_TOOLS_MAX; i++) {
		const struct json_value *row = json_at(models, i);
		const struct json_value *tokens = json_get(row, "token_count");
		const struct amount of_model[] = {
			{ "input_tokens", number(tokens, "input_tokens") },
			{ "output_tokens", number(tokens, "output_tokens") },
		};

		say_usage(a, json_as_str(json_get(row, "model")), of_model, ARRAY_LEN(of_model),
		          out);
	}
}

/* While it runs: what its context holds, and what the session has cost until now. */
void acp_usage(struct adapter *a, const struct json_value *update, struct adapter_out *out)
{
	const struct json_value *cost = json_get(update, "cost");
	double spent = json_as_f64(json_get(cost, "amount"));
	struct buf text;
	struct jsonw w;

	buf_init(&text, (size_t)4 * ACP_NAME_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	if (a->model.now != NULL) {
		jsonw_cstr(&w, "model", a->model.now);
	}
	jsonw_i64(&w, "context_used", number(update, "used"));
	jsonw_i64(&w, "context_size", number(update, "size"));
	if (!str_eq(json_as_str(json_get(cost, "currency")), STR_LIT("USD"))) {
		spent = a->spent;
	} else if (!a->spent_known) {
		a->spent = spent;
		a->spent_known = true;
	}
	if (spent > a->spent) {
		struct buf usd;

		buf_init(&usd, ACP_NAME_MAX);
		buf_addf(&usd, "%.9f", spent - a->spent);
		if (!buf_failed(&usd)) {
			jsonw_raw(&w, "usd", buf_str(&usd));
		}
		buf_fini(&usd);
		a->spent = spent;
	}
	jsonw_cstr(&w, "source", a->kind->type);
	jsonw_end_object(&w);
	adapter_out_usage(out, &text);
	buf_fini(&text);
}

void acp_turn_answered(struct adapter *a, const struct json_value *result,
                       const struct json_value *error, struct adapter_out *out)
{
	struct buf room;
	struct str why;

	if (error == NULL) {
		turn_usage(a, result, out);
		acp_end_turn(a, stop_word(json_as_str(json_get(result, "stopReason"))), STR_LIT(""),
		             out);
	} else {
		buf_init(&room, ADAPTER_LINE_MAX);
		why = acp_error_text(error, &room);
		acp_end_message(a, out);
		adapter_say_error(out, str_of(acp_error_class(error, why)), why);
		acp_end_turn(a, STR_LIT("error"), why, out);
		buf_fini(&room);
	}
	acp_next_turn(a, out);
}

/* ---- controls ---- */

/* Questions are answered by whoever cancels: the turn ends only then. */
void acp_interrupt(struct adapter *a, struct adapter_out *out)
{
	struct acp_line line;

	acp_notify(&line, "session/cancel");
	jsonw_str(&line.w, "sessionId", acp_text(a->session));
	acp_send(out, &line);
	acp_asks_cancel(a, out);
}

static const char *interrupt(struct adapter *a, const struct adapter_control *control,
                             struct adapter_out *out)
{
	struct acp_waiter *waiter;

	if (a->turn == NULL) {
		return "no turn is running";
	}
	waiter = mem_calloc(1, sizeof(*waiter));
	waiter->command = mem_strndup(control->id);
	TAILQ_INSERT_TAIL(&a->interrupts, waiter, link);
	acp_interrupt(a, out);
	return NULL;
}

/* Slash commands are prompts. */
static const char *slash(struct adapter *a, const struct adapter_control *control,
                         struct adapter_out *out)
{
	struct buf text;
	struct jsonw w;

	if (a->prompt_count >= ACP_PROMPTS_MAX) {
		return "too many prompts wait already";
	}
	buf_init(&text, ACP_WRITE_MAX / 2);
	jsonw_init(&w, &text);
	jsonw_array(&w, NULL);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", "text");
	jsonw_str(&w, "text", control->text);
	jsonw_end_object(&w);
	jsonw_end_array(&w);
	if (buf_failed(&text)) {
		buf_fini(&text);
		return "the command is too large";
	}
	queue(a, control->id, buf_take(&text), false);
	acp_next_turn(a, out);
	return NULL;
}

void acp_control(struct adapter *a, const struct adapter_control *control, struct adapter_out *out)
{
	char *command = mem_strndup(control->id);
	const char *why = "the agent is not ready";

	if (a->ready) {
		switch (control->kind) {
		case ADAPTER_DO_INTERRUPT: why = interrupt(a, control, out); break;
		case ADAPTER_DO_SET_MODEL:
			why = acp_choose(a, ACP_WANT_MODEL, control->text, command, out);
			break;
		case ADAPTER_DO_SET_MODE:
			why = acp_choose(a, ACP_WANT_MODE, control->text, command, out);
			break;
		case ADAPTER_DO_SLASH: why = slash(a, control, out); break;
		}
	}
	if (why != NULL) {
		adapter_out_done(out, control->id, str_of(why));
	}
	free(command);
}
