/* When a task's sessions may run, and on which workers. */
#include "base/clock.h"
#include "base/id.h"
#include "json/write.h"
#include "task/task_json.h"
#include "task/task_part.h"

enum { JSON_MAX = 8 * 1024 };

const char task_time_schema[] = "{\"type\":\"string\",\"format\":\"date-time\"}";
const char task_id_schema[] = "{\"type\":\"string\",\"minLength\":26,\"maxLength\":26}";

void task_decode_time(const struct json_value *value, const char *path, void *out,
                      struct arena *arena, struct json_problems *problems)
{
	if (json_type_of(value) != JSON_T_STRING || !clock_parse(json_as_str(value), out)) {
		json_problem_add(problems, arena, path,
		                 "must be a date and time as in RFC 3339: 2026-01-31T12:00:00Z");
	}
}

void task_decode_id(const struct json_value *value, const char *path, void *out,
                    struct arena *arena, struct json_problems *problems)
{
	struct str *ret = out;
	struct id id;

	if (json_type_of(value) != JSON_T_STRING || !id_parse(json_as_str(value), &id)) {
		json_problem_add(problems, arena, path, "must be the id of a session or a task");
		return;
	}
	*ret = arena_str(arena, str_of(id.s));
}

#define WORDS(member) .offset = offsetof(struct task_workers, member), .present = JSON_NO_PRESENT

static const struct json_field workers_fields[] = {
	{ .name = "required",
	  .kind = JSON_STRINGS,
	  .flags = JSON_NULLABLE,
	  WORDS(required),
	  .max = TASK_WORDS_MAX,
	  .item_max = TASK_WORD_MAX,
	  .help = "Labels that a worker must have, as its operator spells them: zone=eu." },
	{ .name = "preferred",
	  .kind = JSON_STRINGS,
	  .flags = JSON_NULLABLE,
	  WORDS(preferred),
	  .max = TASK_WORDS_MAX,
	  .item_max = TASK_WORD_MAX,
	  .help = "Labels of the worker that is taken when there is a choice." },
};

const struct json_table task_workers_table = { "Workers", sizeof(struct task_workers),
	                                       workers_fields, ARRAY_LEN(workers_fields) };

static size_t check_words(const struct json_list *list, const char *field, struct arena *arena,
                          struct json_problems *problems)
{
	const struct str *words = list->items;
	size_t bytes = 0;

	for (size_t i = 0; i < list->count; i++) {
		const char *rule = words[i].p != NULL ? task_check_label(words[i]) : NULL;

		bytes += words[i].n + 1;
		if (rule != NULL) {
			json_problem_add(problems, arena, arena_printf(arena, "%s[%zu]", field, i),
			                 "%s", rule);
		}
	}
	return bytes;
}

void task_check_workers(const struct task_workers *workers, struct arena *arena,
                        struct json_problems *problems)
{
	(void)check_words(&workers->preferred, "workers.preferred", arena, problems);
	if (check_words(&workers->required, "workers.required", arena, problems) >
	    TASK_WORDS_BYTES_MAX) {
		json_problem_add(problems, arena, "workers.required",
		                 "must together be at most %d bytes", TASK_WORDS_BYTES_MAX);
	}
}

static void write_words(struct jsonw *w, const char *name, const struct json_list *list)
{
	const struct str *words = list->items;

	if (list->count == 0) {
		return;
	}
	jsonw_array(w, name);
	for (size_t i = 0; i < list->count; i++) {
		jsonw_str(w, NULL, words[i]);
	}
	jsonw_end_array(w);
}

struct str task_workers_json(const struct task_spec *spec, struct arena *arena)
{
	struct jsonw w;
	struct buf out;
	struct str json;

	buf_init(&out, JSON_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	write_words(&w, "required", &spec->workers.required);
	write_words(&w, "preferred", &spec->workers.preferred);
	jsonw_end_object(&w);
	json = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return json;
}

static char *join(const struct json_value *list, struct arena *arena)
{
	struct buf out;
	char *text;

	buf_init(&out, JSON_MAX);
	for (size_t i = 0; i < json_count(list); i++) {
		if (i > 0) {
			buf_add_char(&out, ',');
		}
		buf_add_str(&out, json_as_str(json_at(list, i)));
	}
	text = arena_strdup(arena, buf_str(&out));
	buf_fini(&out);
	return text;
}

struct task_words task_words_of(struct str workers_json, struct arena *arena)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *workers = json_parse(workers_json, &err);

	return (struct task_words){ join(json_get(workers, "required"), arena),
		                    join(json_get(workers, "preferred"), arena) };
}
