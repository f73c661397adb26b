/*
 * What the agent of a session prints, from its pipes to events: secrets are taken out before it is
 * cut into lines, since one may be on several.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/mem.h"
#include "worker/agent_calls.h"
#include "worker/redact.h"
#include "worker/session_adapter.h"

enum {
	LINES_FLUSH_MS = 200,
	CLEAN_FLUSH_MS = 300, /* what may be the begin of a secret is held back for so long */
	OUTPUT_STREAMS = 2,
	CHUNK_KEPT =
		4096,   /* a page for what is said between others; what took more is given back */
	REST_MS = 1000, /* after which that page is, too */
	CLEAN_MAX = 8 * 1024 * 1024,
};

struct source {
	struct redact_stream *secrets;
	uint64_t due_ms; /* when what is held back goes out; 0: nothing is */
	struct lines lines;
};

struct output {
	struct session_run *run;
	struct source sources[OUTPUT_STREAMS];
	struct buf clean, text;
	char *chunk; /* RUNNER_CHUNK bytes: pages that were never read into cost nothing */
	bool rests;  /* it has none */
};

static bool say_record(struct output *o, const struct lines_record *record, enum runner_stream from)
{
	if (record->kind == LINES_PROGRESS) {
		event_text_progress(&o->text, record->text);
		return session_say_clean(o->run, EVENT_TYPE_PROGRESS, &o->text);
	}
	event_text_log(&o->text, record, from);
	return session_say_clean(o->run, EVENT_TYPE_LOG, &o->text);
}

/* Cuts what is clean into lines. */
static bool say_lines(struct output *o, enum runner_stream from)
{
	struct str bytes = buf_str(&o->clean);
	struct lines_record record;
	bool going = true;

	while (going && lines_take(&o->sources[from].lines, &bytes, clock_mono_ms(), &record)) {
		going = say_record(o, &record, from);
	}
	buf_fini(&o->clean); /* an agent that says nothing more keeps no memory for it */
	return going;
}

static bool take_chunk(struct output *o, struct str bytes, enum runner_stream from)
{
	struct source *source = &o->sources[from];
	uint64_t now = clock_mono_ms();

	o->run->output_ms = now;
	if (o->run->adapter != NULL && from == RUNNER_STDOUT) {
		return session_adapter_take(o->run, bytes);
	}
	redact_feed(source->secrets, bytes, &o->clean);
	source->due_ms = redact_held(source->secrets) > 0 ? now + CLEAN_FLUSH_MS : 0;
	return say_lines(o, from);
}

static bool flush(struct output *o)
{
	struct lines_record record;
	bool going = true;

	for (unsigned i = 0; i < OUTPUT_STREAMS; i++) {
		struct source *source = &o->sources[i];

		if (going && source->due_ms != 0 && source->due_ms <= clock_mono_ms()) {
			source->due_ms = 0;
			redact_flush(source->secrets, &o->clean);
			going = say_lines(o, (enum runner_stream)i);
		}
		while (going && lines_flush(&source->lines, clock_mono_ms(), &record)) {
			going = say_record(o, &record, (enum runner_stream)i);
		}
	}
	return going;
}

static void finish(struct output *o)
{
	struct lines_record record;
	bool going = true;

	for (unsigned i = 0; i < OUTPUT_STREAMS; i++) {
		redact_end(o->sources[i].secrets, &o->clean);
		going = going && say_lines(o, (enum runner_stream)i);
		while (going && lines_finish(&o->sources[i].lines, &record)) {
			going = say_record(o, &record, (enum runner_stream)i);
		}
	}
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

static uint64_t until_flush(const struct output *o)
{
	uint64_t due = 0, now = clock_mono_ms();

	for (unsigned i = 0; i < OUTPUT_STREAMS; i++) {
		due = sooner(due, lines_due(&o->sources[i].lines));
		due = sooner(due, o->sources[i].due_ms);
	}
	if (due == 0) {
		return FIBER_NO_TIMEOUT;
	}
	return due > now ? due - now : 0;
}

static void give_chunk_back(struct output *o)
{
	(void)madvise(o->chunk, RUNNER_CHUNK, MADV_DONTNEED);
	o->rests = true;
}

static uint64_t patience(const struct output *o)
{
	uint64_t ms = until_flush(o);

	return ms == FIBER_NO_TIMEOUT && !o->rests ? REST_MS : ms;
}

/* Nothing is read while what was read cannot be appended: the agent waits in its write(). */
static void read_all(struct output *o)
{
	bool going = true;

	while (going) {
		enum runner_stream from;
		size_t n;
		enum err_code code = runner_read(o->run->runner, o->chunk, patience(o), &n, &from);

		if (code == ERR_TIMEOUT) {
			going = flush(o);
			if (until_flush(o) == FIBER_NO_TIMEOUT) {
				give_chunk_back(o);
			}
		} else if (code != ERR_OK) {
			going = false;
		} else if (n == 0) {
			finish(o);
			going = false;
		} else {
			o->rests = false;
			going = take_chunk(o, str_make(o->chunk, n), from);
			if (n > CHUNK_KEPT) {
				give_chunk_back(o);
			}
		}
	}
}

void session_output(void *arg)
{
	struct session_run *s = arg;
	struct output *o = mem_calloc(1, sizeof(*o));

	fiber_set_tag("session=%s", s->sid.s);
	o->run = s;
	o->chunk = mmap(NULL, RUNNER_CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	                0);
	if (o->chunk == MAP_FAILED) {
		abort(); /* out of memory, as everywhere */
	}
	event_text_init(&o->text);
	buf_init(&o->clean, CLEAN_MAX);
	for (unsigned i = 0; i < OUTPUT_STREAMS; i++) {
		o->sources[i].secrets = redact_stream_new(s->redact);
		lines_init(&o->sources[i].lines, LINES_FLUSH_MS);
	}
	read_all(o);
	if (s->adapter != NULL) {
		session_adapter_end(s);
		agent_calls_stop(s->calls);
	}
	for (unsigned i = 0; i < OUTPUT_STREAMS; i++) {
		redact_stream_free(o->sources[i].secrets);
		lines_fini(&o->sources[i].lines);
	}
	buf_fini(&o->clean);
	buf_fini(&o->text);
	(void)munmap(o->chunk, RUNNER_CHUNK);
	free(o);
	s->output_ended = true;
	fiber_signal_raise(&s->wake);
}
