#include <string.h>

#include "approval/rule.h"
#include "json/value.h"

/* What agents call these things in the input of their tools. */
static const char *const command_names[] = { "command", "cmd", "argv" };
static const char *const path_names[] = { "file_path",     "filePath", "path",
	                                  "notebook_path", "abs_path", "absolute_path",
	                                  "target_file",   "filename", "dir_path",
	                                  "directory",     "paths",    "files" };
static const char *const change_names[] = { "changes", "fileChanges", "locations" };
static const char *const url_names[] = { "url", "uri", "urls" };
static const char *const host_names[] = { "host", "hostname", "domain" };

struct texts {
	struct str items[APPROVAL_ITEMS_MAX];
	size_t count;
	bool odd;
};

/* A text, or a list of them; anything else cannot be judged. */
static void add_text(struct texts *texts, const struct json_value *value)
{
	struct str text = json_as_str(value);

	if (json_type_of(value) != JSON_T_STRING || text.n == 0 ||
	    memchr(text.p, '\0', text.n) != NULL || texts->count == APPROVAL_ITEMS_MAX) {
		texts->odd = true;
	} else {
		texts->items[texts->count++] = text;
	}
}

static void add_texts(struct texts *texts, const struct json_value *value)
{
	if (json_type_of(value) == JSON_T_NULL) {
		return;
	}
	if (json_type_of(value) != JSON_T_ARRAY) {
		add_text(texts, value);
		return;
	}
	for (size_t i = 0; i < json_count(value); i++) {
		add_text(texts, json_at(value, i));
	}
}

static const struct str *keep(const struct texts *texts, struct arena *arena)
{
	struct str *items = arena_take(arena, (texts->count + 1) * sizeof(*items));

	memcpy(items, texts->items, texts->count * sizeof(*items));
	return items;
}

/* ---- commands ---- */

static void take_command(const struct json_value *input, struct arena *arena,
                         struct approval_question *q)
{
	struct texts words = { .count = 0 };
	unsigned found = 0;

	for (size_t i = 0; i < ARRAY_LEN(command_names); i++) {
		const struct json_value *value = json_get(input, command_names[i]);

		if (json_type_of(value) == JSON_T_STRING) {
			q->line = json_as_str(value);
			q->odd_command =
				q->line.n == 0 || memchr(q->line.p, '\0', q->line.n) != NULL;
			found++;
		} else if (json_type_of(value) != JSON_T_NULL) {
			add_texts(&words, value);
			found++;
		}
	}
	q->odd_command = q->odd_command || words.odd || found > 1;
	q->words = keep(&words, arena);
	q->word_count = words.count;
}

/* ---- files ---- */

/* {"PATH": ...} or [{"path": PATH}] */
static void add_changes(struct texts *paths, const struct json_value *changes)
{
	const struct json_value *value;
	struct str name;
	void *at = NULL;

	for (size_t i = 0; json_type_of(changes) == JSON_T_ARRAY && i < json_count(changes); i++) {
		add_text(paths, json_get(json_at(changes, i), "path"));
	}
	while (json_type_of(changes) == JSON_T_OBJECT && json_next(changes, &at, &name, &value)) {
		if (paths->count == APPROVAL_ITEMS_MAX || name.n == 0) {
			paths->odd = true;
		} else {
			paths->items[paths->count++] = name;
		}
	}
}

static void take_paths(const struct json_value *input, struct arena *arena,
                       struct approval_question *q)
{
	struct texts paths = { .count = 0 };

	for (size_t i = 0; i < ARRAY_LEN(path_names); i++) {
		add_texts(&paths, json_get(input, path_names[i]));
	}
	for (size_t i = 0; i < ARRAY_LEN(change_names); i++) {
		add_changes(&paths, json_get(input, change_names[i]));
	}
	q->paths = keep(&paths, arena);
	q->path_count = paths.count;
	q->odd_path = paths.odd;
}

/* ---- hosts ---- */

/* In lower case; "": it has other letters than names of hosts. */
static struct str lower_host(struct str host, struct arena *arena)
{
	char *out = arena_strdup(arena, host);

	for (size_t i = 0; i < host.n; i++) {
		char c = out[i];

		out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		if (!((out[i] >= 'a' && out[i] <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
		      c == '.')) {
			return STR_LIT("");
		}
	}
	return str_make(out, host.n);
}

/* RFC 3986, 3.2, and no more of it than cannot be misread: no user, no escapes, no address in
 * brackets. */
static struct str host_of(struct str url, struct arena *arena)
{
	const char *at = url.n > 0 ? memmem(url.p, url.n, "://", 3) : NULL;
	struct str rest, port;
	uint64_t number;
	size_t n = 0;

	if (at == NULL) {
		return STR_LIT("");
	}
	rest = str_make(at + 3, url.n - (size_t)(at + 3 - url.p));
	while (n < rest.n && strchr("/?#", rest.p[n]) == NULL) {
		n++;
	}
	port = str_make(rest.p, n);
	rest = str_split(&port, ':');
	return port.n == 0 || parse_u64(port, UINT16_MAX, &number) ? lower_host(rest, arena)
	                                                           : STR_LIT("");
}

static void add_host(struct texts *hosts, struct str host)
{
	if (host.n == 0 || hosts->count == APPROVAL_ITEMS_MAX) {
		hosts->odd = true;
	} else {
		hosts->items[hosts->count++] = host;
	}
}

static void take_hosts(const struct json_value *input, struct arena *arena,
                       struct approval_question *q)
{
	struct texts urls = { .count = 0 }, names = { .count = 0 }, hosts = { .count = 0 };

	for (size_t i = 0; i < ARRAY_LEN(url_names); i++) {
		add_texts(&urls, json_get(input, url_names[i]));
	}
	for (size_t i = 0; i < ARRAY_LEN(host_names); i++) {
		add_texts(&names, json_get(input, host_names[i]));
	}
	for (size_t i = 0; i < urls.count; i++) {
		add_host(&hosts, host_of(urls.items[i], arena));
	}
	for (size_t i = 0; i < names.count; i++) {
		add_host(&hosts, lower_host(names.items[i], arena));
	}
	q->hosts = keep(&hosts, arena);
	q->host_count = hosts.count;
	q->odd_host = hosts.odd || urls.odd || names.odd;
}

void approval_question_of(const struct json_value *json, struct str workspace, struct arena *arena,
                          struct approval_question *ret)
{
	const struct json_value *input = json_get(json, "input");

	*ret = (struct approval_question){ .tool = json_as_str(json_get(json, "tool_name")),
		                           .workspace = workspace };
	take_command(input, arena, ret);
	take_paths(input, arena, ret);
	take_hosts(input, arena, ret);
}
