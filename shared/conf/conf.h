/*
 * Settings: settings.def is the table, struct conf what a program got.
 *
 * Default < file < environment < flags.  The file is named by --config or FAIRLEAD_CONFIG and holds
 * `name = value` lines and `#` comment lines.  Every problem of every source is found in one run,
 * each with where it is.  Secrets come from the environment, from a file line or from a file of
 * their own (FAIRLEAD_<NAME>_FILE, `name_file = path`, --name_file=path), never from a flag, which
 * everybody on the host can read; they are never printed.
 *
 * Only a program's app.c reads struct conf; modules get option structs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct arena;
struct buf;

/* MS: milliseconds. ENUM: index of the word. Strings are never NULL and live until conf_fini(). */
struct conf {
#define GROUP(title)
#define CONF_FIELD_U32                           uint32_t
#define CONF_FIELD_MS                            uint64_t
#define CONF_FIELD_BYTES                         uint64_t
#define CONF_FIELD_BOOL                          bool
#define CONF_FIELD_ENUM                          unsigned
#define CONF_FIELD_STRING                        const char *
#define CONF_FIELD_SECRET                        const char *
#define X(name, type, def, min, max, when, help) CONF_FIELD_##type name;
#include "conf/settings.def"
#undef X
#undef GROUP
	struct arena *arena; /* the strings */
};

struct conf_source {
	const char *program; /* for messages */
	int argc;
	char *const *argv; /* argv[0] is skipped */
	char *const *envp;
	const char *const
		*required; /* file keys that must not be empty, ends with NULL; may be NULL */
};

enum conf_outcome { CONF_READY, CONF_HELP, CONF_VERSION, CONF_BAD };

/* Fills *conf (conf_fini() in every case). `problems` gets one line each, `notes` what is odd but
 * harmless: unknown FAIRLEAD_ variables. A stand-alone --help or --version wins over problems. */
enum conf_outcome conf_load(struct conf *conf, const struct conf_source *source,
                            struct buf *problems, struct buf *notes) MUST_CHECK;
void conf_fini(struct conf *conf);

/* For main(): as conf_load(), but prints help, version or problems and exits with 0 or 2. */
void conf_load_or_exit(struct conf *conf, const struct conf_source *source);

/* For SIGHUP: reads everything again and takes over the settings that may change while running.
 * Nothing changes if there is a problem. `notes` names the changed settings that need a restart. */
enum err_code conf_reload(struct conf *conf, const struct conf_source *source, struct buf *problems,
                          struct buf *notes) MUST_CHECK;

void conf_help(struct buf *out, const char *program);
void conf_document(struct buf *out); /* docs/configuration.md */
