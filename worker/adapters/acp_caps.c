/* What the agent can: models, modes and commands, as it tells them in several shapes. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "worker/adapters/acp_private.h"

enum { ITEMS_MAX = 256, SHORT_MAX = 200, SHOWN_MAX = 200 * 1024 };

static struct str cut(struct str text, size_t max)
{
	if (text.n > max) {
		text.n = max;
		while (text.n > 0 && ((unsigned char)text.p[text.n] & 0xC0) == 0x80) {
			text.n--;
		}
	}
	return text;
}

static void add_short(struct jsonw *w, const char *name, struct str text)
{
	if (text.n > 0) {
		jsonw_str(w, name, cut(text, SHORT_MAX));
	}
}

/* Keeps what was written, or nothing of a list that is too long. */
static void keep(char **at, struct jsonw *w)
{
	jsonw_end_array(w);
	free(*at);
	*at = buf_failed(w->out) ? NULL : mem_strndup(buf_str(w->out));
	buf_fini(w->out);
}

static void begin_list(struct jsonw *w, struct buf *text)
{
	buf_init(text, ACP_LIST_MAX);
	jsonw_init(w, text);
	jsonw_array(w, NULL);
}

static void add_item(struct jsonw *w, const struct json_value *item, const char *id)
{
	struct str value = json_as_str(json_get(item, id));

	if (value.n > 0 && value.n <= ADAPTER_ID_MAX) {
		jsonw_object(w, NULL);
		jsonw_str(w, "id", value);
		add_short(w, "name", json_as_str(json_get(item, "name")));
		add_short(w, "description", json_as_str(json_get(item, "description")));
		jsonw_end_object(w);
	}
}

static void add_items(struct jsonw *w, const struct json_value *items, const char *id)
{
	for (size_t i = 0; i < json_count(items) && i < ITEMS_MAX; i++) {
		const struct json_value *item = json_at(items, i);
		const struct json_value *group = json_get(item, "options");

		if (json_type_of(group) == JSON_T_ARRAY) { /* options may stand in groups */
			for (size_t k = 0; k < json_count(group) && k < ITEMS_MAX; k++) {
				add_item(w, json_at(group, k), id);
			}
		} else {
			add_item(w, item, id);
		}
	}
}

static void take_choice(struct acp_choice *choice, const struct json_value *items, const char *id,
                        struct str now)
{
	struct buf text;
	struct jsonw w;

	if (json_type_of(items) != JSON_T_ARRAY) {
		return;
	}
	begin_list(&w, &text);
	add_items(&w, items, id);
	keep(&choice->list, &w);
	if (now.n > 0) {
		acp_set(&choice->now, now);
	}
}

void acp_take_modes(struct adapter *a, const struct json_value *modes)
{
	take_choice(&a->mode, json_get(modes, "availableModes"), "id",
	            json_as_str(json_get(modes, "currentModeId")));
}

void acp_take_models(struct adapter *a, const struct json_value *models)
{
	take_choice(&a->model, json_get(models, "availableModels"), "modelId",
	            json_as_str(json_get(models, "currentModelId")));
}

/* Newer agents: a model or a mode is one of their options. */
void acp_take_options(struct adapter *a, const struct json_value *options)
{
	for (size_t i = 0; i < json_count(options) && i < ITEMS_MAX; i++) {
		const struct json_value *option = json_at(options, i);
		struct str id = json_as_str(json_get(option, "id"));
		struct str category = json_as_str(json_get(option, "category"));
		struct acp_choice *choice = NULL;

		category = category.n > 0 ? category : id;
		if (str_eq(category, STR_LIT("model"))) {
			choice = &a->model;
		} else if (str_eq(category, STR_LIT("mode"))) {
			choice = &a->mode;
		}
		if (choice != NULL && id.n > 0 && id.n <= ADAPTER_ID_MAX) {
			acp_set(&choice->config, id);
			take_choice(choice, json_get(option, "options"), "value",
			            json_as_str(json_get(option, "currentValue")));
		}
	}
}

void acp_take_commands(struct adapter *a, const struct json_value *commands)
{
	struct buf text;
	struct jsonw w;

	begin_list(&w, &text);
	for (size_t i = 0; i < json_count(commands) && i < ITEMS_MAX; i++) {
		const struct json_value *command = json_at(commands, i);
		struct str name = json_as_str(json_get(command, "name"));

		if (name.n > 0 && name.n <= ADAPTER_ID_MAX) {
			jsonw_object(&w, NULL);
			jsonw_str(&w, "name", name);
			add_short(&w, "description", json_as_str(json_get(command, "description")));
			add_short(&w, "hint",
			          json_as_str(json_get(json_get(command, "input"), "hint")));
			jsonw_end_object(&w);
		}
	}
	keep(&a->commands, &w);
}

bool acp_offers(const struct acp_choice *choice, struct str id)
{
	struct err err;
	CLEANUP(json_value_cleanup)
	struct json_value *list =
		choice->list != NULL ? json_parse(str_of(choice->list), &err) : NULL;

	for (size_t i = 0; i < json_count(list); i++) {
		if (str_eq(json_as_str(json_get(json_at(list, i), "id")), id)) {
			return true;
		}
	}
	return false;
}

static void add_choice(struct jsonw *w, const struct acp_choice *choice, const char *now,
                       const char *list)
{
	if (choice->now != NULL) {
		jsonw_cstr(w, now, choice->now);
	}
	if (choice->list != NULL) {
		jsonw_raw(w, list, str_of(choice->list));
	}
}

static void add_feature(struct jsonw *w, const char *name, bool has)
{
	if (has) {
		jsonw_cstr(w, NULL, name);
	}
}

static void write_ready(const struct adapter *a, struct jsonw *w)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "agent", a->kind->type);
	add_short(w, "name", acp_text(a->agent_name));
	add_short(w, "version", acp_text(a->agent_version));
	jsonw_array(w, "features");
	add_feature(w, "interrupt", true);
	add_feature(w, "set_model", a->model.list != NULL);
	add_feature(w, "set_mode", a->mode.list != NULL);
	add_feature(w, "images", a->can_images);
	add_feature(w, "resume", a->can_load || a->can_resume);
	add_feature(w, "slash", a->commands != NULL);
	jsonw_end_array(w);
	add_choice(w, &a->model, "model", "models");
	add_choice(w, &a->mode, "mode", "modes");
	if (a->commands != NULL) {
		jsonw_raw(w, "commands", str_of(a->commands));
	}
	jsonw_end_object(w);
}

void acp_tell_ready(struct adapter *a, struct adapter_out *out)
{
	struct buf text;
	struct jsonw w;

	buf_init(&text, SHOWN_MAX);
	jsonw_init(&w, &text);
	write_ready(a, &w);
	if (!buf_failed(&text) && !str_eq(buf_str(&text), acp_text(a->told))) {
		adapter_out_ready(out, buf_str(&text));
		free(a->told);
		a->told = mem_strndup(buf_str(&text));
	}
	buf_fini(&text);
}
