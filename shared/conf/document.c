/* --help and docs/configuration.md, from the table. */
#include <string.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "conf/table.h"

/* The table as it is read: titles between settings. */
static const struct conf_row {
	const char *title; /* NULL: a setting */
	size_t id;
} conf_rows[] = {
#define GROUP(title)                             { title, 0 },
#define X(name, type, def, min, max, when, help) { NULL, CONF_ID_##name },
#include "conf/settings.def"
#undef X
#undef GROUP
};

static const char *type_name(enum conf_type type)
{
	switch (type) {
	case CONF_U32: return "number";
	case CONF_MS: return "time";
	case CONF_BYTES: return "size";
	case CONF_BOOL: return "true or false";
	case CONF_ENUM: return "word";
	case CONF_STRING: return "text";
	case CONF_SECRET: break;
	}
	return "secret";
}

static void add_bounds(struct buf *out, const struct conf_setting *setting)
{
	switch (setting->type) {
	case CONF_U32:
	case CONF_MS:
	case CONF_BYTES: buf_addf(out, "%s to %s", setting->min, setting->max); break;
	case CONF_BOOL: break;
	case CONF_ENUM: buf_add_cstr(out, setting->min); break;
	case CONF_STRING:
	case CONF_SECRET: buf_addf(out, "at most %s bytes", setting->max); break;
	}
}

static void help_setting(struct buf *out, const struct conf_setting *setting)
{
	buf_addf(out, "  --%s%s=...\n      %s\n      ", conf_file_key(setting).s,
	         setting->type == CONF_SECRET ? "_file" : "", setting->help);
	buf_addf(out, "%s", type_name(setting->type));
	if (setting->type != CONF_BOOL) {
		buf_add_cstr(out, ", ");
		add_bounds(out, setting);
	}
	if (setting->standard[0] != '\0') {
		buf_addf(out, "; default %s", setting->standard);
	}
	buf_addf(out, "; %s\n", conf_env_key(setting).s);
}

void conf_help(struct buf *out, const char *program)
{
	buf_addf(out,
	         "usage: %s [--config=FILE] [--NAME=VALUE]...\n\n"
	         "Settings come from the built-in default, then the file (--config or\n"
	         "FAIRLEAD_CONFIG; lines of name = value), then the environment, then flags; the\n"
	         "last one wins. A secret is never a flag: name the file that holds it.\n\n"
	         "  --config=FILE\n      The configuration file.\n"
	         "  --help, --version\n      Print this, or the version, and stop.\n",
	         program);
	for (size_t i = 0; i < ARRAY_LEN(conf_rows); i++) {
		if (conf_rows[i].title != NULL) {
			buf_addf(out, "\n%s\n", conf_rows[i].title);
		} else {
			help_setting(out, &conf_settings[conf_rows[i].id]);
		}
	}
}

static void document_setting(struct buf *out, const struct conf_setting *setting)
{
	buf_addf(out, "| `%s` | `%s` | %s | ", conf_file_key(setting).s, conf_env_key(setting).s,
	         type_name(setting->type));
	if (setting->standard[0] != '\0') {
		buf_addf(out, "`%s`", setting->standard);
	}
	buf_add_cstr(out, " | ");
	add_bounds(out, setting);
	buf_addf(out, " | %s%s |\n", setting->help,
	         setting->when == CONF_RELOAD ? " *Reload.*" : "");
}

static const char document_intro[] =
	"# Configuration\n\n"
	"<!-- Made from shared/conf/settings.def; run tools/docs-update to renew it. -->\n\n"
	"All programs share one table of settings and ignore those that do not concern them. "
	"A setting can be given in four ways; a later one wins:\n\n"
	"1. the default below,\n"
	"2. the file named by `--config=FILE` or `FAIRLEAD_CONFIG`: lines of `name = value`, and "
	"comment lines that begin with `#`,\n"
	"3. the environment variable,\n"
	"4. the flag `--name=value`, with the same name as in the file.\n\n"
	"A program reports everything that is wrong in one run, each problem with its file and "
	"line, "
	"variable or flag, and exits with 2. An unknown name in the file or a flag is a problem; "
	"an unknown `FAIRLEAD_` variable is mentioned and ignored, because container platforms set "
	"some of their own.\n\n"
	"Times are written `500ms`, `5s`, `2m` or `1h`; sizes `4096`, `64KiB`, `16MiB` or `1GiB`. "
	"A *secret* is never printed and never a flag. Instead of the value, a file that holds it "
	"can be named: `FAIRLEAD_PEPPER_FILE=/run/secrets/pepper`, `pepper_file = ...` in the "
	"file, or `--pepper_file=...`; a newline at its end is ignored.\n\n"
	"SIGHUP makes a program read its file again. Settings marked *Reload* change at once; for "
	"the others "
	"the change is logged and waits for the next start.\n";

void conf_document(struct buf *out)
{
	buf_add_cstr(out, document_intro);
	for (size_t i = 0; i < ARRAY_LEN(conf_rows); i++) {
		if (conf_rows[i].title != NULL) {
			buf_addf(out,
			         "\n## %s\n\n| Name | Variable | Type | Default | Bounds | Meaning "
			         "|\n"
			         "|---|---|---|---|---|---|\n",
			         conf_rows[i].title);
		} else {
			document_setting(out, &conf_settings[conf_rows[i].id]);
		}
	}
}
