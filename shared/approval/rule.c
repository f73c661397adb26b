#include "approval/rule.h"

#include <string.h>

#include "approval/glob.h"
#include "approval/words.h"
#include "json/value.h"
#include "json/write.h"

/* ---- flaws ---- */

static bool has_controls(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c < ' ' || c == 0x7f) {
			return true;
		}
	}
	return !str_is_utf8(text);
}

static const char *tool_flaw(struct str tool)
{
	const char *star = tool.n > 0 ? memchr(tool.p, '*', tool.n) : NULL;

	return star != NULL && (tool.n == 1 || star != tool.p + tool.n - 1)
	               ? "may have one * as its end, behind something"
	               : NULL;
}

static const char *command_flaw(struct str command)
{
	struct str trimmed = str_trim(command);

	return command.n > 0 && (trimmed.n != command.n || !approval_line_is_plain(command))
	               ? "must be words of letters, digits and _-./:,@%+=, with spaces between them"
	               : NULL;
}

static const char *path_flaw(struct str path)
{
	char shortest[APPROVAL_PATTERN_MAX + 1];

	if (path.n == 0) {
		return NULL;
	}
	return path.p[0] == '/' ||
	                       !approval_path_below(STR_LIT(""), path, shortest,
	                                            sizeof(shortest)) ||
	                       !str_eq(str_of(shortest), path)
	               ? "must be below the workspace: relative, without . and .. and double "
	                 "slashes"
	               : NULL;
}

static bool is_host(struct str host)
{
	bool dot = true;

	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
		      (c == '.' && !dot))) {
			return false;
		}
		dot = c == '.';
	}
	return host.n > 0 && !dot;
}

static const char *host_flaw(struct str host)
{
	struct str name = str_starts(host, STR_LIT("*.")) ? str_make(host.p + 2, host.n - 2) : host;

	return host.n > 0 && !is_host(name)
	               ? "must be a host's name in lower case, with or without "
	                 "*. in front of it"
	               : NULL;
}

const char *approval_rule_flaw(const struct approval_rule *rule, const char **ret_field)
{
	const struct {
		const char *name;
		struct str text;
		size_t max;
		const char *(*flaw)(struct str text);
	} parts[] = {
		{ "tool", rule->tool, APPROVAL_TOOL_MAX, tool_flaw },
		{ "command", rule->command, APPROVAL_PATTERN_MAX, command_flaw },
		{ "path", rule->path, APPROVAL_PATTERN_MAX, path_flaw },
		{ "host", rule->host, APPROVAL_PATTERN_MAX, host_flaw },
	};
	size_t given = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const char *flaw = NULL;

		*ret_field = parts[i].name;
		if (parts[i].text.n > parts[i].max) {
			flaw = "is too long";
		} else if (has_controls(parts[i].text)) {
			flaw = "must have no control characters";
		} else {
			flaw = parts[i].flaw(parts[i].text);
		}
		if (flaw != NULL) {
			return flaw;
		}
		given += parts[i].text.n > 0;
	}
	*ret_field = "tool";
	return given > 0 ? NULL : "is required, or command, path or host";
}

/* ---- fitting ---- */

bool approval_rule_concerns(const struct approval_rule *rule, struct str project, struct str user)
{
	return (rule->project.n == 0 || str_eq(rule->project, project)) &&
	       (rule->user.n == 0 || str_eq(rule->user, user));
}

static bool tool_fits(struct str wanted, struct str tool)
{
	if (wanted.n == 0) {
		return true;
	}
	return wanted.p[wanted.n - 1] == '*' ? str_starts(tool, str_make(wanted.p, wanted.n - 1))
	                                     : str_eq(wanted, tool);
}

static bool has_command(const struct approval_question *q)
{
	return q->line.n > 0 || q->word_count > 0 || q->odd_command;
}

static bool command_is(const struct approval_question *q, struct str prefix)
{
	struct str inside = q->line;
	bool shell = false;

	if (q->odd_command || !has_command(q)) {
		return false;
	}
	if (q->word_count > 0 && !approval_words_inside(q->words, q->word_count, &inside, &shell)) {
		return approval_words_begin(q->words, q->word_count, prefix);
	}
	if (q->word_count == 0 && approval_line_is_plain(inside)) {
		return approval_line_begins(inside, prefix);
	}
	return (q->word_count > 0 || approval_line_inside(q->line, &inside)) &&
	       approval_line_is_plain(inside) && approval_line_begins(inside, prefix);
}

static bool command_has(const struct approval_question *q, struct str prefix)
{
	struct str inside;
	bool shell;

	if (q->word_count == 0) {
		return approval_line_has(q->line, prefix) ||
		       (approval_line_inside(q->line, &inside) &&
		        approval_line_has(inside, prefix));
	}
	return approval_words_begin(q->words, q->word_count, prefix) ||
	       (approval_words_inside(q->words, q->word_count, &inside, &shell) &&
	        approval_line_has(inside, prefix));
}

static bool path_fits(const struct approval_question *q, struct str pattern, struct str path)
{
	char below[APPROVAL_PATH_MAX + 1];

	return approval_path_below(q->workspace, path, below, sizeof(below)) &&
	       approval_glob_fits(pattern, str_of(below));
}

static bool host_fits(struct str wanted, struct str host)
{
	if (str_starts(wanted, STR_LIT("*."))) {
		struct str tail = str_make(wanted.p + 1, wanted.n - 1);

		return host.n > tail.n && str_ends(host, tail);
	}
	return str_eq(wanted, host);
}

/* All of them, and there is one: for allowing; or any: for denying. */
static bool paths_fit(const struct approval_rule *rule, const struct approval_question *q)
{
	size_t fitting = 0;

	for (size_t i = 0; i < q->path_count; i++) {
		fitting += path_fits(q, rule->path, q->paths[i]);
	}
	return rule->allow ? !q->odd_path && fitting > 0 && fitting == q->path_count : fitting > 0;
}

static bool hosts_fit(const struct approval_rule *rule, const struct approval_question *q)
{
	size_t fitting = 0;

	for (size_t i = 0; i < q->host_count; i++) {
		fitting += host_fits(rule->host, q->hosts[i]);
	}
	return rule->allow ? !q->odd_host && fitting > 0 && fitting == q->host_count : fitting > 0;
}

/* One that allows a part of what is asked would allow the rest with it. */
static bool covers(const struct approval_rule *rule, const struct approval_question *q)
{
	bool whole_tool =
		rule->tool.n > 0 && rule->command.n == 0 && rule->path.n == 0 && rule->host.n == 0;

	return whole_tool || ((rule->command.n > 0 || !has_command(q)) &&
	                      (rule->path.n > 0 || (q->path_count == 0 && !q->odd_path)) &&
	                      (rule->host.n > 0 || (q->host_count == 0 && !q->odd_host)));
}

bool approval_rule_fits(const struct approval_rule *rule, const struct approval_question *q)
{
	const char *field;

	if (approval_rule_flaw(rule, &field) != NULL || !tool_fits(rule->tool, q->tool)) {
		return false;
	}
	if (rule->command.n > 0 &&
	    !(rule->allow ? command_is(q, rule->command) : command_has(q, rule->command))) {
		return false;
	}
	return (rule->path.n == 0 || paths_fit(rule, q)) &&
	       (rule->host.n == 0 || hosts_fit(rule, q)) && (!rule->allow || covers(rule, q));
}

const struct approval_rule *approval_decide(const struct approval_rule *rules, size_t count,
                                            const struct approval_question *question)
{
	const struct approval_rule *allowing = NULL;

	for (size_t i = 0; i < count; i++) {
		bool counts = !rules[i].allow || allowing == NULL;

		if (counts && approval_rule_fits(&rules[i], question)) {
			if (!rules[i].allow) {
				return &rules[i];
			}
			allowing = &rules[i];
		}
	}
	return allowing;
}

/* ---- always ---- */

static struct str joined(const struct approval_question *q, struct arena *arena)
{
	struct str inside = q->line;
	const char *all = "";
	bool shell;

	if (q->word_count == 0) {
		if (!approval_line_is_plain(q->line)) {
			(void)approval_line_inside(q->line, &inside);
		}
		return arena_str(arena, str_trim(inside));
	}
	if (approval_words_inside(q->words, q->word_count, &inside, &shell)) {
		return arena_str(arena, str_trim(inside));
	}
	for (size_t i = 0; i < q->word_count; i++) {
		all = arena_printf(arena, "%s%s%" STR_FMT, all, i > 0 ? " " : "",
		                   STR_ARG(q->words[i]));
	}
	return str_of(all);
}

/* The names of files are taken as they are: one with the letters of patterns cannot be said. */
static enum err_code suggest_path(const struct approval_question *q, struct arena *arena,
                                  struct approval_rule *rule, struct err *err)
{
	char below[APPROVAL_PATTERN_MAX + 1];

	if (q->path_count != 1 || q->odd_path) {
		return err_set(err, ERR_INVALID, "it is about more than one file");
	}
	if (!approval_path_below(q->workspace, q->paths[0], below, sizeof(below)) ||
	    below[0] == '\0' || strpbrk(below, "*?") != NULL) {
		return err_set(err, ERR_INVALID,
		               "its file is not below the workspace, or has * or ? "
		               "in its name");
	}
	rule->path = arena_str(arena, str_of(below));
	return ERR_OK;
}

static enum err_code suggest(const struct approval_question *q, struct arena *arena,
                             struct approval_rule *rule, struct err *err)
{
	if (has_command(q)) {
		rule->command = joined(q, arena);
		if (q->odd_command || rule->command.n == 0 ||
		    !approval_line_is_plain(rule->command)) {
			return err_set(err, ERR_INVALID,
			               "its command has letters that a shell reads something into");
		}
	}
	if (q->host_count > 1 || q->odd_host) {
		return err_set(err, ERR_INVALID, "it is about more than one host");
	}
	if (q->host_count == 1) {
		rule->host = arena_str(arena, q->hosts[0]);
	}
	return q->path_count > 0 || q->odd_path ? suggest_path(q, arena, rule, err) : ERR_OK;
}

enum err_code approval_rule_suggest(const struct approval_question *question, bool allow,
                                    struct arena *arena, struct approval_rule *ret, struct err *err)
{
	struct approval_rule rule = { .allow = allow, .tool = arena_str(arena, question->tool) };
	const char *field, *flaw;
	enum err_code code = ERR_OK;

	if (question->tool.n == 0) {
		return err_set(err, ERR_INVALID, "it names no tool");
	}
	code = suggest(question, arena, &rule, err);
	if (code != ERR_OK) {
		return code;
	}
	flaw = approval_rule_flaw(&rule, &field);
	if (flaw != NULL) {
		return err_set(err, ERR_INVALID, "its %s %s", field, flaw);
	}
	*ret = rule;
	return ERR_OK;
}

/* ---- as JSON ---- */

static void write_given(struct jsonw *w, const char *name, struct str text)
{
	if (text.n > 0) {
		jsonw_str(w, name, text);
	}
}

void approval_rule_write(struct jsonw *w, const struct approval_rule *rule)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", rule->id.s);
	jsonw_cstr(w, "behavior", rule->allow ? "allow" : "deny");
	write_given(w, "project", rule->project);
	write_given(w, "user", rule->user);
	write_given(w, "tool", rule->tool);
	write_given(w, "command", rule->command);
	write_given(w, "path", rule->path);
	write_given(w, "host", rule->host);
	jsonw_end_object(w);
}

bool approval_rule_read(const struct json_value *json, struct approval_rule *ret)
{
	struct str behavior = json_as_str(json_get(json, "behavior"));
	const char *field;

	*ret = (struct approval_rule){
		.allow = str_eq(behavior, STR_LIT("allow")),
		.project = json_as_str(json_get(json, "project")),
		.user = json_as_str(json_get(json, "user")),
		.tool = json_as_str(json_get(json, "tool")),
		.command = json_as_str(json_get(json, "command")),
		.path = json_as_str(json_get(json, "path")),
		.host = json_as_str(json_get(json, "host")),
	};
	return id_parse(json_as_str(json_get(json, "id")), &ret->id) &&
	       (ret->allow || str_eq(behavior, STR_LIT("deny"))) &&
	       approval_rule_flaw(ret, &field) == NULL;
}
