#include "cli/verb.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/command.h"

enum {
	USAGE_WIDTH = 96,
	USAGE_MAX = 256 * 1024,
	ANSWER_MAX = 16,
	FIRST_OPTION = 256 /* beyond '?' */,
	HELP_OPTION = 255
};

static const struct {
	const char *name, *value;
	uint64_t most;
	const char *help;
} options[OPTION_COUNT] = {
#define X(id, name, value, most, help) [OPTION_##id] = { name, value, most, help },
#include "cli/option.def"
#undef X
};

/* ---- what is said of them ---- */

static void add_option(struct buf *out, enum option_id option)
{
	buf_addf(out, "[--%s%s%s]", options[option].name, options[option].value != NULL ? " " : "",
	         options[option].value != NULL ? options[option].value : "");
}

static void add_call(struct buf *out, const struct verb_group *group, const struct verb *verb)
{
	buf_addf(out, "fairlead %s%s%s%s%s", group->command, group->name != NULL ? " " : "",
	         group->name != NULL ? group->name : "", verb->name != NULL ? " " : "",
	         verb->name != NULL ? verb->name : "");
	if (verb->words != NULL) {
		buf_addf(out, " %s", verb->words);
	}
}

static void add_usage(struct buf *out, const struct verb_group *group, const struct verb *verb)
{
	static const char lead[] = "       ";
	struct buf piece;
	size_t line = out->len, indent;

	add_call(out, group, verb);
	indent = sizeof(lead) + strlen("fairlead ") + strlen(group->command);
	for (const enum option_id *o = verb->options; *o != OPTION_NONE; o++) {
		buf_init(&piece, USAGE_MAX);
		add_option(&piece, *o);
		if (sizeof(lead) + out->len - line + piece.len > USAGE_WIDTH) {
			buf_addf(out, "\n%*s", (int)indent, "");
			line = out->len - indent + sizeof(lead);
		}
		buf_addf(out, " %s", buf_cstr(&piece));
		buf_fini(&piece);
	}
	buf_add_char(out, '\n');
}

static bool is_of(const struct verb_group *group, const char *command, const char *name)
{
	return strcmp(group->command, command) == 0 &&
	       (name == NULL || (group->name != NULL && strcmp(group->name, name) == 0));
}

/* name NULL: of all its groups. */
static void add_usages(struct buf *out, const char *command, const char *name)
{
	const char *lead = "usage: ";

	for (const struct verb_group *const *g = verb_groups; *g != NULL; g++) {
		for (size_t i = 0; is_of(*g, command, name) && i < (*g)->count; i++) {
			buf_add_cstr(out, lead);
			lead = "       ";
			add_usage(out, *g, &(*g)->verbs[i]);
		}
	}
	for (const struct verb_group *const *g = verb_groups; *g != NULL; g++) {
		if (is_of(*g, command, name) && (name != NULL || (*g)->name == NULL)) {
			if ((*g)->notes != NULL) {
				buf_addf(out, "\n%s", (*g)->notes);
			}
			if ((*g)->more != NULL) {
				(*g)->more(out);
			}
		}
	}
	if (name == NULL && strcmp(command, "admin") == 0) {
		buf_add_cstr(out, "\nfairlead admin NOUN --help says more of each.\n");
	}
}

static int usage(FILE *to, const char *command, const char *name, int status)
{
	struct buf out;

	buf_init(&out, USAGE_MAX);
	add_usages(&out, command, name);
	(void)fputs(buf_cstr(&out), to);
	buf_fini(&out);
	return status;
}

static void show_help(const struct verb_group *group, const struct verb *verb)
{
	struct buf out;

	buf_init(&out, USAGE_MAX);
	buf_add_cstr(&out, "usage: ");
	add_usage(&out, group, verb);
	buf_addf(&out, "\n%s\n\n", verb->help);
	for (const enum option_id *o = verb->options; *o != OPTION_NONE; o++) {
		struct buf piece;

		buf_init(&piece, USAGE_MAX);
		buf_addf(&piece, "--%s%s%s", options[*o].name, options[*o].value != NULL ? " " : "",
		         options[*o].value != NULL ? options[*o].value : "");
		buf_addf(&out, "  %-32s %s\n", buf_cstr(&piece), options[*o].help);
		buf_fini(&piece);
	}
	if (group->notes != NULL) {
		buf_addf(&out, "\n%s", group->notes);
	}
	if (group->more != NULL) {
		group->more(&out);
	}
	(void)fputs(buf_cstr(&out), stdout);
	buf_fini(&out);
}

/* ---- calls ---- */

const char *call_text(const struct call *call, enum option_id option)
{
	const struct said *said = &call->said[option];

	return said->count > 0 ? said->values[said->count - 1] : NULL;
}

int call_misused(const struct call *call)
{
	struct buf out;

	buf_init(&out, USAGE_MAX);
	buf_add_cstr(&out, "usage: ");
	add_usage(&out, call->group, call->verb);
	(void)fputs(buf_cstr(&out), stderr);
	buf_fini(&out);
	return EXIT_USAGE;
}

bool call_either(const struct call *call, enum option_id a, enum option_id b)
{
	if (a != b && call_has(call, a) && call_has(call, b)) {
		(void)fprintf(stderr, "fairlead: cannot set --%s and --%s together\n",
		              options[a].name, options[b].name);
		return false;
	}
	return true;
}

static bool take_option(struct call *call, enum option_id option, const char *value)
{
	struct said *said = &call->said[option];

	if (said->count == VERB_SAID_MAX) {
		(void)fprintf(stderr, "fairlead: --%s was said more than %d times\n",
		              options[option].name, VERB_SAID_MAX);
		return false;
	}
	if (options[option].most > 0 &&
	    (!parse_u64(str_of(value), options[option].most, &said->number) || said->number == 0)) {
		(void)fprintf(stderr, "fairlead: --%s must be 1 to %llu\n", options[option].name,
		              (unsigned long long)options[option].most);
		return false;
	}
	said->values[said->count++] = value != NULL ? value : "";
	return true;
}

/* False: a sentence was printed. *ret_help: that was asked for. */
static bool take_options(struct call *call, int argc, char **argv, bool *ret_help)
{
	struct option known[VERB_OPTIONS_MAX + 2] = { { "help", no_argument, NULL, HELP_OPTION } };
	size_t n = 1;
	int c;

	for (const enum option_id *o = call->verb->options; *o != OPTION_NONE; o++) {
		known[n++] = (struct option){ options[*o].name,
			                      options[*o].value != NULL ? required_argument
			                                                : no_argument,
			                      NULL, FIRST_OPTION + (int)*o };
	}
	optind = 1;
	*ret_help = false;
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == HELP_OPTION) {
			*ret_help = true;
			return true;
		}
		if (c == '?' || !take_option(call, (enum option_id)(c - FIRST_OPTION), optarg)) {
			return false;
		}
	}
	call->words = argv + optind;
	call->word_count = argc - optind;
	return true;
}

/* Of verbs with --yes. */
static bool is_sure(const struct call *call)
{
	char answer[ANSWER_MAX] = "";
	struct buf what;
	bool sure = false;

	if (call_has(call, OPTION_YES)) {
		return true;
	}
	if (isatty(STDIN_FILENO) != 1) {
		(void)fprintf(stderr, "fairlead: there is nobody to ask; say --yes\n");
		return false;
	}
	buf_init(&what, USAGE_MAX);
	for (int i = 0; i < call->word_count; i++) {
		buf_addf(&what, " %s", call->words[i]);
	}
	(void)fprintf(stderr, "fairlead: %s %s%s: really? [y/N] ",
	              call->group->name != NULL ? call->group->name : call->group->command,
	              call->verb->name, buf_cstr(&what));
	buf_fini(&what);
	if (fgets(answer, sizeof(answer), stdin) != NULL) {
		sure = strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0;
	}
	if (!sure) {
		(void)fprintf(stderr, "fairlead: nothing was done\n");
	}
	return sure;
}

static bool takes(const struct verb *verb, enum option_id option)
{
	for (const enum option_id *o = verb->options; *o != OPTION_NONE; o++) {
		if (*o == option) {
			return true;
		}
	}
	return false;
}

static int run(const struct verb_group *group, const struct verb *verb, int argc, char **argv)
{
	struct call call = { .group = group, .verb = verb };
	bool help;

	if (!take_options(&call, argc, argv, &help)) {
		return EXIT_USAGE;
	}
	if (help) {
		show_help(group, verb);
		return EXIT_DONE;
	}
	if (call.word_count < verb->least || call.word_count > verb->most) {
		return call_misused(&call);
	}
	if (takes(verb, OPTION_YES) && !is_sure(&call)) {
		return EXIT_USAGE;
	}
	return group->around != NULL ? group->around(&call) : verb->run(&call);
}

/* The command is no more than one verb. */
static bool is_verb(const struct verb_group *group)
{
	return group->verbs[0].name == NULL;
}

static const struct verb *find_verb(const struct verb_group *group, const char *name)
{
	for (size_t i = 0; i < group->count && !is_verb(group); i++) {
		if (strcmp(group->verbs[i].name, name) == 0) {
			return &group->verbs[i];
		}
	}
	return NULL;
}

/* The one of that name, else the one of whose verbs, which follow the command, it is; some such one
 * when it is none's. */
static const struct verb_group *find_group(const char *command, const char *name)
{
	const struct verb_group *found = NULL;

	for (const struct verb_group *const *g = verb_groups; *g != NULL; g++) {
		if (strcmp((*g)->command, command) != 0) {
			continue;
		}
		if ((*g)->name == NULL) {
			if (found == NULL || (name != NULL && find_verb(*g, name) != NULL)) {
				found = *g;
			}
		} else if (name != NULL && strcmp((*g)->name, name) == 0) {
			return *g;
		}
	}
	return found;
}

int verb_main(const char *command, int argc, char **argv)
{
	const struct verb_group *group = find_group(command, argc > 1 ? argv[1] : NULL);
	int before = group != NULL && group->name != NULL ? 2 : 1; /* the words before the verb */
	const struct verb *verb =
		group != NULL && argc > before ? find_verb(group, argv[before]) : NULL;

	if (group != NULL && is_verb(group)) {
		return run(group, &group->verbs[0], argc, argv);
	}
	if (verb != NULL) {
		/* getopt's messages begin with argv[0]. */
		argv[before] = argv[0];
		return run(group, verb, argc - before, argv + before);
	}
	if (argc > 1 && strcmp(argv[argc - 1], "--help") == 0) {
		return usage(stdout, command, group != NULL ? group->name : NULL, EXIT_DONE);
	}
	if (argc > before) {
		(void)fprintf(stderr, "fairlead %s: there is no \"%s\"\n\n", command, argv[before]);
	}
	return usage(stderr, command, group != NULL ? group->name : NULL, EXIT_USAGE);
}

/* ---- completion ---- */

static void complete_verb(const struct verb *verb, struct buf *out)
{
	for (const enum option_id *o = verb->options; *o != OPTION_NONE; o++) {
		buf_addf(out, "--%s ", options[*o].name);
	}
	buf_add_cstr(out, "--help");
}

void verb_complete(int argc, char **argv, struct buf *out)
{
	const struct verb_group *group =
		argc > 0 ? find_group(argv[0], argc > 1 ? argv[1] : NULL) : NULL;
	int before = group != NULL && group->name != NULL ? 2 : 1;
	const struct verb *verb =
		group != NULL && argc > before ? find_verb(group, argv[before]) : NULL;

	if (group != NULL && is_verb(group)) {
		complete_verb(&group->verbs[0], out);
	} else if (verb != NULL) {
		complete_verb(verb, out);
	} else if (group != NULL && argc == before) {
		for (size_t i = 0; i < group->count; i++) {
			buf_addf(out, "%s ", group->verbs[i].name);
		}
	}
	for (const struct verb_group *const *g = verb_groups; argc == 1 && *g != NULL; g++) {
		if (strcmp((*g)->command, argv[0]) == 0 && (*g)->name != NULL) {
			buf_addf(out, "%s ", (*g)->name);
		}
	}
}

/* ---- docs/cli.md ---- */

static void document_verb(struct buf *out, const struct verb_group *group, const struct verb *verb)
{
	buf_add_cstr(out, "\n### `");
	add_call(out, group, verb);
	buf_addf(out, "`\n\n%s\n", verb->help);
	if (verb->options[0] != OPTION_NONE) {
		buf_add_cstr(out, "\n| Option | |\n|---|---|\n");
	}
	for (const enum option_id *o = verb->options; *o != OPTION_NONE; o++) {
		buf_addf(out, "| `--%s%s%s` | %s |\n", options[*o].name,
		         options[*o].value != NULL ? " " : "",
		         options[*o].value != NULL ? options[*o].value : "", options[*o].help);
	}
}

void verb_document(struct buf *out)
{
	for (const struct verb_group *const *g = verb_groups; *g != NULL; g++) {
		buf_addf(out, "\n## fairlead %s%s%s\n", (*g)->command,
		         (*g)->name != NULL ? " " : "", (*g)->name != NULL ? (*g)->name : "");
		if ((*g)->notes != NULL) {
			buf_addf(out, "\n%s", (*g)->notes);
		}
		for (size_t i = 0; i < (*g)->count; i++) {
			document_verb(out, *g, &(*g)->verbs[i]);
		}
	}
}
