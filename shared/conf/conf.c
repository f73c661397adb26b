#include "conf/conf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "conf/table.h"
#include "conf/value.h"

enum { CONF_FILE_MAX = 256 * 1024, CONF_TEXT_MAX = 64 * 1024, CONF_EXIT_BAD = 2 };

/* One run of conf_load(). */
struct reading {
	struct conf *conf;
	struct buf *problems;
	struct buf *notes;
	const char *config_path;
	bool in_file[CONF_SETTING_COUNT]; /* set by the configuration file */
	bool in_flag[CONF_SETTING_COUNT]; /* set by a flag */
	bool bad[CONF_SETTING_COUNT];     /* already reported */
};

/* ---- one value ---- */

static void take_value(struct reading *r, size_t id, const char *where, struct str text)
{
	const struct conf_setting *setting = &conf_settings[id];
	struct err err;

	if (conf_store(r->conf, setting, text, &err) == ERR_OK) {
		return;
	}
	r->bad[id] = true;
	if (setting->type == CONF_SECRET) {
		buf_addf(r->problems, "%s: %s\n", where, err.msg);
	} else {
		buf_addf(r->problems, "%s: \"%.*s\" %s\n", where, text.n < 80 ? (int)text.n : 80,
		         text.p, err.msg);
	}
}

/* The first CONF_FILE_MAX bytes are all there may be. */
static bool read_file(const char *path, struct buf *out, struct err *err)
{
	FILE *file = fopen(path, "re");
	char chunk[4096];
	size_t n;
	bool failed;

	if (file == NULL) {
		return err_set(err, ERR_INVALID, "%s", strerror(errno)) == ERR_OK;
	}
	while (!buf_failed(out) && (n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
		buf_add(out, chunk, n);
	}
	failed = ferror(file) != 0;
	(void)fclose(file);
	if (failed) {
		return err_set(err, ERR_INVALID, "%s", strerror(EIO)) == ERR_OK;
	}
	if (buf_failed(out)) {
		return err_set(err, ERR_INVALID, "is larger than %d bytes", (int)out->cap) ==
		       ERR_OK;
	}
	return true;
}

/* A secret in a file of its own; the newline that editors add is not part of it. */
static void take_secret_file(struct reading *r, size_t id, const char *where, struct str path)
{
	char *name = arena_strdup(r->conf->arena, path);
	struct buf text;
	struct err err;

	buf_init(&text, CONF_TEXT_MAX);
	if (read_file(name, &text, &err)) {
		struct str secret = buf_str(&text);

		while (secret.n > 0 &&
		       (secret.p[secret.n - 1] == '\n' || secret.p[secret.n - 1] == '\r')) {
			secret.n--;
		}
		take_value(r, id, where, secret);
	} else {
		r->bad[id] = true;
		buf_addf(r->problems, "%s: %s: %s\n", where, name, err.msg);
	}
	buf_fini(&text);
}

/* The setting that a file line or a flag names; *ret_path: it names the file of a secret. */
static size_t find_key(struct str key, bool *ret_path)
{
	for (size_t id = 0; id < CONF_SETTING_COUNT; id++) {
		struct conf_key name = conf_file_key(&conf_settings[id]);
		struct str bare = key;

		*ret_path = false;
		if (str_eq(key, str_of(name.s))) {
			return id;
		}
		if (conf_settings[id].type == CONF_SECRET && str_ends(key, STR_LIT("_file"))) {
			bare.n -= strlen("_file");
			*ret_path = true;
			if (str_eq(bare, str_of(name.s))) {
				return id;
			}
		}
	}
	return CONF_SETTING_COUNT;
}

/* ---- file ---- */

static void take_line(struct reading *r, const char *where, struct str line)
{
	struct str value = line;
	struct str key;
	bool path;
	size_t id;

	line = str_trim(line);
	if (line.n == 0 || line.p[0] == '#') {
		return;
	}
	value = line;
	key = str_trim(str_split(&value, '='));
	if (value.p == NULL) {
		buf_addf(r->problems, "%s: must be \"name = value\"\n", where);
		return;
	}
	id = find_key(key, &path);
	if (id == CONF_SETTING_COUNT) {
		buf_addf(r->problems, "%s: unknown setting \"%" STR_FMT "\"\n", where,
		         STR_ARG(key));
		return;
	}
	if (r->in_file[id]) {
		buf_addf(r->problems, "%s: %s is set twice\n", where,
		         conf_file_key(&conf_settings[id]).s);
		return;
	}
	r->in_file[id] = true;
	value = str_trim(value);
	if (path) {
		take_secret_file(r, id, where, value);
	} else {
		take_value(r, id, where, value);
	}
}

static void take_file(struct reading *r)
{
	struct buf text;
	struct err err;
	struct str rest;

	if (r->config_path == NULL || r->config_path[0] == '\0') {
		return;
	}
	buf_init(&text, CONF_FILE_MAX);
	if (!read_file(r->config_path, &text, &err)) {
		buf_addf(r->problems, "%s: %s\n", r->config_path, err.msg);
	} else if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL) {
		buf_addf(r->problems, "%s: is not a text file\n", r->config_path);
	} else {
		rest = buf_str(&text);
		for (unsigned line = 1; rest.p != NULL && rest.n > 0; line++) {
			char where[512];

			(void)snprintf(where, sizeof(where), "%s:%u", r->config_path, line);
			take_line(r, where, str_split(&rest, '\n'));
		}
	}
	buf_fini(&text);
}

/* ---- environment ---- */

static const char *env_value(char *const *envp, const char *name)
{
	size_t n = strlen(name);

	for (; *envp != NULL; envp++) {
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=') {
			return *envp + n + 1;
		}
	}
	return NULL;
}

static void take_env(struct reading *r, char *const *envp)
{
	for (size_t id = 0; id < CONF_SETTING_COUNT; id++) {
		struct conf_key name = conf_env_key(&conf_settings[id]);
		const char *text = env_value(envp, name.s);
		char path_name[CONF_KEY_MAX + sizeof("_FILE")];
		const char *path = NULL;

		if (conf_settings[id].type == CONF_SECRET) {
			(void)snprintf(path_name, sizeof(path_name), "%s_FILE", name.s);
			path = env_value(envp, path_name);
		}
		if (text != NULL && path != NULL) {
			r->bad[id] = true;
			buf_addf(r->problems, "%s: must not be set together with %s\n", name.s,
			         path_name);
		} else if (path != NULL) {
			take_secret_file(r, id, path_name, str_of(path));
		} else if (text != NULL) {
			take_value(r, id, name.s, str_of(text));
		}
	}
}

static bool known_env(struct str name)
{
	/* Not settings of the daemons: the file's name, and what the command-line client reads. */
	static const char *const others[] = { "FAIRLEAD_CONFIG", "FAIRLEAD_KEY", "FAIRLEAD_URL" };

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (str_eq(name, str_of(others[i]))) {
			return true;
		}
	}
	for (size_t id = 0; id < CONF_SETTING_COUNT; id++) {
		struct conf_key key = conf_env_key(&conf_settings[id]);
		struct str bare = name;

		if (conf_settings[id].type == CONF_SECRET && str_ends(name, STR_LIT("_FILE"))) {
			bare.n -= strlen("_FILE");
		}
		if (str_eq(bare, str_of(key.s)) || str_eq(name, str_of(key.s))) {
			return true;
		}
	}
	return false;
}

/* Not a problem: container platforms put names of services there (FAIRLEAD_API_SERVICE_HOST). */
static void note_unknown_env(struct reading *r, char *const *envp)
{
	for (; *envp != NULL; envp++) {
		struct str rest = str_of(*envp);
		struct str name = str_split(&rest, '=');

		if (str_starts(name, STR_LIT("FAIRLEAD_")) && !known_env(name)) {
			buf_addf(r->notes, "%" STR_FMT ": unknown setting, ignored\n",
			         STR_ARG(name));
		}
	}
}

/* ---- flags ---- */

static void take_flag(struct reading *r, const char *arg)
{
	struct str value = str_of(arg + 2);
	struct str key = str_split(&value, '=');
	char where[CONF_KEY_MAX + 16];
	bool path;
	size_t id = find_key(key, &path);

	if (id == CONF_SETTING_COUNT) {
		buf_addf(r->problems, "--%.*s: unknown flag\n", key.n < 80 ? (int)key.n : 80,
		         key.p);
		return;
	}
	(void)snprintf(where, sizeof(where), "--%" STR_FMT, STR_ARG(key));
	if (value.p == NULL) {
		r->bad[id] = true;
		buf_addf(r->problems, "%s: needs a value, %s=...\n", where, where);
	} else if (r->in_flag[id]) {
		buf_addf(r->problems, "%s: is set twice\n", where);
	} else if (conf_settings[id].type == CONF_SECRET && !path) {
		r->bad[id] = true;
		buf_addf(r->problems, "%s: a secret cannot be a flag; use %s or --%s_file=PATH\n",
		         where, conf_env_key(&conf_settings[id]).s,
		         conf_file_key(&conf_settings[id]).s);
	} else if (path) {
		take_secret_file(r, id, where, value);
	} else {
		take_value(r, id, where, value);
	}
	r->in_flag[id] = true;
}

static void take_flags(struct reading *r, const struct conf_source *source)
{
	for (int i = 1; i < source->argc; i++) {
		const char *arg = source->argv[i];

		if (strncmp(arg, "--config=", strlen("--config=")) == 0) {
			continue; /* already used */
		}
		if (strncmp(arg, "--", 2) == 0 && arg[2] != '\0') {
			take_flag(r, arg);
		} else {
			buf_addf(r->problems, "%.80s: unexpected argument\n", arg);
		}
	}
}

/* ---- all of it ---- */

static void check_required(struct reading *r, const char *const *required)
{
	for (; required != NULL && *required != NULL; required++) {
		bool path;
		size_t id = find_key(str_of(*required), &path);

		assert(id < CONF_SETTING_COUNT && !path);
		assert(conf_settings[id].type == CONF_STRING ||
		       conf_settings[id].type == CONF_SECRET);
		if (!r->bad[id] &&
		    (*(const char **)conf_field(r->conf, &conf_settings[id]))[0] == '\0') {
			buf_addf(r->problems, "%s: is required; set %s\n", *required,
			         conf_env_key(&conf_settings[id]).s);
		}
	}
}

/* What no single row can say. */
static void check_together(struct reading *r)
{
	const struct conf *conf = r->conf;

	if (conf->session_unarchived_max > conf->tenant_unarchived_max &&
	    !r->bad[CONF_ID_session_unarchived_max] && !r->bad[CONF_ID_tenant_unarchived_max]) {
		buf_add_cstr(r->problems,
		             "session.unarchived_max: must not be above tenant.unarchived_max\n");
	}
}

static void take_defaults(struct conf *conf)
{
	struct err err;

	for (size_t id = 0; id < CONF_SETTING_COUNT; id++) {
		const struct conf_setting *setting = &conf_settings[id];
		enum err_code code = conf_store(conf, setting, str_of(setting->standard), &err);

		assert(code == ERR_OK && "settings.def: a default breaks its own rule");
		(void)code;
	}
}

static enum conf_outcome asks_for(const struct conf_source *source)
{
	for (int i = 1; i < source->argc; i++) {
		if (strcmp(source->argv[i], "--help") == 0 || strcmp(source->argv[i], "-h") == 0) {
			return CONF_HELP;
		}
		if (strcmp(source->argv[i], "--version") == 0) {
			return CONF_VERSION;
		}
	}
	return CONF_READY;
}

static const char *config_path(const struct conf_source *source)
{
	const char *path = env_value(source->envp, "FAIRLEAD_CONFIG");

	for (int i = 1; i < source->argc; i++) {
		if (strncmp(source->argv[i], "--config=", strlen("--config=")) == 0) {
			path = source->argv[i] + strlen("--config=");
		}
	}
	return path;
}

enum conf_outcome conf_load(struct conf *conf, const struct conf_source *source,
                            struct buf *problems, struct buf *notes)
{
	struct reading r = { .conf = conf, .problems = problems, .notes = notes };
	enum conf_outcome asked = asks_for(source);

	*conf = (struct conf){ .arena = arena_new() };
	take_defaults(conf);
	if (asked != CONF_READY) {
		return asked;
	}
	r.config_path = config_path(source);
	take_file(&r);
	take_env(&r, source->envp);
	note_unknown_env(&r, source->envp);
	take_flags(&r, source);
	check_required(&r, source->required);
	check_together(&r);
	return problems->len > 0 || buf_failed(problems) ? CONF_BAD : CONF_READY;
}

void conf_fini(struct conf *conf)
{
	if (conf->arena != NULL) {
		arena_free(conf->arena);
	}
	*conf = (struct conf){ 0 };
}

static void print_lines(const char *program, struct str lines)
{
	while (lines.n > 0) {
		struct str line = str_split(&lines, '\n');

		(void)fprintf(stderr, "%s: %" STR_FMT "\n", program, STR_ARG(line));
	}
}

void conf_load_or_exit(struct conf *conf, const struct conf_source *source)
{
	struct buf problems;
	struct buf notes;
	enum conf_outcome outcome;

	buf_init(&problems, CONF_TEXT_MAX);
	buf_init(&notes, CONF_TEXT_MAX);
	outcome = conf_load(conf, source, &problems, &notes);
	print_lines(source->program, buf_str(&notes));
	print_lines(source->program, buf_str(&problems));
	if (outcome == CONF_HELP) {
		buf_reset(&notes);
		conf_help(&notes, source->program);
		(void)fputs(buf_cstr(&notes), stdout);
	} else if (outcome == CONF_VERSION) {
		(void)printf("%s " FAIRLEAD_VERSION "\n", source->program);
	}
	buf_fini(&problems);
	buf_fini(&notes);
	if (outcome != CONF_READY) {
		conf_fini(conf);
		exit(outcome == CONF_BAD ? CONF_EXIT_BAD : EXIT_SUCCESS);
	}
}

/* ---- reload ---- */

static bool same(struct conf *a, struct conf *b, const struct conf_setting *setting)
{
	const void *x = conf_field(a, setting);
	const void *y = conf_field(b, setting);

	switch (setting->type) {
	case CONF_U32: return *(const uint32_t *)x == *(const uint32_t *)y;
	case CONF_MS:
	case CONF_BYTES: return *(const uint64_t *)x == *(const uint64_t *)y;
	case CONF_BOOL: return *(const bool *)x == *(const bool *)y;
	case CONF_ENUM: return *(const unsigned *)x == *(const unsigned *)y;
	case CONF_STRING:
	case CONF_SECRET: break;
	}
	return strcmp(*(const char *const *)x, *(const char *const *)y) == 0;
}

static void take_over(struct conf *conf, struct conf *fresh, const struct conf_setting *setting)
{
	void *to = conf_field(conf, setting);
	const void *from = conf_field(fresh, setting);

	switch (setting->type) {
	case CONF_U32: *(uint32_t *)to = *(const uint32_t *)from; break;
	case CONF_MS:
	case CONF_BYTES: *(uint64_t *)to = *(const uint64_t *)from; break;
	case CONF_BOOL: *(bool *)to = *(const bool *)from; break;
	case CONF_ENUM: *(unsigned *)to = *(const unsigned *)from; break;
	case CONF_STRING:
	case CONF_SECRET:
		/* the old text stays: a module may still look at it */
		*(const char **)to = arena_strdup(conf->arena, str_of(*(const char *const *)from));
		break;
	}
}

enum err_code conf_reload(struct conf *conf, const struct conf_source *source, struct buf *problems,
                          struct buf *notes)
{
	struct conf fresh;
	enum conf_outcome outcome = conf_load(&fresh, source, problems, notes);

	for (size_t id = 0; outcome == CONF_READY && id < CONF_SETTING_COUNT; id++) {
		const struct conf_setting *setting = &conf_settings[id];

		if (same(conf, &fresh, setting)) {
			continue;
		}
		if (setting->when == CONF_RELOAD) {
			take_over(conf, &fresh, setting);
		} else {
			buf_addf(notes, "%s: changed, takes effect at the next start\n",
			         conf_file_key(setting).s);
		}
	}
	conf_fini(&fresh);
	return outcome == CONF_READY ? ERR_OK : ERR_INVALID;
}
