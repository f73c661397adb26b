#include "cli/render.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "cli/printable.h"
#include "json/value.h"

#define DIM   "\033[2m"
#define RED   "\033[31m"
#define GREEN "\033[32m"
#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

void render_init(struct render *render, bool json)
{
	const char *no_colour = getenv("NO_COLOR"); /* https://no-color.org */

	*render = (struct render){ .json = json, .exit_code = -1 };
	render->colour = !json && isatty(STDOUT_FILENO) && isatty(STDERR_FILENO) &&
	                 (no_colour == NULL || no_colour[0] == '\0');
}

static const char *ink(const struct render *render, const char *colour)
{
	return render->colour ? colour : "";
}

static void close_progress(struct render *render)
{
	if (render->progress_open) {
		(void)fputs("\r\033[K", stderr);
		render->progress_open = false;
	}
}

void render_text(FILE *to, struct str text)
{
	struct buf buf;

	if (!isatty(fileno(to))) {
		(void)fwrite(text.p, 1, text.n, to);
		return;
	}
	buf_init(&buf, SIZE_MAX / 2);
	printable_add(&buf, text);
	if (buf.len > 0 && memchr(buf_cstr(&buf), '\033', buf.len) != NULL) {
		buf_add_cstr(&buf, PLAIN);
	}
	(void)fwrite(buf_cstr(&buf), 1, buf.len, to);
	buf_fini(&buf);
}

void render_note(struct render *render, const char *fmt, ...)
{
	struct buf line;
	va_list ap;

	buf_init(&line, SIZE_MAX / 2);
	va_start(ap, fmt);
	buf_vaddf(&line, fmt, ap);
	va_end(ap);
	close_progress(render);
	(void)fputs(ink(render, DIM), stderr);
	render_text(stderr, buf_str(&line));
	(void)fprintf(stderr, "%s\n", ink(render, PLAIN));
	buf_fini(&line);
}

static void render_status(struct render *render, const struct json_value *json)
{
	struct str status = json_as_str(json_get(json, "status"));
	struct str reason = json_as_str(json_get(json, "reason"));
	const struct json_value *exit_code = json_get(json, "exitCode");

	(void)str_copy(render->status, sizeof(render->status), status);
	if (json_type_of(exit_code) == JSON_T_NUMBER) {
		render->exit_code = (int)json_as_i64(exit_code);
	}
	if (!render->json) {
		render_note(render, "-- %" STR_FMT "%s%" STR_FMT, STR_ARG(status),
		            reason.n > 0 ? ": " : "", STR_ARG(reason));
	}
}

static void render_attempt_failed(struct render *render, const struct json_value *json)
{
	render_note(render, "-- attempt %lld of %lld failed: %" STR_FMT "; the next one in %.1f s",
	            (long long)json_as_i64(json_get(json, "attempt")),
	            (long long)json_as_i64(json_get(json, "maxAttempts")),
	            STR_ARG(json_as_str(json_get(json, "reason"))),
	            (double)json_as_i64(json_get(json, "delayMs")) / 1000.0);
}

static void render_waiting(struct render *render, const struct json_value *json)
{
	struct str message = json_as_str(json_get(json, "message"));

	if (message.n > 0 && !json_as_bool(json_get(json, "over"))) {
		render_note(render, "-- waiting: %" STR_FMT, STR_ARG(message));
	}
}

static void render_log(struct render *render, const struct json_value *json)
{
	struct str message = json_as_str(json_get(json, "message"));
	bool error = str_eq(json_as_str(json_get(json, "level")), STR_LIT("error"));

	close_progress(render);
	(void)fputs(error ? ink(render, RED) : "", stdout);
	render_text(stdout, message);
	(void)printf("%s\n", error ? ink(render, PLAIN) : "");
	(void)fflush(stdout);
}

static void render_progress(struct render *render, const struct json_value *json)
{
	struct str stage = json_as_str(json_get(json, "stage"));

	if (render->colour) {
		(void)fputs("\r\033[K", stderr);
		render_text(stderr, stage);
		(void)fflush(stderr);
		render->progress_open = true;
	}
}

static void render_file_edit(struct render *render, const struct json_value *json)
{
	render_note(render, "-- edited %" STR_FMT " (+%lld -%lld)",
	            STR_ARG(json_as_str(json_get(json, "file_path"))),
	            (long long)json_as_i64(json_get(json, "lines_added")),
	            (long long)json_as_i64(json_get(json, "lines_removed")));
}

static const char *patch_ink(const struct render *render, struct str line)
{
	if (str_starts(line, STR_LIT("+++")) || str_starts(line, STR_LIT("---")) ||
	    str_starts(line, STR_LIT("diff "))) {
		return ink(render, BOLD);
	}
	if (str_starts(line, STR_LIT("+"))) {
		return ink(render, GREEN);
	}
	return str_starts(line, STR_LIT("-")) ? ink(render, RED) : "";
}

static void render_diff(struct render *render, const struct json_value *json)
{
	struct str rest = json_as_str(json_get(json, "patch"));

	close_progress(render);
	while (rest.n > 0) {
		struct str line = str_split(&rest, '\n');
		const char *colour = patch_ink(render, line);

		(void)fputs(colour, stdout);
		render_text(stdout, line);
		(void)printf("%s\n", colour[0] != '\0' ? PLAIN : "");
	}
	(void)fflush(stdout);
}

static void render_error(struct render *render, const struct json_value *json)
{
	close_progress(render);
	(void)fprintf(stderr, "%serror: ", ink(render, RED));
	render_text(stderr, json_as_str(json_get(json, "message")));
	(void)fprintf(stderr, "%s\n", ink(render, PLAIN));
}

static void render_gap(struct render *render, const struct json_value *json)
{
	render_note(render, "-- gap: events %lld to %lld are gone (%" STR_FMT ")",
	            (long long)json_as_i64(json_get(json, "from")),
	            (long long)json_as_i64(json_get(json, "to")),
	            STR_ARG(json_as_str(json_get(json, "reason"))));
}

static void render_note_event(struct render *render, const struct json_value *json)
{
	render_note(render, "-- %" STR_FMT, STR_ARG(json_as_str(json_get(json, "message"))));
}

static void render_delivery(struct render *render, const struct json_value *json)
{
	render_note(render, "-- delivered as %" STR_FMT " %" STR_FMT,
	            STR_ARG(json_as_str(json_get(json, "mode"))),
	            STR_ARG(json_as_str(json_get(json, "url"))));
}

/* Types that are not here (epoch, command_started, ...) say nothing to a person. */
static const struct {
	const char *type;
	void (*render)(struct render *render, const struct json_value *json);
} renderers[] = {
	{ "status", render_status },     { "log", render_log },
	{ "progress", render_progress }, { "file_edit", render_file_edit },
	{ "diff", render_diff },         { "error", render_error },
	{ "gap", render_gap },           { "note", render_note_event },
	{ "delivery", render_delivery }, { "attempt_failed", render_attempt_failed },
	{ "waiting", render_waiting },
};

void render_event(struct render *render, struct str type, struct str data)
{
	struct err err;
	struct json_value *json = json_parse(data, &err);

	if (json == NULL) {
		return;
	}
	if (render->json) {
		render_text(stdout, data);
		(void)fputc('\n', stdout);
		(void)fflush(stdout);
	}
	for (size_t i = 0; i < ARRAY_LEN(renderers); i++) {
		if (str_eq(type, str_of(renderers[i].type)) &&
		    (!render->json || renderers[i].render == render_status)) {
			renderers[i].render(render, json);
		}
	}
	json_value_free(json);
}
